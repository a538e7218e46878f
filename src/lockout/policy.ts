// How long a user who failed has to wait. The arithmetic of the C implementation, with three promises that it does not
// keep:
// the wait really grows (the count survives an expired lock), failures fade, and a wrong clock neither opens nor welds
// the door.
import type { LockoutState } from './state-format.ts'

export type LockoutPolicy = {
  readonly maxAttempts: number
  readonly initialLockout: number
  readonly maxLockout: number
  readonly multiplier: number
}

// The largest rate_limit_max_lockout the configuration takes: no lock we or upstream made is longer.
const longestLockout = 86_400

const lockLength = (state: LockoutState, longest: number): number => {
  const length = state.lockedUntil - state.lastFailureAt
  return length < 0 || length > longest ? longest : length
}

/**
 * Whole seconds until the next attempt counts; 0 when there is no lock. Never longer than the lock was made, nor
 * than `longest`.
 */
export function secondsLeft(state: LockoutState | undefined, now: number, longest: number = longestLockout): number {
  if (state === undefined || state.lockedUntil <= now) return 0
  return Math.ceil(Math.min(state.lockedUntil - now, lockLength(state, longest)))
}

/**
 * The state as it should have been written when the clock was set back since: a lock starts again at `now`, as long as
 * it was made. Returns the same object when nothing is wrong; otherwise the caller writes it, or the lock never ends.
 */
export function clockAdjusted(state: LockoutState, now: number, longest: number = longestLockout): LockoutState {
  const present = Math.floor(now)
  if (state.lastFailureAt <= now && state.lockedUntil - now <= longest) return state
  return {
    failureCount: state.failureCount,
    lockedUntil: state.lockedUntil > now ? present + lockLength(state, longest) : state.lockedUntil,
    lastFailureAt: Math.min(state.lastFailureAt, present),
    firstFailureAt: Math.min(state.firstFailureAt, present),
  }
}

/**
 * Failures that still count. One is forgiven for each `maxLockout` without a failure, and that time only runs while the
 * lock is open: guessing once per expired lock therefore keeps the longest lock. 0 means that the file may be removed.
 */
export function failuresLeft(state: LockoutState, policy: LockoutPolicy, now: number): number {
  const silence = Math.max(0, now - Math.max(state.lastFailureAt, state.lockedUntil))
  return Math.max(0, state.failureCount - Math.floor(silence / policy.maxLockout))
}

/** The state after one more failure. */
export function afterFailure(state: LockoutState | undefined, policy: LockoutPolicy, now: number): LockoutState {
  const present = Math.floor(now)
  const before = state === undefined ? undefined : clockAdjusted(state, now)
  const earlier = before === undefined ? 0 : failuresLeft(before, policy, now)
  const failureCount = earlier + 1
  const steps = failureCount - policy.maxAttempts
  const lockout =
    steps < 0 ? 0 : Math.min(policy.maxLockout, Math.floor(policy.initialLockout * policy.multiplier ** steps))
  return {
    failureCount,
    lockedUntil: lockout === 0 ? 0 : present + lockout,
    lastFailureAt: present,
    firstFailureAt: before === undefined || earlier === 0 ? present : before.firstFailureAt,
  }
}
