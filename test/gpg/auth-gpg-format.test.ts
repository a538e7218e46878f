import { expect, test } from 'bun:test'
import { type AuthGpg, namesAddress, parseAuthGpg } from '../../src/gpg/auth-gpg-format.ts'
import { fuzzText } from '../fakes/mutate.ts'

const plain: AuthGpg = { to: 'alice@example.org', isTrusted: true, signAs: undefined, web: undefined, tls: undefined }
const tls = { key: '/k', certificate: '/c' }

test.each<readonly [string, Partial<AuthGpg>]>([
  ['alice@example.org trust nosign no', {}],
  ['# mine\n\n  alice@example.org\ttrust nosign none\nbob@example.org trust nosign none', {}],
  ['alice@example.org notrust nosign -', { isTrusted: false }],
  [
    'alice@example.org trust host@example.org webQrAuthTls /k /c',
    { signAs: 'host@example.org', web: 'webQrAuthTls', tls },
  ],
  ['alice@example.org trust nosign webQrNoAuthNoTls', { web: 'webQrNoAuthNoTls' }],
  ['alice@example.org webQrNoAuthTls /k /c', { web: 'webQrNoAuthTls', tls }],
  ['alice@example.org none', {}],
  ['alice@example.org webqrauthtls', {}],
  [`${'A1'.repeat(20)} none`, { to: 'A1'.repeat(20) }],
])('%j', (text, expected) => {
  expect(parseAuthGpg(text)).toEqual({ ...plain, ...expected })
})

test.each([
  ['', 'it says nothing'],
  ['# nothing\n', 'it says nothing'],
  ['alice', 'its first word is no address and no fingerprint'],
  ['--homedir=/tmp@x none', undefined],
  ['alice@example.org', 'the word about the web page is missing'],
  ['alice@example.org trust', 'after trust or notrust the word nosign, or a signer, is missing'],
  ['alice@example.org trust nosign', 'the word about the web page is missing'],
  ['alice@example.org webQrAuthTls /k', 'webQrAuthTls needs a key file and a certificate'],
  ['alice@example.org none a b c', 'it has more words than either format'],
  ['alice@example.org n\u001bone', 'its first line holds more than plain text'],
  [`alice@example.org ${'x'.repeat(3000)}`, 'its first line holds more than plain text'],
])('%j is refused', (text, problem) => {
  const parsed = parseAuthGpg(text)
  expect('problem' in parsed ? parsed.problem : undefined).toBe(problem!)
})

test('an address is compared whole', () => {
  expect(namesAddress('Alice <Alice@Example.org>', 'alice@example.org')).toBe(true)
  expect(namesAddress('alice@example.org', 'alice@example.org')).toBe(true)
  expect(namesAddress('Alice <malice@example.org>', 'alice@example.org')).toBe(false)
  expect(namesAddress('alice@example.org <eve@example.org>', 'alice@example.org')).toBe(false)
})

test('nothing makes the parser fail', () => {
  expect(fuzzText(['alice@example.org trust nosign webQrAuthTls /k /c\n'], parseAuthGpg)).toBeGreaterThan(1000)
})
