import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { formatLockoutState, lockoutFileName, lockoutKey, parseLockoutState } from '../../src/lockout/state-format.ts'
import { fuzzText } from '../fakes/mutate.ts'
import vectors from '../vectors/rate-limiter.json'

const at = fc.integer({ min: 0, max: 4_102_444_800 })
const states = fc.record({
  failureCount: fc.integer({ min: 0, max: 2 ** 31 - 2 }),
  lockedUntil: at,
  lastFailureAt: at,
  firstFailureAt: at,
})

test('every line that upstream wrote in a whole run is read and written the same', () => {
  let count = 0
  for (const { steps } of vectors.sequences) {
    for (const { op, state_after } of steps) {
      if (op !== 'fail' || state_after === null) continue
      const state = parseLockoutState(state_after)
      expect(state).toBeDefined()
      expect(formatLockoutState(state!)).toBe(state_after)
      count++
    }
  }
  expect(count).toBeGreaterThan(80)
})

test('what is written is read back', () => {
  fc.assert(
    fc.property(states, (state) => {
      expect(parseLockoutState(formatLockoutState(state))).toEqual(state)
    }),
  )
})

// Upstream's sscanf reads the last four of these; it never writes them.
test.each([
  '',
  '9\n',
  'garbage\n',
  '-1 0 0 0\n',
  '01 0 0 0\n',
  '1 0 0 0',
  '2147483647 0 0 0\n',
  '1 1e9 0 0\n',
  '1 0 0 0\n1 0 0 0\n',
  '7 1780000100\n',
  '4 0 1780000000 1780000000 extra\n',
  '   4   0 1780000000 1780000000\n',
  '4\t0 1780000000 1780000000\n',
])('%j is no state file', (text) => {
  expect(parseLockoutState(text)).toBeUndefined()
})

test('a count that upstream could not hold is written as the largest it can', () => {
  const state = { failureCount: 1e12, lockedUntil: 1.9, lastFailureAt: -5, firstFailureAt: 0 }
  expect(formatLockoutState(state)).toBe('2147483646 1 0 0\n')
})

test('a key becomes upstream’s file name', () => {
  for (const { key, file } of vectors.file_names) expect(lockoutFileName(key)).toBe(file)
})

test('a key is the user and where they come from', () => {
  expect(lockoutKey('alice', '192.0.2.1')).toBe('alice:192.0.2.1')
  expect(lockoutKey('alice', '2001:db8::1')).toBe('alice:2001:db8:0:0::/64')
  expect(lockoutKey('alice', undefined)).toBe('alice:local')
  expect(lockoutKey('alice', '')).toBe('alice:local')
})

test('what is accepted would have been written the same', () => {
  fuzzText(['5 1780000034 1780000004 1780000000\n'], (text) => {
    const state = parseLockoutState(text)
    if (state !== undefined) expect(formatLockoutState(state)).toBe(text)
  })
})

test.each([
  ['2001:db8:1:2::5', '2001:db8:1:2:ffff:1:2:3', true],
  ['2001:db8::1', '2001:db8:0:0:9::', true],
  ['2001:db8:1:2::5', '2001:db8:1:3::5', false],
  ['fe80::1%eth0', 'fe80::2%eth1', true],
  ['::ffff:192.0.2.1', '192.0.2.1', true],
  ['::ffff:192.0.2.1', '::ffff:192.0.2.2', false],
  ['192.0.2.1', '192.0.2.2', false],
  ['host:a', 'host:b', false],
])('%s and %s are one source: %p, because a network gives everybody a whole /64', (one, other, same) => {
  expect(lockoutKey('alice', one) === lockoutKey('alice', other)).toBe(same)
})

// Where a key is not upstream's: there a missing address made an own key, and each IPv6 address counted for itself.
const keyDifferences: Readonly<Record<string, string>> = {
  'alice:2001:db8::1': 'alice:2001:db8:0:0::/64',
  ':': ':local',
}

test('a key is upstream’s for a user and an address', () => {
  // It called a user without a name "unknown"; here there is always a name.
  const named = vectors.build_key.filter(({ user }) => user !== null)
  expect(named.length).toBe(5)
  for (const { user, ip, key } of named) {
    // Upstream's buffer ended after 255 bytes, and with it the address: one key for every address of a long name.
    const isCut = key.length === 255
    expect(lockoutKey(user!, ip)).toBe(isCut ? `${user}:${ip}` : (keyDifferences[key] ?? key))
  }
})

test('an IPv6 address is one with its /64, however it is written', () => {
  const one = 'u:2001:db8:1:2::/64'
  for (const address of ['2001:db8:1:2::', '2001:db8:1:2::1', '2001:DB8:1:2:ff:ff:ff:ff', '2001:0db8:0001:0002::1'])
    expect([address, lockoutKey('u', address)]).toEqual([address, one])
  expect(lockoutKey('u', '2001:db8:1:3::1')).not.toBe(one)
  for (const [address, key] of [
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['1::', '1:0:0:0::/64'],
    ['1:2:3::4:5:6', '1:2:3:0::/64'],
    ['1::2:3:4:5:6:7', '1:0:2:3::/64'],
    ['1:2:3:4:5:6:7::', '1:2:3:4::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:192.0.2.1', '192.0.2.1'],
    ['1::ffff:192.0.2.1', '1:0:0:0::/64'],
    ['192.0.2.1', '192.0.2.1'],
    ['host.example', 'host.example'],
    ['', 'local'],
  ] as const)
    expect([address, lockoutKey('u', address)]).toEqual([address, `u:${key}`])
  expect(lockoutKey('u', undefined)).toBe('u:local')
})

test('more failures than an int of the C implementation holds are no state', () => {
  expect(parseLockoutState(`${2 ** 31 - 2} 1 1 1\n`)?.failureCount).toBe(2 ** 31 - 2)
  expect(parseLockoutState(`${2 ** 31 - 1} 1 1 1\n`)).toBeUndefined()
  expect(formatLockoutState({ failureCount: 2 ** 31, lockedUntil: -1, lastFailureAt: 1.9, firstFailureAt: 0 })).toBe(
    `${2 ** 31 - 2} 0 1 0\n`,
  )
})
