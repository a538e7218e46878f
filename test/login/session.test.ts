import { expect, test } from 'bun:test'
import type { Fingerprint, LoginName } from '../../src/base/names.ts'
import { decideSession } from '../../src/login/session.ts'
import type { Proof } from '../../src/ssh/proof.ts'
import { line } from '../fakes/line.ts'
import { type SessionRow, sessionFacts } from './facts.ts'

const user = 'alice' as LoginName
const fingerprint = `SHA256:${'A'.repeat(43)}` as Fingerprint
const other = `SHA256:${'B'.repeat(43)}` as Fingerprint
const authorization = { kind: 'granted', user, groups: [], sudoAllowed: false, attributes: {} } as const
const remembered = { authorization, fingerprint: undefined, offline: false }
const offline = { cacheEnabled: true, highRiskSeconds: undefined }
const unreachable = { kind: 'unreachable', detail: '' } as const
const key: Proof = { kind: 'key', fingerprint, certificate: false, judged: 'accepted' }
const certificate: Proof = { ...key, certificate: true }
const vouchedBy = (by: 'token' | 'certificate'): Proof => ({ ...certificate, hop: { kind: 'vouched', by, about: '' } })
const missed = { authorization: unreachable, forceOnline: 'free', cached: { kind: 'miss', detail: '' } } as const
const service = { kind: 'broken', detail: '' } as const
const ready = { kind: 'ready', detail: '' } as const

const base: SessionRow = {
  user,
  proof: { kind: 'no-key' },
  binding: 'certificates',
  createUser: true,
  remembered,
  offline,
}

