import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { formatAuditLine } from '../../src/audit/event-format.ts'
import {
  countEvents,
  formatHeartbeatState,
  type HeartbeatState,
  parseHeartbeatState,
} from '../../src/portal-client/heartbeat-format.ts'
import { fuzzText } from '../fakes/mutate.ts'

const instant = fc.integer({ min: 0, max: 2 ** 40 })
const states = fc.record(
  {
    attempts: fc.nat(),
    at: instant,
    result: fc.constantFrom('ok', 'unsaved', 'unreachable', 'out-of-order', 'garbled', 'refuses-host', 'untrusted'),
    detail: fc.string(),
    next: instant,
    renewedAt: instant,
    reportedAt: instant,
    serverTime: instant,
    skew: fc.integer(),
  },
  { requiredKeys: ['attempts', 'at', 'result'] },
)

test('what is remembered of a heartbeat is read back', () => {
  fc.assert(
    fc.property(states, (state) => {
      expect(parseHeartbeatState(formatHeartbeatState(state as HeartbeatState))).toEqual(state as HeartbeatState)
    }),
  )
})

test.each(['', '{', 'null', '[]', '7', '{"attempts":1,"at":2}', '{"attempts":1,"at":2,"result":"fine"}', '{"at":"2"}'])(
  '%j is no state, so a heartbeat is due',
  (text) => {
    expect(parseHeartbeatState(text)).toBeUndefined()
  },
)

test('no mutation of the state throws', () => {
  fuzzText(['{"attempts":3,"at":1800000000.5,"result":"ok","next":1800000300,"skew":-1}\n'], (text) => {
    parseHeartbeatState(text)
  })
})

const line = (at: number, event: string, user = 'alice'): string =>
  `${formatAuditLine({
    timestamp: at,
    event_type: event,
    correlation_id: '7f3k2a1b',
    host: 'host1',
    user,
    result_code: 0,
    reason: 'token-accepted',
  })}\n`

test('decisions are counted by event, after the last heartbeat and up to now', () => {
  const text = [
    line(100, 'AUTH_SUCCESS'),
    line(101, 'AUTH_SUCCESS'),
    line(102, 'AUTH_FAILURE'),
    line(103, 'AUTH_SUCCESS'),
    line(104, 'AUTHZ_DENIED'),
    line(105, 'AUTH_SUCCESS'),
  ].join('')
  expect(countEvents(text, 100, 104)).toEqual({ auth_failure: 1, auth_success: 2, authz_denied: 1 })
})

test('a cut first line, strangers’ lines and what a user name pretends are not counted', () => {
  const pretender = line(101, 'AUTH_FAILURE', '"}\n{"timestamp":"2027-01-15T08:00:00.000Z","event_type":"AUTH_SUCCESS"')
  const text = `mestamp":"1970-01-01T00:01:41.000Z","event_type":"AUTH_SUCCESS"}\nhello\n{}\n${pretender}`
  expect(countEvents(text, 0, 2e9)).toEqual({ auth_failure: 1 })
})

test('however many names a log holds, 32 are told', () => {
  const names = Array.from(
    { length: 26 * 3 },
    (_, at) => `E_${'ABCDEFGHIJKLMNOPQRSTUVWXYZ'[at % 26]!.repeat(1 + at / 26)}`,
  )
  expect(Object.keys(countEvents(names.map((name) => line(101, name)).join(''), 0, 200))).toHaveLength(32)
})
