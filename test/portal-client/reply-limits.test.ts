// How much of a portal's answer is taken: more would be a portal that fills the memory of whoever logs in.
import { expect, test } from 'bun:test'
import type { LoginName } from '../../src/base/names.ts'
import {
  parseAuthorization,
  parseRenewal,
  parseUserInfo,
  parseVerification,
} from '../../src/portal-client/reply-format.ts'

const user = 'alice' as LoginName
const granted = (more: object) => {
  const reply = parseAuthorization({ authorized: true, user, ...more }, user)
  if (reply.kind !== 'granted') throw new Error(reply.kind)
  return reply
}
const many = (count: number): readonly string[] => Array.from({ length: count }, (_, at) => `g${at}`)

test('256 groups count, and texts only', () => {
  for (const count of [255, 256, 257, 1000])
    expect(granted({ groups: many(count) }).groups).toEqual(many(Math.min(count, 256)))
  expect(granted({ groups: [7, ...many(256), null] }).groups).toEqual(many(256))
})

test('32 keys count, in a list or as the lines of a text', () => {
  for (const keys of [many(40), many(40).join('\n')])
    expect(granted({ ssh_public_keys: keys }).attributes.sshPublicKeys).toEqual(many(32))
})

test('a text has at most 4096 characters', () => {
  const [most, more] = ['x'.repeat(4096), 'x'.repeat(4097)]
  expect(granted({ gecos: most }).attributes.gecos).toBe(most)
  expect(granted({ gecos: more }).attributes.gecos).toBeUndefined()
  expect(granted({ groups: [more, most] }).groups).toEqual([most])
  expect(parseVerification({ valid: true, user: more }).kind).toBe('garbled')
})

test('an answer about somebody else says so', () => {
  const words = { kind: 'garbled', detail: expect.stringContaining('is about another user') }
  expect(parseAuthorization({ authorized: true, user: 'bob' }, user)).toEqual(words as never)
  expect(parseUserInfo({ found: true, user: 'bob' }, user)).toEqual(words as never)
})

test.each(['', ' tok', 'tok ', 'to k', 'tok\n', '\r\ntok', 'tök', 'x'.repeat(4097)])(
  'a renewed token %j could leave its header, or is none',
  (access_token) => {
    expect(parseRenewal({ status: 'ok', access_token: 'tok', expires_in: 1 }).kind).toBe('renewed')
    expect(parseRenewal({ status: 'ok', access_token, expires_in: 1 }).kind).toBe('garbled')
  },
)