const rows: readonly (readonly [string, SessionRow, string])[] = [
  ['a name this host does not accept', { ...base, user: undefined }, 'denied bad-login-name'],
  [
    'a user who exists only because sshd was told so',
    { ...base, createUser: false, withoutAccount: true },
    'denied no-account',
  ],
  ['root', { ...base, user: 'root' as LoginName }, 'denied root-refused'],
  ['sshd does not say what was proven', { ...base, proof: { kind: 'unreadable' } }, 'denied no-proof'],
  ['a key type this host refuses', { ...base, proof: { ...key, judged: 'type-refused' } }, 'denied key-policy'],
  ['a key too small', { ...base, proof: { ...certificate, judged: 'too-small' } }, 'denied key-policy'],
  [
    'a hop that does not count, whoever else let the key in',
    { ...base, proof: { ...certificate, hop: { kind: 'refused', reason: 'hop-user' } } },
    'denied hop-user',
  ],
  ['a hop is required: not a token that was typed', { ...base, hopRequired: true }, 'denied hop-required'],
  ['a hop is required: not a plain key', { ...base, proof: key, hopRequired: true }, 'denied hop-required'],
  ['a hop is required: not a certificate', { ...base, proof: certificate, hopRequired: true }, 'denied hop-required'],
  [
    'a hop is required: of service accounts too',
    { ...base, proof: key, hopRequired: true, serviceAccount: service },
    'denied hop-required',
  ],
  [
    'a hop by token: its key is nothing to the portal',
    { ...base, proof: vouchedBy('token'), hopRequired: true },
    'ask account',
  ],
  [
    'a hop by certificate: its key is',
    { ...base, proof: vouchedBy('certificate'), hopRequired: true },
    'ask authorization',
  ],
  ['vouched for', { ...base, proof: vouchedBy('token'), account: ready }, 'allowed hop-vouched'],
  [
    'vouched for, and the portal says no',
    { ...base, proof: vouchedBy('token'), authorization: { kind: 'refused', detail: '' }, hopSuffices: true },
    'denied portal-denied +forget-grant',
  ],
  [
    'vouched for while the portal is away: not enough by itself',
    { ...base, ...missed, proof: vouchedBy('token'), remembered: undefined },
    'unavailable portal-unreachable',
  ],
  [
    'enough where bastion_jwt_offline_login is set',
    { ...base, ...missed, proof: vouchedBy('token'), remembered: undefined, hopSuffices: true, account: ready },
    'allowed hop-offline +mark-offline',
  ],
  [
    'where nothing is kept, force_online is asked about all the same',
    {
      ...base,
      authorization: unreachable,
      offline: { ...offline, cacheEnabled: false },
      proof: vouchedBy('token'),
      remembered: undefined,
      hopSuffices: true,
    },
    'ask forceOnline',
  ],
  [
    'but not for whom force_online names',
    { ...base, ...missed, forceOnline: 'listed', proof: vouchedBy('token'), remembered: undefined, hopSuffices: true },
    'unavailable online-only',
  ],
  [
    'and not for a certificate without a hop',
    { ...base, ...missed, proof: certificate, remembered: undefined, hopSuffices: true },
    'unavailable portal-unreachable',
  ],
  ['a token login: the account phase has asked', base, 'ask account'],
  ['a token login without that memory asks again', { ...base, remembered: undefined }, 'ask authorization'],
  ['a plain key is not bound by default', { ...base, proof: key }, 'ask account'],
  ['a plain key is bound when told so', { ...base, proof: key, binding: 'always' }, 'ask authorization'],
  ['a certificate is bound by default', { ...base, proof: certificate }, 'ask authorization'],
  ['a certificate is not bound when told so', { ...base, proof: certificate, binding: 'never' }, 'ask account'],
  [
    'the account phase asked with exactly this key: not twice',
    { ...base, proof: certificate, remembered: { authorization, fingerprint, offline: false } },
    'ask account',
  ],
  [
    'it asked with another key: again',
    { ...base, proof: certificate, remembered: { authorization, fingerprint: other, offline: false } },
    'ask authorization',
  ],
  [
    'it had this key too, but its answer was of an earlier day: again',
    { ...base, proof: certificate, remembered: { authorization, fingerprint, offline: true } },
    'ask authorization',
  ],
  ['the key is accepted', { ...base, proof: certificate, authorization }, 'ask account'],
  [
    'and the account is ready',
    { ...base, proof: certificate, authorization, account: ready },
    'allowed key-accepted +cache-grant',
  ],
  [
    'the key is denied',
    { ...base, proof: certificate, authorization: { kind: 'refused', detail: '' } },
    'denied key-denied +forget-grant',
  ],
  [
    'denied without a key',
    { ...base, remembered: undefined, authorization: { kind: 'refused', detail: '' } },
    'denied portal-denied +forget-grant',
  ],
  [
    'the portal is away when the key must be checked',
    { ...base, proof: certificate, authorization: unreachable },
    'ask forceOnline',
  ],
  [
    'garbled',
    { ...base, proof: certificate, authorization: { kind: 'garbled', detail: '' } },
    'unavailable portal-garbled',
  ],
  [
    'refuses this host',
    { ...base, proof: certificate, authorization: { kind: 'refuses-host', detail: '' } },
    'unavailable portal-refuses-host',
  ],
  ['accounts are made elsewhere', { ...base, createUser: false }, 'allowed session-opened'],
  ['ready', { ...base, account: ready }, 'allowed session-opened'],
  ['a local account is left alone', { ...base, account: { kind: 'local', detail: '' } }, 'allowed session-opened'],
  ['no account can be made', { ...base, account: { kind: 'impossible', detail: '' } }, 'denied account-impossible'],
  [
    'sshd was told another uid than the account has',
    { ...base, account: { kind: 'unsettled', detail: '' } },
    'denied newcomer-registered',
  ],
  [
    'break-glass: the account is left as it is, and the session is looked at later',
    { ...base, remembered: { ...remembered, offline: true, breakGlass: true } },
    'allowed break-glass +mark-offline',
  ],
  [
    'break-glass: a certificate that was proven too is asked about all the same',
    { ...base, proof: certificate, remembered: { ...remembered, offline: true, breakGlass: true } },
    'ask authorization',
  ],
]

test.each(rows)('%s', (_name, facts, expected) => {
  expect(line(decideSession(sessionFacts(facts)))).toBe(expected)
})
