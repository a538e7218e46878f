// The event and the sentence of each ending.
import { expect, test } from 'bun:test'
import { allowed, denied, unavailable } from '../../src/base/outcome.ts'
import type { PamRequest } from '../../src/login/answers.ts'
import { auditEvent, eventType, type Phase, type PhaseResult } from '../../src/login/event-policy.ts'
import type { Cached } from '../../src/offline/policy.ts'

const request = { user: 'alice', service: 'sshd', rhost: '192.0.2.7', connection: '7d0f1c2e-0000-8000' } as PamRequest
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
  [denied('challenge-shown'), 'AUTH_CHALLENGE'],
  [denied('challenge-not-offered'), 'AUTH_CHALLENGE'],
  [denied('weblogin-asked'), 'AUTH_CHALLENGE'],
  [denied('challenge-of-another'), 'SECURITY_ERROR'],
  [denied('token-of-another-user'), 'SECURITY_ERROR'],
  [denied('weblogin-other-user'), 'SECURITY_ERROR'],
  [denied('weblogin-refused'), 'SECURITY_ERROR'],
  [denied('service-account-other-key'), 'SECURITY_ERROR'],
  [denied('krl-stale'), 'SECURITY_ERROR'],
  [denied('hop-replayed'), 'SECURITY_ERROR'],
  [denied('hop-key'), 'SECURITY_ERROR'],
  [denied('hop-signature'), 'SECURITY_ERROR'],
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
  const hit = { kind: 'hit', ageSeconds: 61.6 } as Cached
  expect(event(allowed('portal-allowed'), { cached: hit })).toMatchObject({
    cache_hit: true,
    more: { phase: 'auth', outcome: 'allowed', offline: 'true', cache_age: 62 },
  })
})

test('an event names where the login comes from and its terminal, where there are any', () => {
  const result = { outcome: allowed('portal-allowed'), notes: ['', 'one', 'two'] }
  const there = auditEvent('auth', request, { result, context: { ...context, tty: 'ssh' } })
  expect(there).toMatchObject({ user: 'alice', client_ip: '192.0.2.7', tty: 'ssh' })
  expect(there.details).toEndWith('one; two')
  const nowhere = { ...request, user: undefined, rhost: undefined }
  const event = auditEvent('auth', nowhere, { result, context: { ...context, givenName: 'Al ice' } })
  expect(event.user).toBe('Al ice')
  expect(event).not.toHaveProperty('client_ip')
  expect(event).not.toHaveProperty('tty')
})
