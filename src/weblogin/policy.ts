// The policy of the web login: may its address be shown to this person, does the code that came back count, and is an
// earlier login recent enough? Each reads top to bottom, and the order of the questions is part of it.
import { decideServiceAuth, type ServiceAccountState } from '../accounts/service-accounts-policy.ts'
import type { Step } from '../base/decision.ts'
import type { LoginName } from '../base/names.ts'
import { allowed, denied, type Outcome, unavailable } from '../base/outcome.ts'
import { isSudo } from '../base/pam-service.ts'
import type { Approval, Checked, Confirmed, NoService, Started } from './service.ts'

type Person = {
  readonly user: LoginName | undefined
  readonly service: string
  readonly serviceAccount: ServiceAccountState | undefined
  readonly authorizeOnly: boolean
  /** The account phase would refuse this service, so nobody logs in for it. */
  readonly unmapped: boolean
  /** The codes of this service are too short to count without a proven key, and none was proven. */
  readonly needsKey: boolean
}

/** What this host knows of the login that it started on this connection. */
export type Pending =
  | { readonly kind: 'none' }
  | { readonly kind: 'open'; readonly session: string; readonly url: string; readonly isShown: boolean }
  /** It was refused on the web: nobody starts another one on this connection. */
  | { readonly kind: 'refused' }

export type AskFacts = Person & {
  readonly lockout?: { readonly secondsLeft: number }
  readonly pending?: Pending
  readonly start?: Started
}

export type AskEffect = { readonly do: 'show'; readonly url: string; readonly isShown: boolean }

export type AskStep = Step<'lockout' | 'pending' | 'start', AskEffect>

/** `ob weblogin ask`: may the address of a web login be shown? */
export function decideAsk(f: AskFacts): AskStep {
  const refusal = refused(f)
  if (refusal) return end(refusal)
  if (!f.lockout) return { ask: 'lockout' }
  if (f.lockout.secondsLeft > 0) return end(denied('locked-out'))
  if (!f.pending) return { ask: 'pending' }
  if (f.pending.kind === 'refused') return end(denied('weblogin-refused'))
  if (f.pending.kind === 'open')
    return end(allowed('weblogin-asked'), { do: 'show', url: f.pending.url, isShown: f.pending.isShown })
  if (!f.start) return { ask: 'start' }
  switch (f.start.kind) {
    case 'started':
      return end(allowed('weblogin-asked'), { do: 'show', url: f.start.url, isShown: false })
    case 'refused':
      return end(denied('weblogin-refused'))
    // Only `ob weblogin approved` asks for approvals.
    case 'approved':
      return end(unavailable('weblogin-garbled'))
    case 'unreachable':
    case 'garbled':
    case 'refuses-host':
      return end(noService(f.start))
  }
}

export type ApprovedFacts = Person & {
  /** Whether this host wants approvals for this login at all: after a proven key, never for sudo. */
  readonly wanted: boolean
  readonly lockout?: { readonly secondsLeft: number }
  readonly approval?: Approval
}

export type ApprovedEffect = { readonly do: 'record'; readonly confirmed: Confirmed }

/** `ob weblogin approved`: is an earlier web login recent enough, so that nothing has to be typed? */
export function decideApproved(f: ApprovedFacts): Step<'lockout' | 'approval', ApprovedEffect> {
  const refusal = refused(f)
  if (refusal) return { outcome: refusal, effects: [] }
  if (!f.wanted) return { outcome: denied('weblogin-not-approved'), effects: [] }
  if (!f.lockout) return { ask: 'lockout' }
  if (f.lockout.secondsLeft > 0) return { outcome: denied('locked-out'), effects: [] }
  if (!f.approval) return { ask: 'approval' }
  switch (f.approval.kind) {
    case 'none':
      return { outcome: denied('weblogin-not-approved'), effects: [] }
    case 'found':
      return f.approval.confirmed.user === f.user
        ? { outcome: allowed('weblogin-approved'), effects: [{ do: 'record', confirmed: f.approval.confirmed }] }
        : { outcome: denied('weblogin-other-user'), effects: [] }
    case 'unreachable':
    case 'garbled':
    case 'refuses-host':
      return { outcome: noService(f.approval), effects: [] }
  }
}

