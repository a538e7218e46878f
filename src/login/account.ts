// PAM account: may this user use this service on this host? Asked for every login and every sudo, whatever proved the
// person.

import type { LocalAccount } from '../accounts/local-policy.ts'
import { decideServiceAccess, type ServiceAccountState } from '../accounts/service-accounts-policy.ts'
import type { Step } from '../base/decision.ts'
import type { Fingerprint, LoginName } from '../base/names.ts'
import { allowed, denied, type Outcome, unavailable } from '../base/outcome.ts'
import { isSudo } from '../base/pam-service.ts'
import type { Reason } from '../base/reason.ts'
import { decideOffline, type OfflineFacts, type OfflineQuestion } from '../offline/policy.ts'
import { isOutage, noAnswer, type OutageReason, outageReason } from '../portal-client/no-answer.ts'
import type { Authorization, Granted } from '../portal-client/reply-format.ts'

export type AccountFacts = OfflineFacts & {
  /** The person: PAM_RUSER under sudo, PAM_USER otherwise. */
  readonly user: LoginName | undefined
  readonly service: string
  /** The fingerprint that the login is bound to (ssh/proof). */
  readonly bound?: Fingerprint | undefined
  readonly authorization?: Authorization
  readonly serviceAccount?: ServiceAccountState | undefined
  /** The portal knows no such service, and service_map does not say as what it counts. */
  /** An account of this host itself: what local_accounts says about it. */
  readonly local?: LocalAccount | undefined
  readonly unmapped?: boolean
  /** The auth phase of this login took a password because the portal was unreachable. */
  readonly provenOffline?: boolean
  /** Whether an account is needed before the session begins: login(1) and greeters look the user up before that. */
  readonly needsAccount?: boolean
  readonly account?: Provision
  /** The answer is about neither ssh nor sudo, so it is not cached: a cached answer names no service. */
  readonly unkept?: boolean
  /** bastion_jwt_offline_login, over ssh: who comes through a bastion is known in the session phase only. */
  readonly hopMaySuffice?: boolean
  /** gpg_break_glass names the user. */
  readonly mayBreakGlass?: boolean
  /** Whether an OpenPGP key or a recovery code was proven for this very login. */
  readonly breakGlass?: 'proven' | 'no'
}

type Provision = { readonly kind: 'ready' | 'local' | 'impossible'; readonly detail: string }

export type AccountEffect =
  | {
      readonly do: 'remember' | 'cache-grant' | 'remember-offline' | 'remember-break-glass'
      readonly authorization: Granted
    }
  | { readonly do: 'forget-grant' }

type AccountStep = Step<'authorization' | 'account' | 'breakGlass' | OfflineQuestion, AccountEffect>

export function decideAccount(f: AccountFacts): AccountStep {
  if (!f.user) return end(denied('bad-login-name'))
  if (f.user === 'root') return end(isSudo(f.service) ? allowed('root-exempt') : denied('root-refused'))
  if (f.serviceAccount) return end(decideServiceAccess(f.serviceAccount, f.service))
  if (f.local === 'refused') return end(denied('local-account'))
  if (f.unmapped) return end(denied('service-unmapped'))
  if (!f.authorization) return { ask: 'authorization' }
  switch (f.authorization.kind) {
    case 'granted':
      return decideGranted(f, f.authorization)
    case 'refused':
      if (f.authorization.reason) return end(denied(f.authorization.reason))
      return f.unkept ? end(denied('portal-denied')) : end(denied('portal-denied'), { do: 'forget-grant' })
    case 'unreachable':
    case 'out-of-order':
      return decideWithoutPortal(f, outageReason(f.authorization))
    case 'garbled':
    case 'refuses-host':
      return end(noAnswer(f.authorization))
  }
}

function decideGranted(f: AccountFacts, authorization: Granted): AccountStep {
  // The portal answers, so what counts without it does not count.
  if (f.provenOffline) return end(denied('prove-again'))
  const cache: readonly AccountEffect[] = f.unkept ? [] : [{ do: 'cache-grant', authorization }]
  if (isSudo(f.service))
    return end(authorization.sudoAllowed ? allowed('sudo-allowed') : denied('sudo-denied'), ...cache)
  if (f.needsAccount && !f.account) return { ask: 'account' }
  if (f.account?.kind === 'impossible') return end(denied('account-impossible'))
  return end(allowed('portal-allowed'), { do: 'remember', authorization }, ...cache)
}

function decideWithoutPortal(f: AccountFacts, outage: OutageReason): AccountStep {
  const step = decideOffline(f, outage)
  if ('ask' in step) return step
  if ('end' in step) return decideBreakGlass(f, step.end) ?? decideHop(f, step.end)
  const { authorization, fingerprints } = step.use
  // Under sudo: the key of the connection counts offline only where the portal accepted it.
  if (isSudo(f.service) && f.bound && !fingerprints.includes(f.bound)) return end(unavailable(outage))
  if (!isSudo(f.service)) return end(allowed('offline-allowed'), { do: 'remember-offline', authorization })
  return end(authorization.sudoAllowed ? allowed('offline-sudo-allowed') : denied('sudo-denied'))
}

const decideHop = (f: AccountFacts, otherwise: Outcome): AccountStep =>
  end(isOutage(otherwise.reason) && f.hopMaySuffice ? allowed('hop-pending') : otherwise)

const outages: ReadonlySet<Reason> = new Set<Reason>([
  'portal-unreachable',
  'portal-out-of-order',
  'cache-too-old',
  'cache-limited',
])

// No earlier answer of the portal counts, and the administrator named this user for emergencies. A list that takes
// the user away (force_online), a portal that refused this host, and a cache that was changed are stronger.
function decideBreakGlass(f: AccountFacts, otherwise: Outcome): AccountStep | undefined {
  if (!f.user || !f.mayBreakGlass || !outages.has(otherwise.reason)) return undefined
  if (!f.forceOnline) return { ask: 'forceOnline' }
  if (f.forceOnline !== 'free') return undefined
  if (!f.breakGlass) return { ask: 'breakGlass' }
  if (f.breakGlass === 'no') return undefined
  if (isSudo(f.service)) return end(allowed('break-glass'))
  const nothing: Granted = { kind: 'granted', user: f.user, groups: [], sudoAllowed: false, attributes: {} }
  return end(allowed('break-glass'), { do: 'remember-break-glass', authorization: nothing })
}

const end = (outcome: Outcome, ...effects: readonly AccountEffect[]): AccountStep => ({ outcome, effects })
