import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { afterFailure, clockAdjusted, failuresLeft, type LockoutPolicy, secondsLeft } from '../../src/lockout/policy.ts'
import { formatLockoutState, type LockoutState, parseLockoutState } from '../../src/lockout/state-format.ts'
import vectors from '../vectors/rate-limiter.json'

const now = 1780000000
const policy: LockoutPolicy = { maxAttempts: 5, initialLockout: 30, maxLockout: 3600, multiplier: 2 }

const fail = (times: number, at: number, from?: LockoutState): LockoutState | undefined => {
  let state = from
  for (let i = 0; i < times; i++) state = afterFailure(state, policy, at)
  return state
}

/** Where upstream's behaviour is not ours, and why. */
const differences: Readonly<Record<string, string>> = {
  'lockout over resets the counter': 'the count survives an expired lock, or the wait never grows',
  'max_attempts 0 means default 5': 'the configuration refuses 0',
  'state file: two fields': 'a line that upstream does not write is no state',
  'state file: trailing text': 'a line that upstream does not write is no state',
  'state file: leading spaces': 'a line that upstream does not write is no state',
  'state file: lockout in far future': 'upstream reads a lock beyond 2³¹ seconds as none',
  'max_attempts 1': 'the count survives an expired lock, or the wait never grows',
  disabled: 'whoever asks looks at rate_limit_enabled first',
}

for (const sequence of vectors.sequences) {
  const { max_attempts, initial, max, mult } = sequence.config
  const limits = { maxAttempts: max_attempts, initialLockout: initial, maxLockout: max, multiplier: mult }
  const run = (): readonly string[] => {
    let state = parseLockoutState(sequence.initial_state ?? '')
    return sequence.steps.map(({ op, clock }) => {
      if (op === 'fail') state = afterFailure(state, limits, clock)
      const text = state === undefined ? null : formatLockoutState(state)
      return `${op} ${op === 'fail' ? Math.max(0, state!.lockedUntil - clock) : secondsLeft(state, clock)} ${text}`
    })
  }
  const upstream = sequence.steps.map(({ op, result, state_after }) => {
    const readable = state_after === null || parseLockoutState(state_after) === undefined ? null : state_after
    return `${op} ${result} ${readable}`
  })
  const difference = differences[sequence.name]
  if (difference === undefined) test(`as upstream: ${sequence.name}`, () => expect(run()).toEqual(upstream))
  else test(`unlike upstream: ${sequence.name}: ${difference}`, () => expect(run()).not.toEqual(upstream))
}

test('the wait grows from one expired lock to the next, and stays at the longest', () => {
  let state = fail(4, now)
  let clock = now
  const waits: number[] = []
  for (let i = 0; i < 10; i++) {
    state = afterFailure(state, policy, clock)
    waits.push(secondsLeft(state, clock))
    clock = state.lockedUntil
  }
  expect(waits).toEqual([30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600])
})

test('one failure is forgiven for each longest lock of silence', () => {
  const state = fail(5, now)!
  const open = state.lockedUntil
  expect(failuresLeft(state, policy, open)).toBe(5)
  expect(failuresLeft(state, policy, open + 3599)).toBe(5)
  expect(failuresLeft(state, policy, open + 3600)).toBe(4)
  expect(failuresLeft(state, policy, open + 5 * 3600)).toBe(0)
  expect(failuresLeft(state, policy, open + 1e9)).toBe(0)
  expect(failuresLeft(state, policy, now - 1e6)).toBe(5)
})

test('somebody who was forgotten starts again', () => {
  const later = now + 30 + 5 * 3600
  expect(afterFailure(fail(5, now), policy, later)).toEqual({
    failureCount: 1,
    lockedUntil: 0,
    lastFailureAt: later,
    firstFailureAt: later,
  })
})

test('four old failures do not lock somebody out a week later', () => {
  expect(secondsLeft(afterFailure(fail(4, now), policy, now + 7 * 86400), now + 7 * 86400)).toBe(0)
})