export type CheckFacts = Person & {
  /** The account turns into the person who logged in, whoever that is (functional_logins). */
  readonly anyone?: boolean
  readonly answer: 'code' | 'absent' | 'malformed'
  readonly lockout?: { readonly secondsLeft: number }
  readonly pending?: Pending
  readonly check?: Checked
}

export type CheckEffect =
  | { readonly do: 'count-failure' | 'clear-failures' | 'forget-pending' | 'refuse-connection' }
  | { readonly do: 'record'; readonly confirmed: Confirmed }

export type CheckStep = Step<'lockout' | 'pending' | 'check', CheckEffect>

/** `ob weblogin check`: does what was typed confirm this person on this connection? */
export function decideCheck(f: CheckFacts): CheckStep {
  const refusal = refused(f)
  if (refusal) return end(refusal)
  if (f.answer === 'absent') return end(denied('weblogin-no-code'))
  if (f.answer === 'malformed') return end(denied('weblogin-malformed-code'))
  if (!f.lockout) return { ask: 'lockout' }
  if (f.lockout.secondsLeft > 0) return end(denied('locked-out'))
  if (!f.pending) return { ask: 'pending' }
  if (f.pending.kind === 'refused') return end(denied('weblogin-refused'))
  if (f.pending.kind === 'none') return end(denied('weblogin-not-asked'))
  if (!f.check) return { ask: 'check' }
  return decideChecked(f, f.check)
}

function decideChecked(f: CheckFacts, check: Checked): CheckStep {
  switch (check.kind) {
    case 'confirmed':
      // Whoever logged in there, the name of this login was not theirs.
      if (check.confirmed.user !== f.user && !f.anyone)
        return end(denied('weblogin-other-user'), { do: 'count-failure' }, { do: 'refuse-connection' })
      return end(
        allowed('weblogin-confirmed'),
        { do: 'record', confirmed: check.confirmed },
        { do: 'clear-failures' },
        { do: 'forget-pending' },
      )
    case 'wrong':
      return check.triesLeft > 0
        ? end(denied('weblogin-wrong-code'), { do: 'count-failure' })
        : end(denied('weblogin-wrong-code'), { do: 'count-failure' }, { do: 'forget-pending' })
    case 'pending':
      return end(denied('weblogin-too-early'))
    case 'expired':
      return end(denied('weblogin-expired'), { do: 'forget-pending' })
    case 'refused':
      return end(denied('weblogin-refused'), { do: 'refuse-connection' })
    case 'unreachable':
    case 'garbled':
    case 'refuses-host':
      return end(noService(check))
  }
}

/** What is refused before anybody is asked. */
function refused(f: Person): Outcome | undefined {
  if (!f.user) return denied('bad-login-name')
  if (f.user === 'root') return denied('root-refused')
  if (f.serviceAccount) return decideServiceAuth(f.serviceAccount, f.service)
  if (f.authorizeOnly && !isSudo(f.service)) return denied('authorize-only')
  if (f.unmapped) return denied('service-unmapped')
  return f.needsKey ? denied('weblogin-needs-key') : undefined
}

/** No answer is never a yes: a web login has no cache to fall back on. */
function noService(reply: NoService): Outcome {
  switch (reply.kind) {
    case 'unreachable':
      return unavailable('weblogin-unreachable')
    case 'garbled':
      return unavailable('weblogin-garbled')
    case 'refuses-host':
      return unavailable('weblogin-refuses-host')
  }
}

const end = <Effect>(outcome: Outcome, ...effects: readonly Effect[]) => ({ outcome, effects })
