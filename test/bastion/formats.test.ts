import { expect, test } from 'bun:test'
import { parseHopKeyId } from '../../src/bastion/hop-certificate-policy.ts'
import { formatKeysFile, parseKeySet, parseKeysAddress, parseKeysFile } from '../../src/bastion/keys-format.ts'
import { formatHopPolicy, parseHopPolicy } from '../../src/bastion/policy-format.ts'
import { parseClaims, parseToken } from '../../src/bastion/token-format.ts'
import { mutations } from '../fakes/mutate.ts'
import { claims, issuer, keys, policy, token } from './cast.ts'

const published = keys[0]!.keys.map((key) => ({ ...key, use: 'sig' }))
const rsa: Record<string, string> = published[0]!
const setOf = (...list: readonly object[]): string => JSON.stringify({ keys: list })
const problemOf = (text: string): string | undefined => {
  const set = parseKeySet(text)
  return 'problem' in set ? set.problem : undefined
}

test('the keys of a portal are read, without what is not theirs', () => {
  expect(parseKeySet(setOf({ ...rsa, x5c: ['…'], extra: 1 }))).toEqual([keys[0]!.keys[0]!])
  expect(parseKeySet(setOf(...published))).toEqual(keys[0]!.keys)
})

const weak = `${'A'.repeat(170)}B`
const unusable: readonly (readonly [string, object])[] = [
  ['for encryption', { ...rsa, use: 'enc' }],
  ['for nothing in particular', { ...rsa, use: undefined }],
  ['without an ID', { ...rsa, kid: undefined }],
  ['with an ID that is a number', { ...rsa, kid: 7 }],
  ['of 1024 bits', { ...rsa, n: `y${weak}` }],
  ['with leading zeros', { ...rsa, n: `AAAA${String(rsa['n']).slice(4)}` }],
  ['with exponent 1', { ...rsa, e: 'AQ' }],
  ['with an even exponent', { ...rsa, e: 'AQAA' }],
  ['that is symmetric', { kty: 'oct', k: 'AAAA', kid: 'x', use: 'sig' }],
  ['that is private', { ...rsa, d: 'AAAA' }],
  ['of another curve', { kty: 'EC', crv: 'P-384', x: 'AA', y: 'AA', kid: 'x', use: 'sig' }],
  ['of a curve, too short', { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA', kid: 'x', use: 'sig' }],
]
test.each(unusable)('a key %s is not kept', (_name, key) => {
  expect(problemOf(setOf(key))).toContain('none of its keys')
  expect(parseKeySet(setOf(key, rsa))).toHaveLength(1)
})

test('an answer that is no key set is none', () => {
  for (const text of ['', '<html>', '[]', '{}', '{"keys":{}}', setOf(), setOf(rsa).slice(0, -9)])
    expect(problemOf(text)).toBeDefined()
  expect(problemOf(setOf(rsa, rsa))).toContain('one key ID')
  expect(problemOf(setOf(...Array.from({ length: 17 }, (_, at) => ({ ...rsa, kid: `k${at}` }))))).toContain('more than')
})

test('what is kept is read back, and nothing else', () => {
  expect(parseKeysFile(formatKeysFile(keys))).toEqual(keys)
  expect(parseKeysFile('')).toEqual([])
  expect(parseKeysFile(JSON.stringify({ version: 2, sets: keys }))).toEqual([])
})

test('the rules are read back, and nothing but all of them', () => {
  expect(parseHopPolicy(formatHopPolicy(policy))).toEqual(policy)
  for (const name of Object.keys(policy)) {
    const { [name as keyof typeof policy]: _, ...rest } = policy
    expect([name, parseHopPolicy(JSON.stringify({ version: 1, ...rest }))]).toEqual([name, undefined])
  }
})

test('an issuer names the place of its keys at its own origin', () => {
  const at = (jwks_uri: unknown) => parseKeysAddress(JSON.stringify({ jwks_uri }), issuer)
  expect(at(`${issuer}/oauth2/jwks`)).toBe(`${issuer}/oauth2/jwks`)
  for (const other of [
    'https://evil.example/jwks',
    'http://auth.example.com/jwks',
    `https://a@auth.example.com/`,
    'file:///etc/passwd',
    7,
  ])
    expect(at(other)).toBeUndefined()
})

const samples = [await token(), await token({}, 'EdDSA'), 'a.b.c', `${'A'.repeat(400)}.e30.AAAA`]
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

test('broken tokens end in a problem, and what is taken has one spelling', () => {
  for (const broken of mutations(samples.map(bytes))) {
    const text = new TextDecoder('latin1').decode(broken)
    const parsed = parseToken(text)
    if ('problem' in parsed) continue
    expect(
      parsed.text
        .split('.')
        .map((part) => Buffer.from(part, 'base64url').toString('base64url'))
        .join('.'),
    ).toBe(text)
    parseClaims(parsed.payload)
  }
})

test('broken claims end in undefined, or say what they said', () => {
  for (const broken of mutations([bytes(JSON.stringify(claims))])) {
    let value: unknown
    try {
      value = JSON.parse(new TextDecoder().decode(broken))
    } catch {
      continue
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) continue
    const parsed = parseClaims(value as never)
    if (parsed) expect(parsed.user).toBe((value as { sub: string }).sub)
  }
})

test('broken files and answers are read without a crash', () => {
  for (const broken of mutations(
    [formatKeysFile(keys), setOf(...published), formatHopPolicy(policy), 'bastion=a;user=b;target=c'].map(bytes),
  )) {
    const text = new TextDecoder('latin1').decode(broken)
    for (const set of parseKeysFile(text)) expect(parseKeysFile(formatKeysFile([set]))).toEqual([set])
    parseKeySet(text)
    parseHopPolicy(text)
    parseHopKeyId(text)
  }
})
