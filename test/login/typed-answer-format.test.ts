// What a person typed, as PAM hands it over: a token, nothing, or something that is sent nowhere.
import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { parseUserToken } from '../../src/login/typed-answer-format.ts'

const read = (text: string | Uint8Array, passwords = false): string => {
  const { kind, token } = parseUserToken(typeof text === 'string' ? new TextEncoder().encode(text) : text, passwords)
  return kind === 'token' ? `token ${token.expose()}` : `${kind}${token.expose()}`
}

test.each([
  ['', 'absent'],
  ['\0', 'absent'],
  [' \t ', 'absent'],
  ['tok', 'token tok'],
  ['tok\0', 'token tok'],
  [' \ttok \r\n', 'token tok'],
  ['to k', 'malformed'],
  ['tök', 'malformed'],
  ['tok\u0007', 'malformed'],
  ['\ntok', 'malformed'],
  ['OFFLINE:tok', 'token OFFLINE:tok'],
  ['\b\n\r\u007fINCORRECT', 'placeholder'],
  ['\b\n\r', 'placeholder'],
  ['\b\n\r\u007fINCORRECT\b\n', 'placeholder'],
])('%j is %s', (text, expected) => {
  expect(read(text)).toBe(expected)
})

test.each([
  ['', 'absent'],
  ['OFFLINE:', 'absent'],
  ['correct horse', 'token correct horse'],
  [' pässword ', 'token pässword'],
  ['OFFLINE:pass word', 'token pass word'],
  ['xOFFLINE:pass', 'token xOFFLINE:pass'],
  ['pass\u0007word', 'malformed'],
  ['pass\u0085word', 'malformed'],
  ['pass\nword', 'malformed'],
])('where passwords count, %j is %s', (text, expected) => {
  expect(read(text, true)).toBe(expected)
})

test('bytes that are no UTF-8 are sent nowhere', () => {
  expect(read(Uint8Array.of(0x61, 0xff, 0x62))).toBe('malformed')
  expect(read(Uint8Array.of(0x61, 0xff, 0x62), true)).toBe('malformed')
})

test('510 bytes are the longest answer: a longer one was cut, and half a token is sent nowhere', () => {
  for (const passwords of [false, true]) {
    expect(read('x'.repeat(510), passwords)).toBe(`token ${'x'.repeat(510)}`)
    expect(read(`${'x'.repeat(510)}\0`, passwords)).toBe(`token ${'x'.repeat(510)}`)
    expect(read('x'.repeat(511), passwords)).toBe('cut')
    expect(read('x'.repeat(600), passwords)).toBe('cut')
  }
})

test('whatever is typed, a token holds nothing that could leave a header', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const { kind, token } = parseUserToken(bytes)
      expect(token.expose()).toMatch(kind === 'token' ? /^[!-~]+$/ : /^$/)
    }),
  )
})
