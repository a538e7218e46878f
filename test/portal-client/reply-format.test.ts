// Answers of a portal, beside the C implementation's verdicts.
import { expect, test } from 'bun:test'
import { parseJsonObject } from '../../src/base/json.ts'
import { parseVerification } from '../../src/portal-client/reply-format.ts'
import vectors from '../vectors/verify-response.json'

const list = Object.values(vectors).find(Array.isArray) as readonly {
  readonly body: string
  readonly rc: number
  readonly active?: boolean
  readonly user?: string | null
  readonly reason?: string | null
}[]

// Its reader knew more than JSON, made text of everything, and cut at NUL.
const differences: Readonly<Record<string, string>> = {
  "{'valid':true,'user':'alice'}": 'not JSON',
  '/* c */ {"valid":true,"user":"alice"}': 'not JSON',
  '{"valid":true,"user":NaN}': 'not JSON',
  '{"valid":true,"user":["alice"]}': 'a list is no name',
  '{"valid":true,"user":{"a":1}}': 'an object is no name',
}
const cutAtNul = '{"valid":true,"user":"al\\u0000ice"}'

const read = (body: string) => parseVerification(parseJsonObject(body))

test.each(list)('$body', ({ body, rc, active, user, reason }) => {
  const found = read(body)
  if (rc !== 0 || body in differences) return expect(found.kind).toBe('garbled')
  expect(found.kind).toBe(active ? 'accepted' : 'rejected')
  if (found.kind === 'accepted') expect(found.user).toBe(body === cutAtNul ? 'al\0ice' : user!)
  if (found.kind === 'rejected') expect(found.detail).toBe(reason ?? 'rejected')
})

test('every listed difference is one: the C implementation accepted it', () => {
  for (const body of [...Object.keys(differences), cutAtNul])
    expect(list.find((one) => one.body === body)).toMatchObject({ rc: 0, active: true })
})
