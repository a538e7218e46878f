// PAM authentication: may the person who typed this go on? Reads top to bottom as the policy;
// the order of the questions is part of it.

import type { LocalAccount } from '../accounts/local-policy.ts'
import { decideServiceAuth, type ServiceAccountState } from '../accounts/service-accounts-policy.ts'
import type { Step } from '../base/decision.ts'
import type { LoginName } from '../base/names.ts'
import { allowed, denied, type Outcome, unavailable } from '../base/outcome.ts'
import { isSudo } from '../base/pam-service.ts'
import type { Reason } from '../base/reason.ts'
import type { PasswordResult } from '../offline/password-policy.ts'
import { decideOffline, type OfflineFacts } from '../offline/policy.ts'
import type { ActiveToken, Introspection } from '../portal-client/introspection-format.ts'
import { noAnswer, type OutageReason, outageReason } from '../portal-client/no-answer.ts'
import type { Authorization, Verification } from '../portal-client/reply-format.ts'
import type { AnswerKind } from './typed-answer-format.ts'

export type AuthFacts = Partial<OfflineFacts> & {
  readonly user: LoginName | undefined
  readonly answer: AnswerKind
  readonly authorizeOnly: boolean
  /** Whether accounts of never-seen users are made on this host (create_user). */
  readonly createUser: boolean
  readonly lockout?: { readonly secondsLeft: number }
  readonly newcomerLimit?: { readonly secondsLeft: number }
  readonly newcomer?: Authorization
  readonly claim?: 'won' | 'lost'
  readonly verification?: Verification
  /** The typed text cannot be a token of this portal (token_pattern), so it stays here. */
  readonly isNoToken?: boolean
  /** The portal was asked about the user instead. */
  readonly presence?: Authorization
  /** Set where people type access tokens (oauth2_token_auth) instead of one-time tokens. */
  readonly accessTokens?: AccessTokenPolicy | undefined
  /** Whether this host remembers, for a few minutes, which access tokens the portal called active. */
  readonly knownToken?: 'active' | 'unknown'
  readonly introspection?: Introspection
  /** Whether a password the portal once confirmed may stand in while it is unreachable (offline_cache_enabled). */
  readonly offlinePasswords: boolean
  readonly password?: PasswordCheck
  readonly service: string
  readonly serviceAccount?: ServiceAccountState | undefined
  /** The account phase would refuse; a one-time token would be spent for nothing. */
  /** An account of this host itself: what local_accounts says about it. */
  readonly local?: LocalAccount | undefined
  readonly unmapped?: boolean
}

export type AccessTokenPolicy = {
  /** Applications whose tokens are accepted. */
  readonly clients: readonly string[]
  readonly minSeconds: number
  /** False for services where much is at stake: there the portal is asked every time. */
  readonly mayRemember: boolean
}

/** How a password was found while the portal is unreachable. */
export type PasswordCheck = { readonly kind: PasswordResult; readonly secondsLeft: number; readonly detail: string }

export type AuthQuestion =
  | 'lockout'
  | 'newcomerLimit'
  | 'newcomer'
  | 'claim'
  | 'verification'
  | 'presence'
  | 'knownToken'
  | 'introspection'
  | 'forceOnline'
  | 'cached'
  | 'password'

export type AuthEffect =
  | { readonly do: 'count-failure' | 'clear-failures' | 'release-claim' | 'count-newcomer' }
  | { readonly do: 'keep-token' | 'keep-password'; readonly secondsLeft: number }
  | { readonly do: 'register'; readonly authorization: Authorization & { kind: 'granted' } }

type AuthStep = Step<AuthQuestion, AuthEffect>

export function decideAuth(f: AuthFacts): AuthStep {
  if (!f.user) return end(denied('bad-login-name'))
  if (f.user === 'root') return end(denied('root-refused'))
  if (f.serviceAccount) return end(decideServiceAuth(f.serviceAccount, f.service))
  if (f.local === 'refused') return end(denied('local-account'))
  // sudo asks who is there in every mode: the keys of sshd say nothing to it.
  if (f.authorizeOnly && !isSudo(f.service)) return end(denied('authorize-only'))
  if (f.unmapped) return end(denied('service-unmapped'))
  switch (f.answer) {
    case 'absent':
      return end(denied('no-token'))
    case 'cut':
      return end(denied('token-cut'))
    case 'malformed':
      return end(denied('token-malformed'))
    case 'placeholder':
      return decideUnknownUser(f)
    case 'token':
      return decideToken(f, f.user)
  }
}

function decideToken(f: AuthFacts, user: LoginName): AuthStep {
  if (!f.lockout) return { ask: 'lockout' }
  if (f.lockout.secondsLeft > 0) return end(denied('locked-out'))
  if (f.isNoToken) return decideNoToken(f)
  if (f.accessTokens) return decideAccessToken(f, user, f.accessTokens)
  // The portal's own single use is not atomic, so the token is claimed here before anybody is asked.
  if (!f.claim) return { ask: 'claim' }
  // A password that counts while the portal is unreachable may be typed in two places at once, and is no guess in
  // either.
  if (f.claim === 'lost')
    return f.offlinePasswords ? end(denied('token-replayed')) : end(denied('token-replayed'), { do: 'count-failure' })
  if (!f.verification) return { ask: 'verification' }
  switch (f.verification.kind) {
    case 'accepted':
      return f.verification.user === user
        ? end(allowed('token-accepted'), { do: 'clear-failures' })
        : end(denied('token-of-another-user'), { do: 'count-failure' })
    case 'rejected':
      return end(denied('token-rejected'), { do: 'release-claim' }, { do: 'count-failure' })
    case 'unreachable':
    case 'out-of-order':
      return decidePassword(f, outageReason(f.verification), { do: 'release-claim' })
    case 'garbled':
    case 'refuses-host':
      return end(noAnswer(f.verification), { do: 'release-claim' })
  }
}

