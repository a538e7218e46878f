import { expect, test } from 'bun:test'
import { concat, utf8 } from '../../src/base/bytes.ts'
import { openEngine } from '../../src/gpg/engine.ts'
import type { KeyProblem } from '../../src/gpg/key-policy.ts'
import { mutations } from '../fakes/mutate.ts'
import { type KindName, now, open, pair, publicKey, revoked, secretKey } from './keys.ts'

const engine = await openEngine()
const usable = ['curve25519', 'new curve25519', 'version 6', 'nist p-256', 'rsa2048', 'rsa3072'] as const

test.each(usable)(
  '%s: what is sealed, the owner can read',
  async (kind) => {
    const { keys, problem } = await engine.read(await publicKey(kind), now)
    expect(problem).toBeUndefined()
    expect(keys.map(({ facts }) => facts.problem)).toEqual([undefined])
    const sealed = await engine.seal({ text: 'code 1234\n', recipients: keys, now })
    expect(await open(sealed, kind)).toBe('code 1234\n')
  },
  30_000,
)

test('every one of several keys opens it', async () => {
  const both = concat(await publicKey('curve25519'), utf8('\n'), await publicKey('nist p-256'))
  const { keys } = await engine.read(both, now)
  expect(keys.length).toBe(2)
  const sealed = await engine.seal({ text: 'x', recipients: keys, now })
  expect([await open(sealed, 'curve25519'), await open(sealed, 'nist p-256')]).toEqual(['x', 'x'])
})

/** A compressed packet (RFC 9580, section 5.6), armored. */
async function bomb(): Promise<Uint8Array> {
  const packed = Bun.gzipSync(new Uint8Array(1 << 20)).subarray(10, -8)
  const body = concat(Uint8Array.of(1), packed)
  const packet = concat(
    Uint8Array.of(0xc8, 0xff, body.length >>> 24, body.length >>> 16, body.length >>> 8, body.length),
    body,
  )
  return utf8(`-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n${packet.toBase64()}\n-----END PGP PUBLIC KEY BLOCK-----\n`)
}

const bad: readonly (readonly [string, () => Promise<Uint8Array>, KeyProblem])[] = [
  ['nothing', async () => new Uint8Array(), 'not-a-key'],
  ['a page', async () => utf8('<!DOCTYPE html><html></html>'), 'not-a-key'],
  [
    'armor of nothing',
    async () => utf8('-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n-----END PGP PUBLIC KEY BLOCK-----\n'),
    'not-a-key',
  ],
  ['half a key', async () => (await publicKey('curve25519')).subarray(0, 300), 'not-a-key'],
  [
    'a message',
    async () =>
      utf8(
        await engine.seal({ text: 'x', recipients: (await engine.read(await publicKey('curve25519'), now)).keys, now }),
      ),
    'not-a-key',
  ],
  ['a secret key', secretKey, 'secret-key'],
  [
    'a secret key behind a public one',
    async () => concat(await publicKey('nist p-256'), utf8('\n'), await secretKey()),
    'secret-key',
  ],
  ['a megabyte that unpacks from a kilobyte', bomb, 'not-a-key'],
  ['more than sixteen keys', async () => concat(...Array.from({ length: 17 }, () => key)), 'too-many-keys'],
  ['an expired key', () => publicKey('expired'), 'expired'],
  ['a revoked key', revoked, 'revoked'],
  ['a key from the future', () => publicKey('from the future'), 'from-the-future'],
  ['RSA of 1024 bits', () => publicKey('rsa1024'), 'rsa-too-small'],
  ['a key for signing only', () => publicKey('for signing only'), 'no-encryption-key'],
]
const key = await publicKey('curve25519')

test.each(bad)(
  '%s is refused, with the reason',
  async (_name, bytes, expected) => {
    const { keys, problem } = await engine.read(await bytes(), now)
    expect(problem ?? keys[0]?.facts.problem).toBe(expected)
  },
  30_000,
)

test.each<KindName>(['curve25519', 'new curve25519', 'version 6', 'nist p-256', 'rsa2048'])(
  '%s: a decoy looks like a challenge, and its template cannot read it',
  async (kind) => {
    const read = async () => (await engine.read(await publicKey(kind), now)).keys
    const text = 'x'.repeat(200)
    const sealed = await engine.seal({ text, recipients: await read(), now })
    const decoy = await engine.seal({ text, recipients: await read(), now, decoy: true })
    // RSA's number can be a few bits shorter.
    expect(Math.abs(decoy.length - sealed.length)).toBeLessThanOrEqual(kind === 'rsa2048' ? 8 : 0)
    expect(await open(sealed, kind)).toBe(text)
    await expect(open(decoy, kind)).rejects.toThrow()
  },
)

test('a challenge names nobody: there is no key id in it', async () => {
  const { keys } = await engine.read(await publicKey('curve25519'), now)
  const sealed = await engine.seal({ text: 'x', recipients: keys, now })
  const { readMessage } = await import('openpgp')
  const ids = (await readMessage({ armoredMessage: sealed })).getEncryptionKeyIDs().map((id) => id.toHex())
  expect(ids).toEqual(['0000000000000000'])
})

test('what the host signs, the person can verify', async () => {
  const host = await engine.makeKey('web1 challenges', now - 60)
  const { keys } = await engine.read(await publicKey('curve25519'), now)
  const sealed = await engine.seal({ text: 'x', recipients: keys, signer: host.secret, now })
  const openpgp = await import('openpgp')
  const { signatures } = await openpgp.decrypt({
    message: await openpgp.readMessage({ armoredMessage: sealed }),
    decryptionKeys: [(await pair('curve25519')).secret],
    verificationKeys: await openpgp.readKeys({ armoredKeys: host.public }),
    expectSigned: true,
  })
  expect(await signatures[0]?.verified).toBe(true)
  expect(await engine.publicHalf(host.secret)).toContain('PUBLIC KEY BLOCK')
  expect(await engine.publicHalf(host.public)).toBeUndefined()
})

test('a user id may hold anything', async () => {
  const { armored } = await pair('curve25519', 'a\u001b[2J\nb')
  const { keys } = await engine.read(utf8(armored), now)
  expect(keys[0]?.facts.userIds).toEqual(['a\u001b[2J\nb'])
})

test('whatever is done to a key file, reading it ends without an error', async () => {
  const binary = Uint8Array.from((await pair('curve25519')).secret.toPublic().write())
  let survived = 0
  for (const bytes of mutations([binary])) {
    if (survived++ > 500) break
    expect(Array.isArray((await engine.read(bytes, now)).keys)).toBe(true)
  }
}, 60_000)
