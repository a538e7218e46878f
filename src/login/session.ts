// PAM open_session over ssh: the first moment at which sshd says what was really proven (SSH_AUTH_INFO_0),
// and a refusal here still ends the login.

import type { LocalAccount } from '../accounts/local-policy.ts'
import { decideServiceKey, type ServiceAccountState } from '../accounts/service-accounts-policy.ts'
import type { Step } from '../base/decision.ts'
import type { Fingerprint, LoginName } from '../base/names.ts'
import { allowed, denied, type Outcome, unavailable } from '../base/outcome.ts'
import type { Reason } from '../base/reason.ts'
import { decideOffline, type OfflineFacts, type OfflineQuestion } from '../offline/policy.ts'
import { isOutage, noAnswer, type OutageReason, outageReason } from '../portal-client/no-answer.ts'
import type { Authorization, Granted } from '../portal-client/reply-format.ts'
import type { Proof } from '../ssh/proof.ts'

/** The answer that the account phase of the same connection got, and the fingerprint it had asked with, if any. */
export type Remembered = {
  readonly authorization: Granted
  readonly fingerprint: Fingerprint | undefined
  /** The portal was away, and the answer is of an earlier day. */
  readonly offline: boolean
  /** No answer of the portal is known: the empty answer changes nothing about the account. */
  readonly breakGlass?: boolean
}

export type SessionFacts = OfflineFacts & {
  readonly user: LoginName | undefined
  readonly proof: Proof
  /** The fingerprint that the login is bound to (ssh/proof). */
  readonly bound: Fingerprint | undefined
  readonly createUser: boolean
  /** NSS gave sshd a uid that no account has: `ob serve` runs with an older configuration. */
  readonly withoutAccount?: boolean
  /** bastion_jwt_required, for an account that is not exempt. */
  readonly hopRequired?: boolean
  /** bastion_jwt_offline_login */
  readonly hopSuffices?: boolean
  readonly remembered: Remembered | undefined
  readonly authorization?: Authorization
  readonly serviceAccount?: ServiceAccountState | undefined
  /** An account of this host itself: what local_accounts says about it. */
  readonly local?: LocalAccount | undefined
  readonly unmapped?: boolean
  readonly account?: { readonly kind: 'ready' | 'local' | 'impossible' | 'unsettled'; readonly detail: string }
}

export type SessionQuestion = 'authorization' | 'account' | OfflineQuestion

export type SessionEffect =
  | { readonly do: 'cache-grant'; readonly authorization: Granted; readonly fingerprint: Fingerprint }
  | { readonly do: 'forget-grant' | 'mark-offline' }

type SessionStep = Step<SessionQuestion, SessionEffect>

export function decideSession(f: SessionFacts): SessionStep {
  if (!f.user) return end(denied('bad-login-name'))
  if (f.user === 'root') return end(denied('root-refused'))
  if (f.proof.kind === 'unreadable') return end(denied('no-proof'))
  if (f.proof.kind === 'key' && f.proof.judged === 'krl-stale') return end(denied('krl-stale'))
  if (f.proof.kind === 'key' && f.proof.judged !== 'accepted') return end(denied('key-policy'))
  const hop = f.proof.kind === 'key' ? f.proof.hop : undefined
  if (hop?.kind === 'refused') return end(denied(hop.reason))
  if (f.hopRequired && !hop) return end(denied('hop-required'))
  if (f.serviceAccount) return decideServiceSession(f, decideServiceKey(f.serviceAccount, f.proof))
  if (f.local === 'refused') return end(denied('local-account'))
  if (f.unmapped) return end(denied('service-unmapped'))
  const answer = f.authorization ?? (mustAskAgain(f) ? undefined : f.remembered?.authorization)
  if (!answer) return { ask: 'authorization' }
  switch (answer.kind) {
    case 'granted':
      if (f.remembered?.breakGlass && !f.authorization) return end(allowed('break-glass'), { do: 'mark-offline' })
      return decideProvisioning(f, allowed(openedBy(f)), afterwards(f))
    case 'refused':
      return end(denied(f.bound ? 'key-denied' : 'portal-denied'), { do: 'forget-grant' })
    case 'unreachable':
    case 'out-of-order':
      return decideWithoutPortal(f, outageReason(answer))
    case 'garbled':
    case 'refuses-host':
      return end(noAnswer(answer))
  }
}

const decideServiceSession = (f: SessionFacts, outcome: Outcome): SessionStep =>
  outcome.kind === 'allowed' ? decideProvisioning(f, outcome, []) : end(outcome)

const openedBy = (f: SessionFacts): Reason => {
  if (f.remembered?.offline && !f.authorization) return 'offline-allowed'
  if (vouchedFor(f)) return 'hop-vouched'
  return f.bound ? 'key-accepted' : 'session-opened'
}

/**
 * A key the portal accepted just now may be used while it is unreachable, as long as the answer itself; and a session
 * that began while it was unreachable is looked at again later.
 */
function afterwards(f: SessionFacts): readonly SessionEffect[] {
  const fingerprint = f.bound
  const granted = f.authorization?.kind === 'granted' ? f.authorization : undefined
  if (!granted && f.remembered?.offline) return [{ do: 'mark-offline' }]
  return fingerprint && granted ? [{ do: 'cache-grant', authorization: granted, fingerprint }] : []
}

function decideWithoutPortal(f: SessionFacts, outage: OutageReason): SessionStep {
  const step = decideOffline(f, outage)
  if ('ask' in step) return step
  if ('end' in step && isOutage(step.end.reason) && f.hopSuffices && vouchedFor(f)) {
    // Where nothing is cached, the portal was not asked yet.
    if (!f.forceOnline) return { ask: 'forceOnline' }
    if (f.forceOnline === 'free') return decideProvisioning(f, allowed('hop-offline'), [{ do: 'mark-offline' }])
  }
  if ('end' in step) return end(step.end)
  const { bound } = f
  if (bound && !step.use.fingerprints.includes(bound)) return end(unavailable(outage))
  return decideProvisioning(f, allowed(bound ? 'offline-key-accepted' : 'offline-allowed'), [{ do: 'mark-offline' }])
}

function decideProvisioning(f: SessionFacts, opened: Outcome, effects: readonly SessionEffect[]): SessionStep {
  if (f.withoutAccount) return end(denied('no-account'))
  if (!f.createUser) return end(opened, ...effects)
  if (!f.account) return { ask: 'account' }
  switch (f.account.kind) {
    case 'ready':
    case 'local':
      return end(opened, ...effects)
    // sshd goes on with the uid that it got when the connection began, and the account has another.
    case 'unsettled':
      return end(denied('newcomer-registered'))
    case 'impossible':
      return end(denied('account-impossible'))
  }
}

export const vouchedFor = ({ proof }: Pick<SessionFacts, 'proof'>): boolean =>
  proof.kind === 'key' && proof.hop?.kind === 'vouched'

function mustAskAgain(f: SessionFacts): boolean {
  const { bound } = f
  // An older answer says nothing about this key: the cache lists the keys that were accepted with it.
  return bound !== undefined && (f.remembered?.fingerprint !== bound || f.remembered.offline)
}

const end = (outcome: Outcome, ...effects: readonly SessionEffect[]): SessionStep => ({ outcome, effects })