// Most likely a password, which the portal must not see. The portal is asked about the user all the same:
// the refusal takes as long as that of a token, and while the portal is unreachable it may be a password that counts.
function decideNoToken(f: AuthFacts): AuthStep {
  if (!f.presence) return { ask: 'presence' }
  switch (f.presence.kind) {
    case 'granted':
    case 'refused':
      return end(denied('not-a-token'), { do: 'count-failure' })
    case 'unreachable':
    case 'out-of-order':
      return decidePassword(f, outageReason(f.presence))
    case 'garbled':
    case 'refuses-host':
      return end(noAnswer(f.presence))
  }
}

// An access token works until it expires, so it is not claimed; guesses are counted all the same.
function decideAccessToken(f: AuthFacts, user: LoginName, policy: AccessTokenPolicy): AuthStep {
  if (policy.mayRemember && !f.knownToken) return { ask: 'knownToken' }
  if (f.knownToken === 'active') return end(allowed('token-remembered'), { do: 'clear-failures' })
  const { introspection } = f
  if (!introspection) return { ask: 'introspection' }
  switch (introspection.kind) {
    case 'active': {
      const objection = objectionTo(introspection, user, policy)
      if (objection !== undefined) return end(denied(objection), { do: 'count-failure' })
      const storing: AuthEffect[] = [
        ...(policy.mayRemember ? [{ do: 'keep-token', secondsLeft: introspection.secondsLeft } as const] : []),
        ...(f.offlinePasswords ? [{ do: 'keep-password', secondsLeft: introspection.secondsLeft } as const] : []),
      ]
      return end(allowed('access-token-accepted'), { do: 'clear-failures' }, ...storing)
    }
    case 'inactive':
      return end(denied('token-rejected'), { do: 'count-failure' })
    case 'unreachable':
    case 'out-of-order':
      return decidePassword(f, outageReason(introspection))
    case 'garbled':
    case 'refuses-host':
      return end(noAnswer(introspection))
  }
}

// The typed text may be a password that the portal confirmed before. Every refusal reads like the outage it is. Whoever
// looks at the password gives the claim back first: it would refuse the password for a day if this process died.
function decidePassword(f: AuthFacts, outage: OutageReason, ...effects: readonly AuthEffect[]): AuthStep {
  if (!f.offlinePasswords) return end(unavailable(outage), ...effects)
  if (!f.forceOnline) return { ask: 'forceOnline' }
  if (f.forceOnline === 'host-refused') return end(unavailable('portal-refuses-host'), ...effects)
  if (f.forceOnline === 'listed') return end(unavailable('online-only'), ...effects)
  // Where much is at stake a password counts only when the account rule will hold, which goes by the same answer.
  if (f.offline?.highRiskSeconds !== undefined) {
    const step = decideOffline({ ...f, offline: f.offline }, outage)
    if ('ask' in step) return step
    if ('end' in step) return end(step.end, ...effects)
  }
  if (!f.password) return { ask: 'password' }
  switch (f.password.kind) {
    case 'accepted':
      return end(allowed('offline-password'), { do: 'clear-failures' })
    case 'wrong-password':
      return end(denied('offline-password-wrong'), { do: 'count-failure' })
    case 'locked':
      return end(denied('offline-password-locked'))
    case 'unknown':
    case 'expired':
    case 'io':
    case 'unreadable':
    case 'invalid':
      return end(unavailable(outage))
  }
}

// The token of an enrolled host speaks for the person who enrolled it, so a person who reads one must not log in with
// it.
const serverScopes: ReadonlySet<string> = new Set(['pam', 'pam:server'])

function objectionTo(token: ActiveToken, user: LoginName, policy: AccessTokenPolicy): Reason | undefined {
  if (token.subject !== user) return 'token-of-another-user'
  // A client that is its own subject is a machine, whatever it is called.
  const machine = token.subject === token.client || token.scopes.some((scope) => serverScopes.has(scope))
  if (machine || !token.bearer || !policy.clients.includes(token.client)) return 'token-unsuitable'
  return token.secondsLeft >= policy.minSeconds ? undefined : 'token-expiring'
}

// sshd knows no such user and sent its placeholder, so nothing was proven and the login is refused. But when the portal
// allows the name here, the account can be ready for the next connection (sshd looks names up once, before PAM).
function decideUnknownUser(f: AuthFacts): AuthStep {
  if (!f.createUser) return end(denied('unknown-to-sshd'))
  if (!f.newcomerLimit) return { ask: 'newcomerLimit' }
  if (f.newcomerLimit.secondsLeft > 0) return end(denied('unknown-to-sshd'))
  if (!f.newcomer) return { ask: 'newcomer' }
  switch (f.newcomer.kind) {
    case 'granted':
      return end(denied('newcomer-registered'), { do: 'register', authorization: f.newcomer })
    case 'refused':
      return end(denied('unknown-to-sshd'), { do: 'count-newcomer' })
    case 'unreachable':
    case 'out-of-order':
    case 'garbled':
    case 'refuses-host':
      return end(noAnswer(f.newcomer))
  }
}

const end = (outcome: Outcome, ...effects: readonly AuthEffect[]): AuthStep => ({ outcome, effects })
