import { expect, test } from 'bun:test'
import fc from 'fast-check'
import {
  afterWrongPassword,
  failuresNow,
  greeterMessage,
  isLockTooLong,
  lockLeft,
  passwordCode,
} from '../../src/offline/password-policy.ts'

const policy = { maxFailures: 5, lockoutSeconds: 300 }
const now = 1_800_000_000
const state = (failedAttempts: number, lockedUntil = 0, lastFailureAt: number | undefined = undefined) => ({
  failedAttempts,
  lockedUntil,
  lastFailureAt,
})

test.each([
  ['nothing', state(0), 0],
  ['failures of the other program, whose time is unknown', state(3), 3],
  ['a failure just now', state(3, 0, now), 3],
  ['a failure a little ago', state(3, 0, now - 299), 3],
  ['each stretch forgives one', state(3, 0, now - 600), 1],
  ['but none below zero', state(3, 0, now - 9000), 0],
  ['a clock set back forgives none', state(3, 0, now + 9000), 3],
  ['a lock that is over leaves two tries', state(5, now), 3],
  ['however high the count went', state(60, now - 1), 3],
  ['and is forgiven like others', state(5, now - 900), 0],
  ['a lock that holds forgives nothing', state(5, now + 10, now - 9000), 0],
])('%s', (_, before, count) => {
  expect(failuresNow(before, policy, now)).toBe(count)
})

test('the fifth failure locks, and says for how long', () => {
  let before = state(0)
  for (let count = 1; count <= 5; count++) {
    expect(lockLeft(before, policy, now)).toBe(0)
    before = afterWrongPassword(before, policy, now + count)
    expect(before.failedAttempts).toBe(count)
  }
  expect(lockLeft(before, policy, now + 5)).toBe(300)
  expect(lockLeft(before, policy, now + 304.2)).toBe(1)
  expect(lockLeft(before, policy, now + 305)).toBe(0)
})

test('the first failure after a lock does not lock again, the second does', () => {
  const once = afterWrongPassword(state(5, now - 1, now - 301), policy, now)
  expect(lockLeft(once, policy, now)).toBe(0)
  const twice = afterWrongPassword(once, policy, now + 1)
  expect(lockLeft(twice, policy, now + 1)).toBe(300)
})

test('where one failure is allowed, each one locks', () => {
  const strict = { maxFailures: 1, lockoutSeconds: 60 }
  expect(lockLeft(afterWrongPassword(state(1, now - 1), strict, now), strict, now)).toBe(60)
})

test('a lock that ends later than a new one would is shortened to a new one', () => {
  expect(lockLeft(state(5, now + 90_000), policy, now)).toBe(300)
  expect(isLockTooLong(state(5, now + 90_000), policy, now)).toBe(true)
  expect(isLockTooLong(state(5, now + 300), policy, now)).toBe(false)
})

test('nobody gets more tries in a day than five and then two for each lock', () => {
  const waits = fc.array(fc.integer({ min: 0, max: 2000 }), { minLength: 300, maxLength: 600 })
  fc.assert(
    fc.property(waits, (seconds) => {
      let [before, at, tries] = [state(0), now, 0]
      for (const wait of seconds) {
        at += wait
        if (lockLeft(before, policy, at) > 0) continue
        before = afterWrongPassword(before, policy, at)
        tries++
      }
      expect(tries).toBeLessThanOrEqual(5 + 2 * Math.ceil((at - now + 1) / 300))
    }),
  )
})

test('the greeter reads upstream’s codes', () => {
  expect(Object.values(passwordCode)).toEqual([0, -2, -3, -4, -5, -6, -7, -8])
  expect(greeterMessage('unknown')).toBe('OFFLINE_ERROR:-4')
  expect(greeterMessage('locked', 17)).toBe('OFFLINE_ERROR:-6:17')
})
