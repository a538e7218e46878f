// What passes between a PAM phase and `ob serve`.
import { expect, test } from 'bun:test'
import { formatAnswer, formatDecided, longestAnswer, parseAnswer, parseDecided } from '../../src/login/served-format.ts'

const bytes = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text)

test.each(['', 'token', 'caf\u00e9\0 with what no token has'])('an answer arrives as it was typed: %j', (typed) => {
  const message = formatAnswer(bytes(typed))
  expect(parseAnswer(message)).toEqual(bytes(typed))
  for (let length = 0; length < message.length; length++) expect(parseAnswer(message.subarray(0, length))).toBe('more')
})

test('an answer that is too long, or longer than it says, is none', () => {
  expect(parseAnswer(formatAnswer(new Uint8Array(longestAnswer)))).toHaveLength(longestAnswer)
  expect(parseAnswer(formatAnswer(new Uint8Array(longestAnswer + 1)).subarray(0, 4))).toBeUndefined()
  expect(parseAnswer(Uint8Array.from([...formatAnswer(bytes('a')), 0]))).toBeUndefined()
})

test('a decision arrives with its text', () => {
  const decided = { status: 1, text: 'Access denied.\nTry "again" \u2026\n' }
  const message = formatDecided(decided)
  expect([message[0], message.at(-1), message.indexOf(0)]).toEqual([0x72, 0, message.length - 1])
  expect(parseDecided(message.subarray(1, -1))).toEqual(decided)
})

test.each([
  '',
  '{}',
  '{"status":0}',
  '{"status":"0","text":""}',
  '{"status":0.5,"text":""}',
  '0',
  'null',
  '{"status":0,',
])('what is no decision is none: %j', (text) => {
  expect(parseDecided(bytes(text))).toBeUndefined()
})
