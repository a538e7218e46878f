// What is told of an answer that nobody believes.
import { expect, test } from 'bun:test'
import { expectJson } from '../../src/portal-client/endpoints.ts'

const told = (type: string): string => {
  const headers = new Headers({ 'content-type': type })
  const believed = expectJson({ kind: 'answer', status: 200, headers, text: '{}' }, '/pam/verify')
  return 'detail' in believed ? believed.detail : ''
}

test('a login page is named by its type', () => {
  expect(told('text/html; charset=utf-8')).toContain('the answer is text/html, not application/json')
})

test.each(['te\u009b31mxt/html', 'text/html\u0080', `text/${'x'.repeat(9000)}`, 'anything else'])(
  'the type of an answer cannot steer a terminal or fill a log: %#',
  (type) => {
    expect(told(type)).toContain('the answer is of no known type, not application/json')
  },
)

// Whatever of these the plugin may have said, it may have been a denial: none of them may open a cache.
const denial = JSON.stringify({ authorized: false, user: 'alice', reason: 'Access denied by rule', groups: ['a'] })
const kindOf = (status: number, type: string, text: string): string =>
  expectJson({ kind: 'answer', status, headers: new Headers({ 'content-type': type }), text }, '/pam/authorize').kind

test('a denial is never an outage, whatever becomes of it on the way', () => {
  for (let length = 1; length <= denial.length; length++)
    expect(kindOf(200, 'application/json', denial.slice(0, length))).not.toBe('out-of-order')
  for (const type of ['text/plain', 'text/html', ''])
    for (const status of [200, 400, 401, 403, 404]) expect(kindOf(status, type, denial)).toBe('garbled')
  for (const member of ['authorized', 'user', 'reason', 'groups'])
    for (const value of [undefined, null, 0, '', [], {}]) {
      const spoilt = JSON.stringify({ ...JSON.parse(denial), [member]: value })
      expect(kindOf(200, 'application/json', spoilt)).not.toBe('out-of-order')
    }
})

test.each([
  [401, 'application/json', '{"error":"Invalid or expired token"}', 'refuses-host'],
  [403, 'application/json; charset=utf-8', '{"error":"Invalid token scope"}', 'refuses-host'],
  [401, 'text/html', '{"error":"Invalid or expired token"}', 'garbled'],
  [401, 'application/json', '{"error":"9","token":"1795235662_14980","result":0}', 'out-of-order'],
  [401, 'text/html', '<html>', 'out-of-order'],
  [403, 'application/json', '<html>', 'out-of-order'],
  [302, '', '', 'out-of-order'],
  [404, 'text/plain', 'not found', 'out-of-order'],
  [200, 'text/html', '<html>', 'out-of-order'],
  [200, 'application/json', '{"result":1}', 'out-of-order'],
  [200, 'application/json', '', 'garbled'],
  [200, 'application/json', '[true]', 'garbled'],
] as const)('HTTP %i, %s, %s: %s', (status, type, text, kind) => {
  expect(kindOf(status, type, text)).toBe(kind)
})
