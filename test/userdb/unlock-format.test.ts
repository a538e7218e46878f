// What a locker and ob serve say to each other; a reply that is none is a no.
import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { utf8 } from '../../src/base/bytes.ts'
import {
  formatUnlockCall,
  formatUnlockReply,
  parseUnlockCall,
  parseUnlockReply,
} from '../../src/userdb/unlock-format.ts'
import { splitMessages } from '../../src/userdb/varlink-format.ts'

const only = (bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> => {
  const { messages, rest } = splitMessages(bytes)
  expect([messages.length, rest.length]).toEqual([1, 0])
  return messages[0]!
}

test('calls and replies come back as they were', () => {
  fc.assert(
    fc.property(fc.string(), fc.uint8Array({ maxLength: 512 }), fc.boolean(), (text, bytes, allowed) => {
      const call = { user: text, phase: allowed ? 'auth' : 'account', answer: Uint8Array.from(bytes) } as const
      expect(parseUnlockCall(only(formatUnlockCall(call)))).toEqual(call)
      expect(parseUnlockReply(only(formatUnlockReply({ allowed, text })))).toEqual({ allowed, text })
    }),
  )
})

test.each([
  ['another method', { method: 'io.openbastion.Unlock.Other', parameters: { user: 'a', phase: 'auth' } }],
  ['another phase', { method: 'io.openbastion.Unlock.Decide', parameters: { user: 'a', phase: 'open_session' } }],
  ['no user', { method: 'io.openbastion.Unlock.Decide', parameters: { phase: 'auth' } }],
  ['no base64', { method: 'io.openbastion.Unlock.Decide', parameters: { user: 'a', phase: 'auth', answer: '?' } }],
  ['a list', { method: 'io.openbastion.Unlock.Decide', parameters: [] }],
  [
    'no reply wanted',
    { method: 'io.openbastion.Unlock.Decide', parameters: { user: 'a', phase: 'auth' }, oneway: true },
  ],
])('no call: %s', (_what, message) => {
  expect(parseUnlockCall(utf8(JSON.stringify(message)))).toBeUndefined()
})

test('only the word true allows', () => {
  const replies = ['', 'null', '{}', '[]', '{"parameters":null}', '{"parameters":{"allowed":1}}', '{"allowed":true}']
  replies.push('{"parameters":{"allowed":"true"}}', '{"parameters":{"allowed":true},"error":"x"}')
  for (const reply of replies) expect([reply, parseUnlockReply(utf8(reply)).allowed]).toEqual([reply, false])
  fc.assert(fc.property(fc.uint8Array(), (bytes) => expect(parseUnlockReply(bytes).allowed).toBe(false)))
})
