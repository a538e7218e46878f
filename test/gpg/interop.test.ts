// What we print, read by programs that we did not write: gpg, sqop, and zbar for the QR code. Skipped where they are
// not.
import { expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { utf8 } from '../../src/base/bytes.ts'
import { makeChallenge } from '../../src/gpg/ask.ts'
import { hashOfCode } from '../../src/gpg/challenge-format.ts'
import { openEngine } from '../../src/gpg/engine.ts'
import { keyFile } from '../../src/gpg/key-store.ts'
import { drawQr } from '../../src/gpg/screen-format.ts'
import { fakeWorld } from '../fakes/world.ts'
import { type KindName, now, pair } from './keys.ts'

const engine = await openEngine()
const has = (program: string): boolean => Bun.which(program) !== null

/** A challenge as a login shows it, for a key of this kind. */
async function challengeFor(kind: KindName) {
  const { armored } = await pair(kind)
  const login = {
    user: undefined,
    name: 'alice',
    service: 'sshd',
    from: '192.0.2.7',
    connection: 'c',
    reference: '1A2B3C4D',
    breakGlass: false,
  }
  const recipient = { file: keyFile(utf8(armored)), permitted: true }
  return makeChallenge(
    { ...fakeWorld({ now }), engine, uptime: 1 },
    { gpg_timeout: 600, signer: undefined },
    { login, recipient },
  )
}

async function run(argv: readonly string[], stdin: string) {
  const child = Bun.spawn([...argv], { stdin: new Blob([stdin]), stdout: 'pipe', stderr: 'pipe' })
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
  return { code: await child.exited, stdout, stderr }
}

async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'ob-interop-'))
  try {
    return await work(folder)
  } finally {
    if (has('gpgconf')) await run(['gpgconf', '--homedir', folder, '--kill', 'all'], '')
    // An agent that is ending takes its sockets away meanwhile.
    rmSync(folder, { recursive: true, force: true })
  }
}

const codeOf = (plain: string): string => /^code (.+)$/m.exec(plain)?.[1] ?? plain

const forGpg = ['curve25519', 'rsa3072', 'nist p-256'] as const
test.skipIf(!has('gpg')).each(forGpg)(
  'gpg reads a challenge for %s',
  async (kind) => {
    const { armored, pending } = await challengeFor(kind)
    const { secret } = await pair(kind)
    const plain = await inFolder(async (folder) => {
      const gpg = ['gpg', '--homedir', folder, '--quiet', '--batch', '--pinentry-mode', 'loopback', '--passphrase', '']
      const imported = await run([...gpg, '--import'], secret.armor())
      const ran = await run([...gpg, '--decrypt'], armored)
      return ran.stdout || imported.stderr + ran.stderr
    })
    expect(hashOfCode(codeOf(plain))).toBe(pending.codeHash)
  },
  60_000,
)

const forSqop = ['curve25519', 'rsa3072', 'nist p-256'] as const
test.skipIf(!has('sqop')).each(forSqop)(
  'sqop reads a challenge for %s',
  async (kind) => {
    const { armored, pending } = await challengeFor(kind)
    const { secret } = await pair(kind)
    const plain = await inFolder(async (folder) => {
      writeFileSync(join(folder, 'key'), secret.armor(), { mode: 0o600 })
      const ran = await run(['sqop', 'decrypt', join(folder, 'key')], armored)
      return ran.stdout || ran.stderr
    })
    expect(hashOfCode(codeOf(plain))).toBe(pending.codeHash)
  },
  60_000,
)

/** A portable bitmap (pbm(5)) of what stands in the terminal: light squares are drawn there. */
function bitmap(picture: string, scale = 4): string {
  const rows = picture.split('\n').flatMap((line) => {
    const halves = [...line].map((letter) => ({ '█': '00', '▀': '01', '▄': '10', ' ': '11' })[letter] ?? '11')
    return [halves.map((half) => half[0]).join(''), halves.map((half) => half[1]).join('')]
  })
  const width = Math.max(...rows.map((row) => row.length))
  const wide = rows.map((row) => [...row.padEnd(width, '0')].map((bit) => bit.repeat(scale)).join(''))
  const margin = '0'.repeat((width + 8) * scale)
  const framed = wide.flatMap((row) => Array<string>(scale).fill('0'.repeat(4 * scale) + row + '0'.repeat(4 * scale)))
  const all = [...Array<string>(4 * scale).fill(margin), ...framed, ...Array<string>(4 * scale).fill(margin)]
  return `P1\n${margin.length} ${all.length}\n${all.map((row) => row.replace(/(.{60})/g, '$1\n')).join('\n')}\n`
}

const small = ['curve25519', 'new curve25519', 'version 6'] as const
test.skipIf(!has('zbarimg')).each(small)(
  'the QR code of a challenge for %s fits 80 columns and reads as the challenge',
  async (kind) => {
    const { armored } = await challengeFor(kind)
    const picture = (await drawQr(armored)) ?? ''
    expect(picture.split('\n')[0]?.length).toBeGreaterThan(40)
    expect(Math.max(...picture.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80)
    const read = await inFolder(async (folder) => {
      writeFileSync(join(folder, 'code.pbm'), bitmap(picture))
      return (await run(['zbarimg', '-q', '--raw', join(folder, 'code.pbm')], '')).stdout
    })
    expect(read.trim()).toBe(armored.trim())
  },
  60_000,
)

test('for RSA there is no QR code in the terminal, because it would be wider', async () => {
  expect(await drawQr((await challengeFor('rsa3072')).armored)).toBeUndefined()
})
