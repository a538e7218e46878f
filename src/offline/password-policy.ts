// Passwords verified without the portal: how failures count, and the message for each result of a try.
import type { OfflinePassword, PasswordState } from './password-format.ts'

export type PasswordPolicy = { readonly maxFailures: number; readonly lockoutSeconds: number }

/** Tries left once a lock is over, so that one slip does not lock again. */
const triesAfterLock = 2

/** Seconds until the next try counts. A lock never lasts longer from now than one that begins now. */
export const lockLeft = ({ lockedUntil }: PasswordState, policy: PasswordPolicy, now: number): number =>
  Math.ceil(Math.min(policy.lockoutSeconds, Math.max(0, lockedUntil - now)))

/**
 * True when the lock ends later than any lock could: the clock was set back or the policy changed. It is to be written
 * down anew, or it would last until the old clock comes round.
 */
export const isLockTooLong = ({ lockedUntil }: PasswordState, policy: PasswordPolicy, now: number): boolean =>
  lockedUntil - now > policy.lockoutSeconds

/** The failures that count now: each lockoutSeconds without one forgives one. */
export function failuresNow(state: PasswordState, policy: PasswordPolicy, now: number): number {
  const over = state.lockedUntil > 0 && state.lockedUntil <= now
  const count = over
    ? Math.min(state.failedAttempts, Math.max(0, policy.maxFailures - triesAfterLock))
    : state.failedAttempts
  const since = over ? state.lockedUntil : state.lastFailureAt
  const forgiven = since === undefined ? 0 : Math.floor(Math.max(0, now - since) / policy.lockoutSeconds)
  return Math.max(0, count - forgiven)
}

/** After a wrong password. */
export function afterWrongPassword(
  state: PasswordState,
  policy: PasswordPolicy,
  now: number,
): Required<PasswordState> & { readonly lastFailureAt: number } {
  const at = Math.floor(now)
  const failedAttempts = failuresNow(state, policy, now) + 1
  const lockedUntil = failedAttempts >= policy.maxFailures ? at + policy.lockoutSeconds : 0
  return { failedAttempts, lockedUntil, lastFailureAt: at }
}

/** How a try to verify a password without the portal ended. */
export type PasswordResult =
  | 'accepted'
  | 'io'
  | 'unreadable'
  | 'unknown'
  | 'expired'
  | 'locked'
  | 'invalid'
  | 'wrong-password'

/** The C implementation's result codes, which its greeter understands. */
export const passwordCode: Readonly<Record<PasswordResult, number>> = {
  accepted: 0,
  io: -2,
  unreadable: -3,
  unknown: -4,
  expired: -5,
  locked: -6,
  invalid: -7,
  'wrong-password': -8,
}

/** The message for the greeter (PAM_TEXT_INFO); a lock says how long it still lasts. */
export const greeterMessage = (end: PasswordResult, secondsLeft = 0): string =>
  end === 'locked' ? `OFFLINE_ERROR:${passwordCode.locked}:${secondsLeft}` : `OFFLINE_ERROR:${passwordCode[end]}`

type Written = Pick<OfflinePassword, 'createdAt' | 'lastSuccessAt'>

/** When the C implementation last wrote an entry, as far as the entry says. */
const lastWrittenAt = ({ createdAt, lastSuccessAt }: Written): number => Math.max(createdAt, lastSuccessAt)

/**
 * A generation number that is higher than every one before it, and no lower than the clock: what the C implementation
 * wrote earlier is then known for old.
 */
export const nextGeneration = (entry: Written & Pick<OfflinePassword, 'generation'>, now: number, known = 0): number =>
  Math.max(Math.floor(now), (entry.generation ?? lastWrittenAt(entry)) + 1, known + 1)

/** Numbers below were counted from one, and say nothing about a time. Epoch seconds. */
const earliestTime = 1_000_000_000

/**
 * Whether an entry is no older than the generation number that stands beside it. One without a number of its own is
 * the C implementation's: it counts if it was written after the number was.
 */
export const isCurrent = (entry: Written & Pick<OfflinePassword, 'generation'>, known: number): boolean =>
  entry.generation === undefined ? known >= earliestTime && lastWrittenAt(entry) > known : entry.generation >= known
