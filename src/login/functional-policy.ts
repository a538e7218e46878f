// The auth phase of a functional account where a typed one-time token names the person (functional_logins). Pure: the
// portal says whose token it is, and the person's own session decides the rest.
import type { Step } from '../base/decision.ts'
import { allowed, denied, type Outcome } from '../base/outcome.ts'
import { noAnswer } from '../portal-client/no-answer.ts'
import type { Verification } from '../portal-client/reply-format.ts'
import type { AnswerKind } from './typed-answer-format.ts'

export type TypedFacts = {
  readonly answer: AnswerKind
  /** It cannot be a token of this portal (token_pattern), so it stays here. */
  readonly isNoToken: boolean
  readonly lockout?: { readonly secondsLeft: number }
  readonly claim?: 'won' | 'lost'
  readonly verification?: Verification
}

export type TypedEffect =
  | { readonly do: 'count-failure' | 'clear-failures' | 'release-claim' }
  /** The name as the portal wrote it. */
  | { readonly do: 'identify'; readonly name: string }

type TypedStep = Step<'lockout' | 'claim' | 'verification', TypedEffect>

export function decideTyped(f: TypedFacts): TypedStep {
  if (f.answer === 'absent') return end(denied('no-token'))
  if (f.answer === 'cut') return end(denied('token-cut'))
  if (f.answer !== 'token') return end(denied('token-malformed'))
  if (!f.lockout) return { ask: 'lockout' }
  if (f.lockout.secondsLeft > 0) return end(denied('locked-out'))
  if (f.isNoToken) return end(denied('not-a-token'), { do: 'count-failure' })
  // As everywhere: of several that type one token at once, one gets it.
  if (!f.claim) return { ask: 'claim' }
  if (f.claim === 'lost') return end(denied('token-replayed'), { do: 'count-failure' })
  if (!f.verification) return { ask: 'verification' }
  switch (f.verification.kind) {
    case 'accepted':
      return end(allowed('token-accepted'), { do: 'clear-failures' }, { do: 'identify', name: f.verification.user })
    case 'rejected':
      return end(denied('token-rejected'), { do: 'release-claim' }, { do: 'count-failure' })
    case 'unreachable':
    case 'out-of-order':
    case 'garbled':
    case 'refuses-host':
      return end(noAnswer(f.verification), { do: 'release-claim' })
  }
}

const end = (outcome: Outcome, ...effects: readonly TypedEffect[]): TypedStep => ({ outcome, effects })
