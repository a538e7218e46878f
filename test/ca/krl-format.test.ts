import { expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { parseFingerprint } from '../../src/base/names.ts'
import { formatOwnRevocationList, type RevocationListContent } from '../../src/ca/krl-format.ts'
import { changeRevocations } from '../../src/ca/revocations.ts'
import { parseRevocationList } from '../../src/revocation/krl-format.ts'
import { caLine, certificateLine, keyOf, publicKeyLine } from '../fakes/ssh-keys.ts'
import { fakeWorld } from '../fakes/world.ts'

const ca = keyOf(caLine)
const content = (more: Partial<RevocationListContent>): RevocationListContent => ({
  version: 7n,
  generatedAt: 1_800_000_000,
  comment: '',
  serials: [],
  keys: [],
  ...more,
})

/** Which of these lines `ssh-keygen -Q` calls revoked by this list. */
function revoked(list: Uint8Array, lines: readonly string[]): readonly boolean[] {
  const folder = mkdtempSync(join(tmpdir(), 'ob-krl-'))
  try {
    writeFileSync(join(folder, 'krl'), list)
    return lines.map((line, at) => {
      writeFileSync(join(folder, `${at}.pub`), `${line}\n`)
      const argv = ['ssh-keygen', '-Q', '-f', join(folder, 'krl'), join(folder, `${at}.pub`)]
      const done = Bun.spawnSync(argv, { env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' } })
      if (!/: (ok|REVOKED)/.test(done.stdout.toString())) throw new Error(done.stderr.toString())
      return done.stdout.toString().includes('REVOKED')
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

test('ssh-keygen finds the serials and keys of the list revoked, and no others', () => {
  const [one, two] = [
    certificateLine('ed25519', ['-I', 'a', '-n', 'alice', '-z', '18446744073709551615']),
    certificateLine('p256', ['-I', 'b', '-n', 'bob', '-z', '5']),
  ]
  const lines = [one, two, publicKeyLine('rsa3071'), publicKeyLine('p384')]
  const signer = ca.blob
  const bySerial = content({ serials: [{ signer, serials: [18446744073709551615n, 3n, 4n] }] })
  expect(revoked(formatOwnRevocationList(bySerial), lines)).toEqual([true, false, false, false])
  const byKey = content({ keys: [parseFingerprint(keyOf(publicKeyLine('rsa3071')).fingerprint)!] })
  expect(revoked(formatOwnRevocationList(byKey), lines)).toEqual([false, false, true, false])
  expect(revoked(formatOwnRevocationList(content({})), lines)).toEqual([false, false, false, false])
  // Another authority's serials are no serials of this one.
  const other = content({ serials: [{ signer: keyOf(publicKeyLine('p384')).blob, serials: [5n] }] })
  expect(revoked(formatOwnRevocationList(other), lines)).toEqual([false, false, false, false])
})

test('the reader of lists reads what this writes', () => {
  const serial = fc.bigInt({ min: 1n, max: 18446744073709551615n })
  fc.assert(
    fc.property(fc.uniqueArray(serial, { maxLength: 20 }), fc.nat(4_000_000_000), serial, (serials, at, version) => {
      const list = content({ version, generatedAt: at, serials: [{ signer: ca.blob, serials }] })
      const sections = serials.length === 0 ? 0 : 1
      expect(parseRevocationList(formatOwnRevocationList(list))).toEqual({
        version,
        generatedAt: at,
        comment: '',
        sections,
      })
    }),
  )
})

test('the number of the list and its date only grow, whatever the clock does', async () => {
  const world = fakeWorld()
  const change = () => changeRevocations(world, [ca], (present) => present)
  expect(await change()).toBe(1n)
  world.clock.now -= 10_000
  expect(await change()).toBe(2n)
  const list = parseRevocationList(world.disk.get('/var/lib/open-bastion/revoked_keys')!.data)
  expect(list).toMatchObject({ version: 2n, generatedAt: 1_800_000_000 })
  world.disk.get('/var/lib/open-bastion/revoked_keys')!.data = Uint8Array.of(1)
  expect(change()).rejects.toThrow('is damaged')
})
