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
import { drawQr, formatScreen } from '../../src/gpg/screen-format.ts'
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

async function decryptWith(program: 'gpg' | 'sqop', kind: KindName, message: string): Promise<string> {
  const { secret } = await pair(kind)
  return inFolder(async (folder) => {
    if (program === 'sqop') {
      writeFileSync(join(folder, 'key'), secret.armor(), { mode: 0o600 })
      const ran = await run(['sqop', 'decrypt', join(folder, 'key')], message)
      return ran.stdout || ran.stderr
    }
    const gpg = ['gpg', '--homedir', folder, '--quiet', '--batch', '--pinentry-mode', 'loopback', '--passphrase', '']
    const imported = await run([...gpg, '--import'], secret.armor())
    const ran = await run([...gpg, '--decrypt'], message)
    return ran.stdout || imported.stderr + ran.stderr
  })
}

const codeOf = (plain: string): string => /^code (.+)$/m.exec(plain)?.[1] ?? plain

const forGpg = ['curve25519', 'rsa3072', 'nist p-256'] as const
test.skipIf(!has('gpg')).each(forGpg)(
  'gpg reads a challenge for %s',
  async (kind) => {
    const { armored, pending } = await challengeFor(kind)
    expect(hashOfCode(codeOf(await decryptWith('gpg', kind, armored)))).toBe(pending.codeHash)
  },
  60_000,
)

const forSqop = ['curve25519', 'rsa3072', 'nist p-256'] as const
test.skipIf(!has('sqop')).each(forSqop)(
  'sqop reads a challenge for %s',
  async (kind) => {
    const { armored, pending } = await challengeFor(kind)
    expect(hashOfCode(codeOf(await decryptWith('sqop', kind, armored)))).toBe(pending.codeHash)
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

// sshd of OpenSSH 10 ends a login on the 33rd line.
const shown = { gpg_qr: true, gpg_timeout: 600 }
for (const program of ['gpg', 'sqop'] as const)
  test.skipIf(!has(program))(
    `a challenge in few and long lines is read by ${program}`,
    async () => {
      const { armored, pending } = await challengeFor('rsa3072')
      const text = await formatScreen(armored, shown, { page: 'or: https://web1/', most: 12 })
      expect(text.trimEnd().split('\n').length).toBeLessThanOrEqual(12)
      const message = /-----BEGIN[\s\S]*END PGP MESSAGE-----\n/.exec(text)?.[0] ?? ''
      expect(hashOfCode(codeOf(await decryptWith(program, 'rsa3072', message)))).toBe(pending.codeHash)
    },
    60_000,
  )

test('the QR code is left out first, and the message stays as it is where that is enough', async () => {
  const { armored } = await challengeFor('curve25519')
  const whole = await formatScreen(armored, shown)
  expect([whole.includes('█'), whole.split('\n').length > 33]).toEqual([true, true])
  const plain = await formatScreen(armored, shown, { most: 27 })
  expect(plain).toBe(await formatScreen(armored, { ...shown, gpg_qr: false }))
  expect(plain).toContain(armored.trimEnd())
})
