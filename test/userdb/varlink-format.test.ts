import { expect, test } from 'bun:test'
import { utf8 } from '../../src/base/bytes.ts'
import { formatCall, formatError, formatReply, parseCall, splitMessages } from '../../src/userdb/varlink-format.ts'
import { fuzzText } from '../fakes/mutate.ts'

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

test('messages end with a NUL, and the last one may still be on its way', () => {
  const { messages, rest } = splitMessages(utf8('{"a":1}\0{"b":2}\0{"c"'))
  expect([messages.map(text), text(rest)]).toEqual([['{"a":1}', '{"b":2}'], '{"c"'])
  expect(splitMessages(utf8('')).messages).toEqual([])
})

test('what nss-systemd sends is read, and written back as it was', () => {
  const calls = [
    '{"method":"io.systemd.UserDatabase.GetUserRecord","parameters":{"userName":"vuser","service":"io.test.ob"}}\0',
    '{"method":"io.systemd.UserDatabase.GetMemberships","parameters":{"userName":"vuser","service":"io.test.ob"},"more":true}\0',
  ]
  for (const call of calls) {
    const parsed = parseCall(utf8(call.slice(0, -1)))
    expect(parsed && text(formatCall(parsed))).toBe(call)
  }
})

test.each([
  '',
  'hello',
  '[]',
  'null',
  '{}',
  '{"method":7}',
  '{"method":"a b"}',
  '{"method":"x","parameters":[]}',
  '{"method":"x","parameters":null}',
  '{"method":"x","more":"yes"}',
  '{"method":"x","oneway":1}',
])('%p is no call', (message) => {
  expect(parseCall(utf8(message))).toBeUndefined()
})

test('bytes that are not UTF-8 are no call', () => {
  expect(parseCall(Uint8Array.of(123, 0xff, 125))).toBeUndefined()
})

test('of several replies only the last does not continue', () => {
  expect(text(formatReply({ a: 1 }, true))).toBe('{"parameters":{"a":1},"continues":true}\0')
  expect(text(formatReply({ a: 1 }, false))).toBe('{"parameters":{"a":1}}\0')
  expect(text(formatError('io.systemd.UserDatabase.NoRecordFound'))).toBe(
    '{"error":"io.systemd.UserDatabase.NoRecordFound","parameters":{}}\0',
  )
})

test('no mutation of a call throws, and what is accepted is read the same when it is written back', () => {
  fuzzText(['{"method":"a.b","parameters":{"userName":"x","uid":5},"more":true}'], (mutant) => {
    const call = parseCall(utf8(mutant))
    if (call) expect(parseCall(formatCall(call).slice(0, -1))).toEqual({ ...call, oneway: false })
  })
})
