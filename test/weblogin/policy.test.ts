import { expect, test } from 'bun:test'
import type { LoginName } from '../../src/base/names.ts'
import {
  type ApprovedFacts,
  type AskFacts,
  type CheckFacts,
  decideApproved,
  decideAsk,
  decideCheck,
} from '../../src/weblogin/policy.ts'
import { line } from '../fakes/line.ts'

const user = 'alice' as LoginName
const person = {
  user,
  service: 'sshd',
  serviceAccount: undefined,
  authorizeOnly: false,
  unmapped: false,
  needsKey: false,
}
const free = { secondsLeft: 0 }
const locked = { secondsLeft: 9 }
const none = { kind: 'none' } as const
const open = { kind: 'open', session: 's', url: 'https://a/w/x', isShown: true } as const
const burnt = { kind: 'refused' } as const
const confirmed = { user: 'alice', subject: 's', issuer: 'i', groups: [] }
const other = { ...confirmed, user: 'bob' }
const noAnswer = (kind: 'unreachable' | 'garbled' | 'refuses-host') => ({ kind, detail: '' })

const first: readonly (readonly [string, Partial<AskFacts>, string])[] = [
  ['a name this host does not accept', { user: undefined }, 'denied bad-login-name'],
  ['root has no web login', { user: 'root' as LoginName }, 'denied root-refused'],
  [
    'a service account has only its key',
    { serviceAccount: { kind: 'broken', detail: '' } },
    'denied service-account-broken',
  ],
  ['a host that never authenticates', { authorizeOnly: true }, 'denied authorize-only'],
  ['a service nobody would decide about', { unmapped: true }, 'denied service-unmapped'],
  ['codes that are too short to stand alone', { needsKey: true }, 'denied weblogin-needs-key'],
]

const ask: readonly (readonly [string, Partial<AskFacts>, string])[] = [
  ...first,
  ['failures are looked at before the service is asked', {}, 'ask lockout'],
  ['locked out', { lockout: locked }, 'denied locked-out'],
  ['then whether this connection has a login already', { lockout: free }, 'ask pending'],
  [
    'a login that was refused on the web is not started again',
    { lockout: free, pending: burnt },
    'denied weblogin-refused',
  ],
  ['one that waits is shown again', { lockout: free, pending: open }, 'allowed weblogin-asked +show'],
  ['otherwise one is started', { lockout: free, pending: none }, 'ask start'],
  [
    'and its address is shown',
    { lockout: free, pending: none, start: { kind: 'started', session: 's', url: 'https://a', secondsLeft: 60 } },
    'allowed weblogin-asked +show',
  ],
  [
    'the service may refuse the name',
    { lockout: free, pending: none, start: { kind: 'refused' } },
    'denied weblogin-refused',
  ],
  [
    'an approval that nobody asked for is no address',
    { lockout: free, pending: none, start: { kind: 'approved', confirmed } },
    'unavailable weblogin-garbled',
  ],
  [
    'no answer is never a yes',
    { lockout: free, pending: none, start: noAnswer('unreachable') },
    'unavailable weblogin-unreachable',
  ],
  ['nor is nonsense', { lockout: free, pending: none, start: noAnswer('garbled') }, 'unavailable weblogin-garbled'],
  [
    'a service that does not know this host',
    { lockout: free, pending: none, start: noAnswer('refuses-host') },
    'unavailable weblogin-refuses-host',
  ],
]

test.each(ask)('ask: %s', (_name, facts, expected) => {
  expect(line(decideAsk({ ...person, ...facts }))).toBe(expected)
})

const ready = { lockout: free, pending: open }

const check: readonly (readonly [string, Partial<CheckFacts>, string])[] = [
  ...(first as readonly (readonly [string, Partial<CheckFacts>, string])[]),
  ['nothing typed is nothing asked', { answer: 'absent' }, 'denied weblogin-no-code'],
  ['what no code is, is not asked about', { answer: 'malformed' }, 'denied weblogin-malformed-code'],
  ['failures are looked at before the code', {}, 'ask lockout'],
  ['locked out', { lockout: locked }, 'denied locked-out'],
  ['then the login of this connection', { lockout: free }, 'ask pending'],
  ['a code without a login', { lockout: free, pending: none }, 'denied weblogin-not-asked'],
  ['a login that was refused', { lockout: free, pending: burnt }, 'denied weblogin-refused'],
  ['then the service', ready, 'ask check'],
  [
    'the right person with the right code',
    { ...ready, check: { kind: 'confirmed', confirmed } },
    'allowed weblogin-confirmed +record +clear-failures +forget-pending',
  ],
  [
    'somebody else with the right code',
    { ...ready, check: { kind: 'confirmed', confirmed: other } },
    'denied weblogin-other-user +count-failure +refuse-connection',
  ],
  [
    'a name that only begins like this one',
    { ...ready, check: { kind: 'confirmed', confirmed: { ...confirmed, user: 'alice.smith' } } },
    'denied weblogin-other-user +count-failure +refuse-connection',
  ],
  ['a wrong code', { ...ready, check: { kind: 'wrong', triesLeft: 2 } }, 'denied weblogin-wrong-code +count-failure'],
  [
    'the last wrong code ends the login',
    { ...ready, check: { kind: 'wrong', triesLeft: 0 } },
    'denied weblogin-wrong-code +count-failure +forget-pending',
  ],
  ['too early is no guess', { ...ready, check: { kind: 'pending' } }, 'denied weblogin-too-early'],
  ['too late', { ...ready, check: { kind: 'expired' } }, 'denied weblogin-expired +forget-pending'],
  ['not me', { ...ready, check: { kind: 'refused' } }, 'denied weblogin-refused +refuse-connection'],
  ['no answer is never a yes', { ...ready, check: noAnswer('unreachable') }, 'unavailable weblogin-unreachable'],
  ['nor is nonsense', { ...ready, check: noAnswer('garbled') }, 'unavailable weblogin-garbled'],
  ['nor a host unknown to it', { ...ready, check: noAnswer('refuses-host') }, 'unavailable weblogin-refuses-host'],
]

test.each(check)('check: %s', (_name, facts, expected) => {
  expect(line(decideCheck({ ...person, answer: 'code', ...facts }))).toBe(expected)
})

const approved: readonly (readonly [string, Partial<ApprovedFacts>, string])[] = [
  ...(first as readonly (readonly [string, Partial<ApprovedFacts>, string])[]),
  ['where none is wanted nobody is asked', { wanted: false }, 'denied weblogin-not-approved'],
  ['failures are looked at first', {}, 'ask lockout'],
  ['locked out', { lockout: locked }, 'denied locked-out'],
  ['then approvals', { lockout: free }, 'ask approval'],
  ['none', { lockout: free, approval: none }, 'denied weblogin-not-approved'],
  ['one', { lockout: free, approval: { kind: 'found', confirmed } }, 'allowed weblogin-approved +record'],
  [
    'one of somebody else',
    { lockout: free, approval: { kind: 'found', confirmed: other } },
    'denied weblogin-other-user',
  ],
  ['no answer', { lockout: free, approval: noAnswer('unreachable') }, 'unavailable weblogin-unreachable'],
  ['nonsense', { lockout: free, approval: noAnswer('garbled') }, 'unavailable weblogin-garbled'],
  ['a host unknown to it', { lockout: free, approval: noAnswer('refuses-host') }, 'unavailable weblogin-refuses-host'],
]

test.each(approved)('approved: %s', (_name, facts, expected) => {
  expect(line(decideApproved({ ...person, wanted: true, ...facts }))).toBe(expected)
})
