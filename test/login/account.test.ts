import { expect, test } from 'bun:test'
import type { LoginName } from '../../src/base/names.ts'
import { type AccountFacts, decideAccount } from '../../src/login/account.ts'
import { line } from '../fakes/line.ts'

const user = 'alice' as LoginName
const root = 'root' as LoginName
const granted = { kind: 'granted', user, groups: [], sudoAllowed: false, attributes: {} } as const
const withSudo = { ...granted, sudoAllowed: true } as const
const refused = { kind: 'refused', detail: '' } as const

const offline = { cacheEnabled: true, highRiskSeconds: undefined }
const away = { kind: 'unreachable', detail: '' } as const
const hit = { kind: 'hit', authorization: granted, ageSeconds: 100, fingerprints: [] } as const
const base: AccountFacts = { user, service: 'sshd', authorization: away, forceOnline: 'free', offline }

const miss = { kind: 'miss', detail: '' } as const
const named: AccountFacts = { ...base, mayBreakGlass: true }

const rows: readonly (readonly [string, AccountFacts, string])[] = [
  ['a name this host does not accept', { offline, user: undefined, service: 'sshd' }, 'denied bad-login-name'],
  ['ssh: the portal is asked', { offline, user, service: 'sshd' }, 'ask authorization'],
  [
    'ssh allowed',
    { offline, user, service: 'sshd', authorization: granted },
    'allowed portal-allowed +remember +cache-grant',
  ],
  [
    'nobody can be asked, and a bastion may vouch: the session phase decides',
    { ...base, cached: { kind: 'miss', detail: '' }, hopMaySuffice: true },
    'allowed hop-pending',
  ],
  [
    'not where force_online names the user',
    { ...base, forceOnline: 'listed', hopMaySuffice: true },
    'unavailable online-only',
  ],
  [
    'not where the cache was changed by somebody else',
    { ...base, cached: { kind: 'tampered', detail: '' }, hopMaySuffice: true },
    'denied cache-tampered',
  ],
  [
    'not where the portal says no',
    { ...base, authorization: refused, hopMaySuffice: true },
    'denied portal-denied +forget-grant',
  ],
  [
    'authenticated offline, and now the portal answers',
    { offline, user, service: 'sudo', authorization: withSudo, provenOffline: true },
    'denied prove-again',
  ],
  ['ssh denied', { offline, user, service: 'sshd', authorization: refused }, 'denied portal-denied +forget-grant'],
  ['ssh as root is never for the portal', { offline, user: root, service: 'sshd' }, 'denied root-refused'],
  ['root’s own sudo is untouched, unasked', { offline, user: root, service: 'sudo' }, 'allowed root-exempt'],
  ['root’s own sudo -i too', { offline, user: root, service: 'sudo-i' }, 'allowed root-exempt'],
  ['but not root’s su', { offline, user: root, service: 'su' }, 'denied root-refused'],
  ['sudo: the portal is asked', { offline, user, service: 'sudo' }, 'ask authorization'],
  ['sudo allowed', { offline, user, service: 'sudo', authorization: withSudo }, 'allowed sudo-allowed +cache-grant'],
  [
    'sudo needs more than authorized',
    { offline, user, service: 'sudo', authorization: granted },
    'denied sudo-denied +cache-grant',
  ],
  ['sudo -i is sudo', { offline, user, service: 'sudo-i', authorization: granted }, 'denied sudo-denied +cache-grant'],
  ['sudo denied', { offline, user, service: 'sudo', authorization: refused }, 'denied portal-denied +forget-grant'],
  [
    'any other service is the portal’s to decide, asked as what service_map says',
    { offline, user, service: 'login', authorization: refused },
    'denied portal-denied +forget-grant',
  ],
  [
    'what it says about another service than ssh and sudo is not kept',
    { offline, user, service: 'login', authorization: granted, unkept: true },
    'allowed portal-allowed +remember',
  ],
  [
    'nor does its no about one take away what it allowed by ssh',
    { offline, user, service: 'login', authorization: refused, unkept: true },
    'denied portal-denied',
  ],
  [
    'without an entry there nobody is asked, and nothing kept is touched',
    { offline, user, service: 'cron', unmapped: true },
    'denied service-unmapped',
  ],
  [
    'nor does an earlier day’s answer count there',
    { ...base, service: 'cron', unmapped: true, cached: hit },
    'denied service-unmapped',
  ],
  [
    'on the console the account is made before the session',
    { offline, user, service: 'login', authorization: granted, needsAccount: true },
    'ask account',
  ],
  [
    'and when it cannot be made there is no session',
    {
      offline,
      user,
      service: 'login',
      authorization: granted,
      needsAccount: true,
      account: { kind: 'impossible', detail: '' },
    },
    'denied account-impossible',
  ],
  [
    'with the account the console is open',
    {
      offline,
      user,
      service: 'login',
      authorization: granted,
      needsAccount: true,
      account: { kind: 'ready', detail: '' },
    },
    'allowed portal-allowed +remember +cache-grant',
  ],
  [
    'nobody the portal refuses gets an account',
    { offline, user, service: 'login', authorization: refused, needsAccount: true },
    'denied portal-denied +forget-grant',
  ],
  [
    'no answer is no',
    { offline, user, service: 'sshd', authorization: { kind: 'unreachable', detail: '' } },
    'ask forceOnline',
  ],
  [
    'away: no cache on this host',
    { ...base, offline: { ...offline, cacheEnabled: false } },
    'unavailable portal-unreachable',
  ],
  ['away: force_online names the user', { ...base, forceOnline: 'listed' }, 'unavailable online-only'],
  ['away: the cache is asked', base, 'ask cached'],
  ['away: nothing cached', { ...base, cached: { kind: 'miss', detail: '' } }, 'unavailable portal-unreachable'],
  ['away: too old', { ...base, cached: { kind: 'expired', detail: '' } }, 'unavailable portal-unreachable'],
  ['away: asked too often', { ...base, cached: { kind: 'limited', detail: '' } }, 'unavailable cache-limited'],
  ['away: changed by somebody', { ...base, cached: { kind: 'tampered', detail: '' } }, 'denied cache-tampered'],
  ['away: allowed before', { ...base, cached: hit }, 'allowed offline-allowed +remember-offline'],
  ['away: sudo not allowed before', { ...base, service: 'sudo', cached: hit }, 'denied sudo-denied'],
  [
    'away: sudo allowed before',
    { ...base, service: 'sudo-i', cached: { ...hit, authorization: withSudo } },
    'allowed offline-sudo-allowed',
  ],
  [
    'away: for sudo the answer is too old sooner',
    { ...base, service: 'sudo', offline: { ...offline, highRiskSeconds: 60 }, cached: hit },
    'unavailable cache-too-old',
  ],
  [
    'nonsense is no',
    { offline, user, service: 'sshd', authorization: { kind: 'garbled', detail: '' } },
    'unavailable portal-garbled',
  ],
  [
    'a refused host is no',
    { offline, user, service: 'sudo', authorization: { kind: 'refuses-host', detail: '' } },
    'unavailable portal-refuses-host',
  ],
  // No cached answer counts, and the administrator named somebody for such a day.
  ['break-glass: not named', { ...base, cached: miss, breakGlass: 'proven' }, 'unavailable portal-unreachable'],
  ['break-glass: nothing is kept, so the list is asked', { ...named, cached: miss }, 'ask breakGlass'],
  ['break-glass: no key proven', { ...named, cached: miss, breakGlass: 'no' }, 'unavailable portal-unreachable'],
  [
    'break-glass: named, and a key proven',
    { ...named, cached: miss, breakGlass: 'proven' },
    'allowed break-glass +remember-break-glass',
  ],
  ['break-glass: sudo', { ...named, service: 'sudo', cached: miss, breakGlass: 'proven' }, 'allowed break-glass'],
  [
    'break-glass: without a cache',
    { ...named, offline: { ...offline, cacheEnabled: false }, breakGlass: 'proven' },
    'allowed break-glass +remember-break-glass',
  ],
  [
    'break-glass: what is kept counts first',
    { ...named, cached: hit, breakGlass: 'proven' },
    'allowed offline-allowed +remember-offline',
  ],
  [
    'break-glass: force_online is stronger',
    { ...named, forceOnline: 'listed', breakGlass: 'proven' },
    'unavailable online-only',
  ],
  [
    'break-glass: a changed cache is stronger',
    { ...named, cached: { kind: 'tampered', detail: '' }, breakGlass: 'proven' },
    'denied cache-tampered',
  ],
  [
    'break-glass: never against a no of the portal',
    { ...named, authorization: refused, breakGlass: 'proven' },
    'denied portal-denied +forget-grant',
  ],
  [
    'break-glass: never when it answers nonsense',
    { ...named, authorization: { kind: 'garbled', detail: '' }, breakGlass: 'proven' },
    'unavailable portal-garbled',
  ],
  [
    'break-glass: never on a host that the portal refused, cache or not',
    { ...named, offline: { ...offline, cacheEnabled: false }, forceOnline: 'host-refused', breakGlass: 'proven' },
    'unavailable portal-unreachable',
  ],
]

test.each(rows)('%s', (_name, facts, expected) => {
  expect(line(decideAccount(facts))).toBe(expected)
})
