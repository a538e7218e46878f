import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { Secret } from '../../src/base/secret.ts'
import { formatTokenFile, parseTokenFile, type TokenFile } from '../../src/portal-client/server-token-format.ts'
import { fuzzText } from '../fakes/mutate.ts'

const plain = (file: TokenFile) => ({
  ...file,
  accessToken: file.accessToken.expose(),
  refreshToken: file.refreshToken?.expose(),
})
const read = (text: string) => {
  const file = parseTokenFile(text)
  return 'problem' in file ? file : plain(file)
}
const token = fc.stringMatching(/^[!-~]{1,60}$/)
const instant = fc.integer({ min: 0, max: 2 ** 40 })
const files: fc.Arbitrary<TokenFile> = fc
  .record(
    {
      accessToken: token.map((text) => new Secret(text)),
      refreshToken: token.map((text) => new Secret(text)),
      expiresAt: instant,
      enrolledAt: instant,
      renewedAt: instant,
      more: fc.constant({ server_group: 'bastion', nested: { a: [1] } }),
    },
    { requiredKeys: ['accessToken'] },
  )
  // An optional member that fast-check leaves out is really absent.
  .map((file) => file as TokenFile)

test('what is written is read back, and written the same again', () => {
  fc.assert(
    fc.property(files, (file) => {
      const text = formatTokenFile(file)
      const again = parseTokenFile(text)
      if ('problem' in again) throw new Error(again.problem)
      expect(plain(again)).toEqual(plain(file))
      expect(formatTokenFile(again)).toBe(text)
    }),
  )
})

test('the file of the C implementation is read', () => {
  const text = '{ "access_token": "a.b-c", "refresh_token": "", "expires_at": 1780003600, "enrolled_at": 1780000000 }'
  expect(read(text)).toMatchObject({ accessToken: 'a.b-c', refreshToken: undefined, expiresAt: 1780003600 })
})

test.each(['tok-1\n', 'tok-1', '  tok-1 \r\n', 'tok-1\nsecond line\n'])(
  'the plain form %j is its first line',
  (text) => {
    expect(read(text)).toEqual({ accessToken: 'tok-1', refreshToken: undefined })
  },
)

test('8191 characters are the longest token', () => {
  expect(read('x'.repeat(8191))).toHaveProperty('accessToken')
  expect(read('x'.repeat(8192))).toHaveProperty('problem')
})

test.each([
  ['', 'empty'],
  ['\ntok', 'empty'],
  ['tok en', 'not a token'],
  ['tok\u0000en', 'not a token'],
  ['tök', 'not a token'],
  ['{', 'not valid JSON'],
  ['{"access_token":"a"} x', 'not valid JSON'],
  ['{}', 'access_token'],
  ['{"access_token":""}', 'access_token'],
  ['{"access_token":7}', 'access_token'],
  ['{"access_token":"a\\r\\nX-Evil: 1"}', 'access_token'],
  ['{"access_token":"a","refresh_token":null}', 'refresh_token'],
  ['{"access_token":"a","expires_at":"soon"}', 'expires_at'],
  ['{"access_token":"a","expires_at":-1}', 'expires_at'],
  ['{"access_token":"a","expires_at":1.5}', 'expires_at'],
  ['{"access_token":"a","enrolled_at":[]}', 'enrolled_at'],
])('%j is refused', (text, part) => {
  const file = parseTokenFile(text)
  expect('problem' in file ? file.problem : 'accepted').toContain(part)
})

test('tokens are never printed by accident', () => {
  const file = parseTokenFile('{"access_token":"hunter2","refresh_token":"hunter3"}')
  expect(JSON.stringify(file) + String(Bun.inspect(file))).not.toContain('hunter')
})

test('a problem never quotes the file', () => {
  for (const text of ['hun ter2', '{"access_token":"hun ter2"}', '{"hunter2']) {
    expect(JSON.stringify(parseTokenFile(text))).not.toContain('ter2')
  }
})

test('no mutation throws, and what is accepted is written one way', () => {
  const samples = ['tok-1\n', '{"access_token":"a","refresh_token":"b","expires_at":1,"enrolled_at":2,"x":{"y":3}}']
  fuzzText(samples, (text) => {
    const file = parseTokenFile(text)
    if ('problem' in file) return
    const written = formatTokenFile(file)
    const again = parseTokenFile(written)
    expect('problem' in again ? again : formatTokenFile(again)).toBe(written)
  })
})

test('when the token was renewed is only told, so nonsense there refuses nobody', () => {
  expect(read('{"access_token":"a","renewed_at":"soon"}')).toEqual({ accessToken: 'a', refreshToken: undefined })
})
