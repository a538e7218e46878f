// Who is offered a challenge, and what counts as its answer. Pure; the order of the questions is part of the policy.
import type { Step } from '../base/decision.ts'
import type { LoginName } from '../base/names.ts'
import { allowed, denied, type Outcome } from '../base/outcome.ts'

export type AskFacts = {
  readonly user: LoginName | undefined
  readonly service: string
  /** gpg_services */
  readonly services: readonly string[]
  /** gpg_when */
  readonly when: 'always' | 'unreachable'
  readonly portal?: 'answers' | 'unreachable'
}

/** Everybody who comes this far is shown a challenge; whether anybody can read it, only its owner finds out. */
export function decideAsk(f: AskFacts): Step<'portal', never> {
  const end = (outcome: Outcome) => ({ outcome, effects: [] })
  if (!f.services.includes(f.service)) return end(denied('challenge-not-offered'))
  if (f.when === 'always') return end(allowed('challenge-shown'))
  if (!f.portal) return { ask: 'portal' }
  return end(f.portal === 'unreachable' ? allowed('challenge-shown') : denied('challenge-not-offered'))
}

/** What kind of thing was typed at the prompt. */
export type TypedKind = 'code' | 'recovery-code' | 'absent' | 'cut' | 'other' | 'placeholder'

/** What is known of the challenge that this program showed. */
export type Waiting =
  | { readonly kind: 'none' | 'late' | 'of-another' }
  | {
      readonly kind: 'waiting'
      /** Whether gpg_users and gpg_groups let the user answer. */
      readonly permitted: boolean
      /** Whether it was encrypted to a key of the user. */
      readonly readable: boolean
      readonly matches: boolean
      readonly breakGlass: boolean
    }

export type CheckFacts = {
  readonly user: LoginName | undefined
  readonly typed: TypedKind
  readonly waiting: Waiting
  readonly lockout?: { readonly secondsLeft: number }
  /** Whether the key file is what it was when the challenge was made. */
  readonly keys?: 'same' | 'changed'
  /** Asked whoever the user is: it takes the same time for everybody. */
  readonly recovery?: 'accepted' | 'rejected'
}

export type CheckEffect = { readonly do: 'count-failure' | 'clear-failures' | 'mark-passed' }

type CheckStep = Step<'lockout' | 'keys' | 'recovery', CheckEffect>

export function decideCheck(f: CheckFacts): CheckStep {
  const { user, typed, waiting } = f
  if (!user) return end(denied('bad-login-name'))
  if (typed === 'placeholder') return end(denied('unknown-to-sshd'))
  if (typed === 'absent') return end(denied('no-token'))
  if (!f.lockout) return { ask: 'lockout' }
  if (f.lockout.secondsLeft > 0) return end(denied('locked-out'))
  switch (waiting.kind) {
    case 'none':
      return end(denied('challenge-missing'), { do: 'count-failure' })
    case 'late':
      return end(denied('challenge-late'))
    case 'of-another':
      return end(denied('challenge-of-another'), { do: 'count-failure' })
    case 'waiting':
      return typed === 'recovery-code' ? decideRecovery(f, waiting) : decideCode(f, waiting)
  }
}

type Open = Waiting & { readonly kind: 'waiting' }

function decideCode({ typed, keys }: CheckFacts, waiting: Open): CheckStep {
  if (!waiting.permitted) return end(denied('challenge-not-for-user'), { do: 'count-failure' })
  if (!waiting.readable) return end(denied('challenge-without-key'), { do: 'count-failure' })
  if (typed !== 'code' || !waiting.matches) return end(denied('challenge-wrong'), { do: 'count-failure' })
  if (!keys) return { ask: 'keys' }
  if (keys === 'changed') return end(denied('challenge-key-changed'))
  return end(allowed(waiting.breakGlass ? 'break-glass' : 'challenge-answered'), ...passed)
}

function decideRecovery({ recovery }: CheckFacts, waiting: Open): CheckStep {
  if (!recovery) return { ask: 'recovery' }
  if (!waiting.permitted) return end(denied('challenge-not-for-user'), { do: 'count-failure' })
  if (recovery === 'rejected') return end(denied('recovery-code-wrong'), { do: 'count-failure' })
  return end(allowed(waiting.breakGlass ? 'break-glass' : 'recovery-code-accepted'), ...passed)
}

const passed: readonly CheckEffect[] = [{ do: 'clear-failures' }, { do: 'mark-passed' }]

const end = (outcome: Outcome, ...effects: readonly CheckEffect[]): CheckStep => ({ outcome, effects })
