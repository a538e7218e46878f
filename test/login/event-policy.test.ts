// The event and the sentence of each ending.
import { expect, test } from 'bun:test'
import { allowed, denied, unavailable } from '../../src/base/outcome.ts'
import { auditEvent, eventType, type Phase, type PhaseResult } from '../../src/login/event-policy.ts'

const request = { user: 'alice', service: 'sshd', rhost: '192.0.2.7', connection: '7d0f1c2e-0000-8000' } as never
const context = { now: 1, latencyMs: 2, hostname: 'web1', tty: undefined, givenName: undefined }
const phases: readonly Phase[] = ['auth', 'account', 'open_session', 'close_session']
const types = (outcome: Parameters<typeof eventType>[1]) => phases.map((phase) => eventType(phase, outcome))

test('each phase has its events, and an outage is one of the server', () => {
  expect(types(allowed('portal-allowed'))).toEqual([
    'AUTH_SUCCESS',
    'AUTHZ_SUCCESS',
    'SESSION_OPENED',
    'SESSION_CLOSED',
  ])
  expect(types(denied('local-account'))).toEqual(['AUTH_FAILURE', 'AUTHZ_DENIED', 'AUTHZ_DENIED', 'AUTHZ_DENIED'])
  expect(types(unavailable('portal-unreachable'))).toEqual(Array(4).fill('SERVER_ERROR'))
})

test.each([
  [denied('locked-out'), 'RATE_LIMITED'],
  [denied('token-of-another-user'), 'SECURITY_ERROR'],
  [denied('weblogin-other-user'), 'SECURITY_ERROR'],
  [denied('service-account-other-key'), 'SECURITY_ERROR'],
  [denied('krl-stale'), 'SECURITY_ERROR'],
  [denied('cache-tampered'), 'SECURITY_ERROR'],
  [unavailable('portal-untrusted'), 'SECURITY_ERROR'],
  [unavailable('fault'), 'CONFIG_ERROR'],
  [allowed('break-glass'), 'BREAK_GLASS'],
] as const)('%j is a %s in every phase', (outcome, type) => {
  expect(types(outcome)).toEqual(Array(4).fill(type))
})

test('an event has code 0 when the phase allows, and 4 when it does not', () => {
  const event = (outcome: PhaseResult['outcome'], more: Partial<PhaseResult> = {}) =>
    auditEvent('auth', request, { result: { outcome, notes: [], ...more }, context })
  expect(event(allowed('portal-allowed'))).toMatchObject({
    result_code: 0,
    more: { phase: 'auth', outcome: 'allowed' },
  })
  expect(event(denied('local-account')).result_code).toBe(4)
  expect(event(unavailable('portal-unreachable')).result_code).toBe(4)
  expect(event(denied('local-account'))).not.toHaveProperty('cache_hit')
  const miss = { kind: 'miss', detail: '' } as const
  expect(event(unavailable('portal-unreachable'), { cached: miss })).toMatchObject({ cache_hit: false })
})
