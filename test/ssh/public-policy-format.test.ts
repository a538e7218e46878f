// What root tells the commands that sshd runs as another user: read as it was written, or not at all.
import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { formatPublicPolicy, type PublicPolicy, parsePublicPolicy } from '../../src/ssh/public-policy-format.ts'
import { fuzzText } from '../fakes/mutate.ts'

const policies: fc.Arbitrary<PublicPolicy> = fc.record({
  keys: fc.record({
    enabled: fc.boolean(),
    allowedTypes: fc.array(fc.constantFrom('rsa', 'ed25519', 'ecdsa', 'sk', 'dsa')),
    minRsaBits: fc.nat(),
    minEcdsaBits: fc.nat(),
  }),
  krlMaxAge: fc.nat(),
})

test('a policy is read as it was written', () => {
  fc.assert(
    fc.property(policies, (policy) => {
      expect(parsePublicPolicy(formatPublicPolicy(policy))).toEqual(policy)
    }),
  )
})

const good = {
  version: 1,
  enabled: true,
  allowedTypes: ['rsa'],
  minRsaBits: 3072,
  minEcdsaBits: 256,
  krlMaxAge: 0,
}

test.each(['', '{', 'null', '7', '"x"', '[]', '{}'])('%j is no policy', (text) => {
  expect(parsePublicPolicy(text)).toBeUndefined()
})

test.each([
  ['version', [0, 2, '1', null]],
  ['enabled', ['true', 1, null]],
  ['allowedTypes', ['rsa', { 0: 'rsa' }, null, ['rsa', 7], [null]]],
  ['minRsaBits', ['3072', -1, 1.5, null]],
  ['minEcdsaBits', ['256', -1, 1.5, null]],
  ['krlMaxAge', ['0', -1, 0.5, null]],
])('a policy whose %s is wrong or missing is none', (member, values) => {
  expect(parsePublicPolicy(JSON.stringify(good))).toBeDefined()
  for (const value of [undefined, ...values])
    expect([value, parsePublicPolicy(JSON.stringify({ ...good, [member]: value }))]).toEqual([value, undefined])
})

test('no mutation throws, and what is accepted is written the same', () => {
  fuzzText([JSON.stringify(good)], (text) => {
    const policy = parsePublicPolicy(text)
    if (policy) expect(parsePublicPolicy(formatPublicPolicy(policy))).toEqual(policy)
  })
})
