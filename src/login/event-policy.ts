// The report of a decided phase: which audit event it is, and which sentence the person reads.
import { type AuditEvent, reference } from '../audit/event-format.ts'
import type { Outcome } from '../base/outcome.ts'
import { isSsh } from '../base/pam-service.ts'
import { auditText, personText, type Reason } from '../base/reason.ts'
import type { Cached } from '../offline/policy.ts'
import type { PamRequest } from './answers.ts'

/** PAM_TYPE, pam_exec(8). */
const phases = ['auth', 'account', 'open_session', 'close_session'] as const

export type Phase = (typeof phases)[number]

export const isPhase = (name: string): name is Phase => phases.some((phase) => phase === name)

/** The result of one phase: the outcome, notes for the log, and a text for the person. */
export type PhaseResult = {
  readonly outcome: Outcome
  readonly notes: readonly string[]
  /** The answer of the cache, when the portal was unreachable. */
  readonly cached?: Cached | undefined
  /** Instead of the sentence that goes with the outcome. */
  readonly message?: string | undefined
  /** Another program of the same stack decides: neither logged nor delayed. */
  readonly isStep?: boolean
}

/** The facts of the process in an event: the clock, the name of this host, the terminal. */
export type EventContext = {
  /** Epoch seconds. */
  readonly now: number
  readonly latencyMs: number
  readonly hostname: string
  readonly tty: string | undefined
  /** PAM_USER as it was given, where it is no name this host accepts. */
  readonly givenName: string | undefined
}

/** The names of the C implementation's events for reasons that are no simple denial. */
const events: Partial<Record<Reason, string>> = {
  'locked-out': 'RATE_LIMITED',
  'challenge-shown': 'AUTH_CHALLENGE',
  'challenge-not-offered': 'AUTH_CHALLENGE',
  'challenge-of-another': 'SECURITY_ERROR',
  'break-glass': 'BREAK_GLASS',
  'token-of-another-user': 'SECURITY_ERROR',
  'weblogin-other-user': 'SECURITY_ERROR',
  'weblogin-refused': 'SECURITY_ERROR',
  'weblogin-asked': 'AUTH_CHALLENGE',
  'service-account-other-key': 'SECURITY_ERROR',
  'krl-stale': 'SECURITY_ERROR',
  'hop-replayed': 'SECURITY_ERROR',
  'hop-key': 'SECURITY_ERROR',
  'hop-signature': 'SECURITY_ERROR',
  'cache-tampered': 'SECURITY_ERROR',
  'portal-untrusted': 'SECURITY_ERROR',
  fault: 'CONFIG_ERROR',
}

export function eventType(phase: Phase, { kind, reason }: Outcome): string {
  const event = events[reason]
  if (event !== undefined) return event
  if (kind === 'unavailable') return 'SERVER_ERROR'
  if (phase === 'auth') return kind === 'allowed' ? 'AUTH_SUCCESS' : 'AUTH_FAILURE'
  if (phase === 'account') return kind === 'allowed' ? 'AUTHZ_SUCCESS' : 'AUTHZ_DENIED'
  if (kind === 'denied') return 'AUTHZ_DENIED'
  return phase === 'open_session' ? 'SESSION_OPENED' : 'SESSION_CLOSED'
}

export function auditEvent(
  phase: Phase,
  request: PamRequest,
  { result, context }: { readonly result: PhaseResult; readonly context: EventContext },
): AuditEvent {
  const { outcome, notes, cached } = result
  return {
    timestamp: context.now,
    event_type: eventType(phase, outcome),
    correlation_id: request.connection,
    host: context.hostname,
    user: request.user ?? context.givenName ?? '',
    service: request.service,
    ...(request.rhost === undefined ? {} : { client_ip: request.rhost }),
    ...(context.tty ? { tty: context.tty } : {}),
    result_code: outcome.kind === 'allowed' ? 0 : 4,
    ...(cached ? { cache_hit: cached.kind === 'hit' } : {}),
    latency_ms: context.latencyMs,
    reason: outcome.reason,
    details: [auditText(outcome.reason), ...notes].filter((note) => note !== '').join('; '),
    more: { phase, outcome: outcome.kind, ...offlineMembers(cached) },
  }
}

const offlineMembers = (cached: Cached | undefined): Readonly<Record<string, string | number>> =>
  cached?.kind === 'hit' ? { offline: 'true', cache_age: Math.round(Math.min(cached.ageSeconds, 1e9)) } : {}

/** The text for the person; empty where there is none. */
export function messageFor({ outcome, cached, message }: PhaseResult, request: PamRequest): string {
  if (message !== undefined) return message
  if (outcome.kind === 'allowed' && cached?.kind === 'hit') return cachedMessage(cached.ageSeconds)
  const text = personText(outcome.reason, isSsh(request.service))
  return text === '' ? '' : `${text} [ref ${reference(request.connection)}]\n`
}

/** A user who gets in without the portal reads that, and how old the answer is. */
function cachedMessage(ageSeconds: number): string {
  const minutes = Math.max(1, Math.round(ageSeconds / 60))
  return `The single sign-on portal cannot be reached; using its authorization of ${minutes} min ago.\n`
}
