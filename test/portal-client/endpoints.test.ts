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
