// When the portal gives no answer: which questions are asked, in which order, and which earlier answer may be used.
import { expect, test } from 'bun:test'
import type { LoginName } from '../../src/base/names.ts'
import { type Cached, decideOffline, type OfflineFacts } from '../../src/offline/policy.ts'

const authorization = { kind: 'granted', user: 'alice' as LoginName, groups: [], sudoAllowed: false, attributes: {} }
const hit = (ageSeconds: number) => ({ kind: 'hit', authorization, ageSeconds, fingerprints: [] }) as Cached
const bad = (kind: Exclude<Cached['kind'], 'hit'>): Cached => ({ kind, detail: '' })
const on = { cacheEnabled: true, highRiskSeconds: undefined }

function step(facts: Partial<OfflineFacts>): string {
  const found = decideOffline({ offline: on, ...facts }, 'portal-unreachable')
  if ('ask' in found) return `ask ${found.ask}`
  return 'use' in found ? `use ${found.use.ageSeconds}` : `${found.end.kind} ${found.end.reason}`
}

test.each<readonly [string, Partial<OfflineFacts>, string]>([
  ['no cache', { offline: { ...on, cacheEnabled: false }, cached: hit(1) }, 'unavailable portal-unreachable'],
  ['first, who is asked about only online', { cached: hit(1) }, 'ask forceOnline'],
  ['the portal refused this host', { forceOnline: 'host-refused', cached: hit(1) }, 'unavailable portal-refuses-host'],
  ['a user who must be asked about', { forceOnline: 'listed', cached: hit(1) }, 'unavailable online-only'],
  ['then the cache', { forceOnline: 'free' }, 'ask cached'],
  ['an earlier answer', { forceOnline: 'free', cached: hit(90_000) }, 'use 90000'],
  ['nothing', { forceOnline: 'free', cached: bad('miss') }, 'unavailable portal-unreachable'],
  ['an answer whose time is over', { forceOnline: 'free', cached: bad('expired') }, 'unavailable portal-unreachable'],
  ['a damaged file', { forceOnline: 'free', cached: bad('unreadable') }, 'unavailable portal-unreachable'],
  ['too many tries', { forceOnline: 'free', cached: bad('limited') }, 'unavailable cache-limited'],
  ['a forged file', { forceOnline: 'free', cached: bad('tampered') }, 'denied cache-tampered'],
])('%s: %p', (_, facts, expected) => {
  expect(step(facts)).toBe(expected)
})

test.each([
  [0, 'use 0'],
  [300, 'use 300'],
  [301, 'unavailable cache-too-old'],
])('where much is at stake, an answer of %d s ago: %s', (age, expected) => {
  const offline = { cacheEnabled: true, highRiskSeconds: 300 }
  expect(step({ offline, forceOnline: 'free', cached: hit(age) })).toBe(expected)
})

test('the outage that is told is the one that was met', () => {
  const end = decideOffline({ offline: { ...on, cacheEnabled: false } }, 'portal-out-of-order')
  expect(end).toEqual({ end: { kind: 'unavailable', reason: 'portal-out-of-order' } })
})
