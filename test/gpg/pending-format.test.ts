import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { formatPending, type Pending, parsePending, parseUptime } from '../../src/gpg/pending-format.ts'
import { fuzzText } from '../fakes/mutate.ts'

const hash = fc.stringMatching(/^[0-9a-f]{64}$/)
const record: fc.Arbitrary<Pending> = fc.record(
  {
    user: fc.string(),
    service: fc.string(),
    connection: fc.string(),
    codeHash: hash,
    keysHash: hash,
    permitted: fc.boolean(),
    expiresAt: fc.double({ noNaN: true, noDefaultInfinity: true }).map((at) => at || 0),
    breakGlass: fc.boolean(),
    page: fc.record({ pid: fc.integer({ min: 2 }), uid: fc.integer({ min: 1 }) }),
  },
  { requiredKeys: ['user', 'service', 'connection', 'codeHash', 'permitted', 'expiresAt', 'breakGlass'] },
)

test('what is written is read back', () => {
  fc.assert(fc.property(record, (pending) => expect(parsePending(formatPending(pending))).toEqual(pending)))
})

const [sample] = fc.sample(record, { seed: 1, numRuns: 1 })

test.each([
  ['nothing', ''],
  ['no JSON', '{'],
  ['a member too many', formatPending({ ...sample!, extra: 1 } as Pending)],
  ['a hash that is none', formatPending({ ...sample!, codeHash: 'x' })],
  ['no permission', formatPending({ ...sample!, permitted: 'yes' } as unknown as Pending)],
])('%s is no record', (_name, text) => {
  expect(parsePending(text)).toBeUndefined()
})

test('nothing makes the parser fail', () => {
  expect(fuzzText([formatPending(sample!)], parsePending)).toBeGreaterThan(1000)
})

test.each([
  ['12345.67 45678.90\n', 12345.67],
  ['0.01 0.00\n', 0.01],
  ['', undefined],
  ['x', undefined],
])('the uptime in %j', (text, seconds) => {
  expect(parseUptime(text)).toBe(seconds)
})