test.each([1000, 86400 * 365])('a clock set back by %d seconds neither opens the door nor welds it shut', (setBack) => {
  const state = fail(6, now)!
  const back = now - setBack
  expect(secondsLeft(state, back)).toBe(60)
  const adjusted = clockAdjusted(state, back)
  expect(secondsLeft(adjusted, back)).toBe(60)
  expect(secondsLeft(adjusted, back + 59)).toBe(1)
  expect(secondsLeft(adjusted, back + 60)).toBe(0)
  expect(adjusted.failureCount).toBe(6)
  expect(clockAdjusted(adjusted, back)).toBe(adjusted)
})

test('a state that is right is left alone', () => {
  const state = fail(6, now)!
  expect(clockAdjusted(state, now)).toBe(state)
  expect(clockAdjusted(state, now + 1e6)).toBe(state)
})

test('a lock in the far future ends within a day, and does not come again', () => {
  const state = parseLockoutState('5 9999999999 1780000000 1780000000\n')!
  expect(secondsLeft(state, now)).toBe(86400)
  const adjusted = clockAdjusted(state, now)
  expect(secondsLeft(adjusted, now + 86400)).toBe(0)
})

test('a lock that was made longer than the longest is now is cut', () => {
  const state = parseLockoutState('9 1780003600 1780000000 1780000000\n')!
  expect(secondsLeft(state, now, 600)).toBe(600)
  expect(secondsLeft(clockAdjusted(state, now, 600), now + 599, 600)).toBe(1)
  expect(secondsLeft(clockAdjusted(state, now, 600), now + 600, 600)).toBe(0)
})

test('the time of day may have a fraction', () => {
  const state = fail(5, now + 0.75)!
  expect(formatLockoutState(state)).toBe('5 1780000030 1780000000 1780000000\n')
  expect(secondsLeft(state, now + 29.25)).toBe(1)
})

test('nobody who never failed waits', () => {
  expect(secondsLeft(undefined, now)).toBe(0)
})

test('whatever the history, a wait is whole seconds, never beyond the longest, and the file can be read again', () => {
  const steps = fc.array(fc.integer({ min: -100_000, max: 100_000 }), { minLength: 1, maxLength: 40 })
  fc.assert(
    fc.property(steps, (moves) => {
      let clock = now
      let state: LockoutState | undefined
      for (const move of moves) {
        clock += move
        state = afterFailure(state, policy, clock)
        expect(parseLockoutState(formatLockoutState(state))).toEqual(state)
        expect(secondsLeft(state, clock)).toBeLessThanOrEqual(3600)
        expect(secondsLeft(state, clock - 50_000)).toBeLessThanOrEqual(3600)
        if (state.failureCount >= policy.maxAttempts) expect(secondsLeft(state, clock)).toBeGreaterThanOrEqual(30)
      }
    }),
  )
})

const state = (more: Partial<LockoutState>): LockoutState => ({
  failureCount: 5,
  lockedUntil: 0,
  lastFailureAt: now,
  firstFailureAt: now,
  ...more,
})

test('a lock that seems longer than any is as long as the longest', () => {
  expect(secondsLeft(state({ lockedUntil: now + 90_000 }), now)).toBe(86_400)
  expect(secondsLeft(state({ lockedUntil: now + 86_400 }), now)).toBe(86_400)
  expect(secondsLeft(state({ lockedUntil: now + 30 }), now)).toBe(30)
  // Locked before it failed: written by a clock that was set back. It counts as the longest, and no longer.
  expect(secondsLeft(state({ lockedUntil: now + 50, lastFailureAt: now + 100 }), now, 40)).toBe(40)
  expect(secondsLeft(state({ lockedUntil: now + 1, lastFailureAt: now + 1 }), now, 40)).toBe(0)
})

test('one failure is forgiven after a whole longest lock of silence, not a second earlier', () => {
  expect(failuresLeft(state({}), policy, now)).toBe(5)
  expect(failuresLeft(state({}), policy, now + 3599)).toBe(5)
  expect(failuresLeft(state({}), policy, now + 3600)).toBe(4)
  expect(failuresLeft(state({ lockedUntil: now + 10 }), policy, now + 3600)).toBe(5)
  expect(failuresLeft(state({}), { ...policy, maxLockout: 1 }, now)).toBe(5)
  expect(failuresLeft(state({}), policy, now + 1_000_000)).toBe(0)
})
