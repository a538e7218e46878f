import { expect, test } from 'bun:test'
import type { LoginName } from '../../src/base/names.ts'
import { afterRound, isOutageTooLong, judgeUser, type Outage, type Reach } from '../../src/offline/revalidate-policy.ts'

const start = 1_800_000_000

/** What so many rounds, one a minute, add up to. */
function rounds(reaches: readonly Reach[]): Outage {
  let silence: Outage = { roundAt: start, silentSeconds: 0, downSeconds: 0 }
  for (const [i, reach] of reaches.entries()) silence = afterRound(silence, reach, start + (i + 1) * 60)
  return silence
}
const many = (count: number, reach: Reach): Reach[] => Array.from({ length: count }, () => reach)

test('59 minutes of silence end nothing, 60 do', () => {
  expect(isOutageTooLong(rounds(many(59, 'silent')), 3600)).toBe(false)
  expect(isOutageTooLong(rounds(many(60, 'silent')), 3600)).toBe(true)
})

test('one answer starts the count anew', () => {
  expect(rounds([...many(59, 'silent'), 'portal', ...many(59, 'silent')]).silentSeconds).toBe(59 * 60)
})

test('being without a network is never held against anybody', () => {
  expect(rounds(many(600, 'down'))).toEqual({ roundAt: start + 36_000, silentSeconds: 0, downSeconds: 36_000 })
})

test('pulling the plug for a moment does not turn the clock back', () => {
  expect(isOutageTooLong(rounds([...many(59, 'silent'), 'down', 'silent']), 3600)).toBe(true)
})

test('a suspended host was not silent for the time it slept', () => {
  const before = rounds(many(10, 'silent'))
  expect(afterRound(before, 'silent', before.roundAt + 8 * 3600).silentSeconds).toBe(10 * 60 + 180)
})

test('a clock set back adds nothing and takes nothing', () => {
  const before = rounds(many(10, 'silent'))
  expect(afterRound(before, 'silent', start - 1000).silentSeconds).toBe(600)
})

const user = 'alice' as LoginName
const found = { kind: 'found', user, groups: [], attributes: {} } as const
const granted = { kind: 'granted', user, groups: [], sudoAllowed: false, attributes: {} } as const
const refused = { kind: 'refused', detail: '' } as const

test.each([
  ['known and allowed', found, granted, 'clear'],
  ['known and denied', found, refused, 'terminate'],
  ['not known any more', { kind: 'not-found' }, undefined, 'terminate'],
  ['known, then silence', found, { kind: 'unreachable', detail: '' }, 'unanswered'],
  ['known, then nonsense', found, { kind: 'garbled', detail: '' }, 'unanswered'],
  ['silence', { kind: 'unreachable', detail: '' }, undefined, 'unanswered'],
  ['somebody else’s page', { kind: 'out-of-order', detail: '' }, undefined, 'unanswered'],
  ['nonsense', { kind: 'garbled', detail: '' }, undefined, 'unanswered'],
  ['the portal refuses this host', { kind: 'refuses-host', detail: '' }, undefined, 'unanswered'],
] as const)('%s', (_name, info, authorization, verdict) => {
  expect(judgeUser(info, authorization)).toBe(verdict)
})
