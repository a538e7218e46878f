import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { parsePasswd } from '../../src/accounts/passwd-format.ts'
import { firstFreeUid, isReservedUid, parsePortalUid, uidCandidates } from '../../src/accounts/uid.ts'
import vectors from '../vectors/uid-hash.json'

const range = { min: vectors.min_uid, max: vectors.max_uid }
const free = () => false

test('a name gets upstream’s uid', () => {
  for (const { username, uid } of vectors.table) {
    expect([username, uidCandidates(username, range)[0]]).toEqual([username, uid])
    expect([username, firstFreeUid(username, range, free)]).toEqual([username, uid])
  }
})

// Upstream hands out 65535, which is -1 in 16 bits, and ids from 2³¹.
test('other ranges give upstream’s candidates, but a reserved one is passed over', () => {
  for (const { min_uid, max_uid, uids } of vectors.other_ranges) {
    const other = { min: min_uid, max: max_uid }
    for (const [name, uid] of Object.entries(uids)) {
      const candidates = uidCandidates(name, other).filter((candidate) => candidate !== 65534)
      expect([name, candidates[0] ?? 0]).toEqual([name, uid])
      const ours = firstFreeUid(name, other, free)
      expect(ours).toBe(isReservedUid(uid) ? undefined : uid)
    }
  }
})

test('a taken uid moves the name to the next candidate', () => {
  for (const { name, etc_passwd, username, uid } of vectors.collisions) {
    const taken = new Set<number>()
    for (const line of parsePasswd(etc_passwd).lines) if (line.kind === 'entry') taken.add(line.entry.uid)
    expect([name, firstFreeUid(username, range, (one) => taken.has(one))]).toEqual([name, uid])
  }
})

test('there are a hundred candidates, all inside the range', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), (name) => {
      const candidates = uidCandidates(name, range)
      expect(candidates).toHaveLength(100)
      expect(candidates.every((uid) => uid >= range.min && uid < range.max)).toBe(true)
    }),
  )
})

test('a reserved block wider than a hundred is walked through', () => {
  expect(firstFreeUid('alice', { min: 61184, max: 65530 }, free)).toBeGreaterThanOrEqual(65520)
})

test('a full range has no uid', () => {
  expect(firstFreeUid('alice', range, () => true)).toBeUndefined()
})

test.each([
  ['', 10000, 60000],
  ['alice', 60000, 10000],
  ['alice', 10000, 10000],
  ['alice', 999, 60000],
])('%j in %d–%d has no candidate', (name, min, max) => {
  expect(uidCandidates(name, { min, max })).toEqual([])
  expect(firstFreeUid(name, { min, max }, free)).toBeUndefined()
})

test.each([0, 1, 999, 61184, 65519, 65534, 65535, 2 ** 31, 2 ** 32 - 1])('%d is reserved', (uid) => {
  expect(isReservedUid(uid)).toBe(true)
})

test.each([1000, 10000, 61183, 65520, 65533, 65536, 2 ** 31 - 1])('%d is not reserved', (uid) => {
  expect(isReservedUid(uid)).toBe(false)
})

test.each([
  [10000, 10000],
  [60000, 60000],
  ['45475', 45475],
  [9999, undefined],
  [60001, undefined],
  ['060000', undefined],
  [' 45475', undefined],
  ['45475x', undefined],
  ['4e4', undefined],
  [45475.5, undefined],
  [Number.NaN, undefined],
  [null, undefined],
  [undefined, undefined],
  [[45475], undefined],
  [true, undefined],
  [0, undefined],
  ['-1', undefined],
])('the portal’s uid %j is read as %p', (value, uid) => {
  expect(parsePortalUid(value, range)).toBe(uid)
})

test('a reserved portal uid is refused even where the range allows it', () => {
  expect(parsePortalUid(65534, { min: 1000, max: 70000 })).toBeUndefined()
  expect(parsePortalUid(2 ** 31, { min: 1000, max: 2 ** 32 })).toBeUndefined()
})
