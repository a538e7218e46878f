// The policy as a table: one row a case, one line the verdict. The order of the questions is part of it.
import { expect, test } from 'bun:test'
import type { LoginName } from '../../src/base/names.ts'
import { type AuthFacts, decideAuth, type PasswordCheck } from '../../src/login/auth.ts'
import { line } from '../fakes/line.ts'

const alice = 'alice' as LoginName
const base: AuthFacts = {
  user: alice,
  answer: 'token',
  authorizeOnly: false,
  createUser: true,
  service: 'sshd',
  offlinePasswords: false,
}
const open = { secondsLeft: 0 }
const granted = { kind: 'granted', user: alice, groups: [], sudoAllowed: false, attributes: {} } as const

const token = {
  kind: 'active',
  subject: 'alice',
  client: 'desktop',
  scopes: ['openid'],
  bearer: true,
  secondsLeft: 60,
  detail: '',
} as const
const accessTokens = { clients: ['desktop'], minSeconds: 60, mayRemember: false }
const remembering = { ...accessTokens, mayRemember: true }
const introspected = (introspection: AuthFacts['introspection'] & {}): AuthFacts => ({
  ...base,
  lockout: open,
  accessTokens,
  introspection,
})

const away: AuthFacts = {
  ...base,
  lockout: open,
  claim: 'won',
  verification: { kind: 'unreachable', detail: '' },
  offlinePasswords: true,
}
const noToken: AuthFacts = { ...base, lockout: open, isNoToken: true }
const unheard = { kind: 'unreachable', detail: '' } as const
const hit = { kind: 'hit', authorization: granted, ageSeconds: 60, fingerprints: [] } as const
const risky: AuthFacts = {
  ...away,
  service: 'sudo',
  forceOnline: 'free',
  offline: { cacheEnabled: true, highRiskSeconds: 60 },
}
const withPassword = (kind: PasswordCheck['kind']): AuthFacts => ({
  ...away,
  forceOnline: 'free',
  password: { kind, secondsLeft: 0, detail: '' },
})

const rows: readonly (readonly [string, AuthFacts, string])[] = [
  ['a name this host does not accept', { ...base, user: undefined }, 'denied bad-login-name'],
  ['root is never for the portal to decide', { ...base, user: 'root' as LoginName }, 'denied root-refused'],
  ['an account of this host that stays out of it', { ...base, local: 'refused' }, 'denied local-account'],
  ['a functional account of nobody', { ...base, unmapped: true }, 'denied service-unmapped'],
  ['authorize_only never authenticates', { ...base, authorizeOnly: true }, 'denied authorize-only'],
  [
    'but for sudo, as in the C implementation',
    { ...base, authorizeOnly: true, service: 'sudo', answer: 'absent' },
    'denied no-token',
  ],
  ['nothing typed', { ...base, answer: 'absent' }, 'denied no-token'],
  ['an answer that pam_exec cut', { ...base, answer: 'cut' }, 'denied token-cut'],
  ['bytes that no token has', { ...base, answer: 'malformed' }, 'denied token-malformed'],
  ['what cannot be a token stays here, and the portal is asked about the user', noToken, 'ask presence'],
  ['but not before the lockout', { ...noToken, lockout: { secondsLeft: 1 } }, 'denied locked-out'],
  ['it is a guess', { ...noToken, presence: granted }, 'denied not-a-token +count-failure'],
  [
    'of somebody else, too',
    { ...noToken, presence: { kind: 'refused', detail: '' } },
    'denied not-a-token +count-failure',
  ],
  [
    'also where people type access tokens',
    { ...noToken, accessTokens, presence: granted },
    'denied not-a-token +count-failure',
  ],
  ['away: without passwords there is nothing', { ...noToken, presence: unheard }, 'unavailable portal-unreachable'],
  ['away: it may be a password', { ...noToken, presence: unheard, offlinePasswords: true }, 'ask forceOnline'],
  [
    'somebody else’s page: it may be one too',
    { ...noToken, presence: { kind: 'out-of-order', detail: '' }, offlinePasswords: true },
    'ask forceOnline',
  ],
  [
    'an answer nobody understands is no outage',
    { ...noToken, presence: { kind: 'garbled', detail: '' }, offlinePasswords: true },
    'unavailable portal-garbled',
  ],
  ['away, sudo: what the portal said before is looked at first', risky, 'ask cached'],
  [
    'away, sudo: nothing was said',
    { ...risky, cached: { kind: 'miss', detail: '' } },
    'unavailable portal-unreachable +release-claim',
  ],
  [
    'away, sudo: it was said too long ago',
    { ...risky, cached: { ...hit, ageSeconds: 61 } },
    'unavailable cache-too-old +release-claim',
  ],
  ['away, sudo: it was said a moment ago', { ...risky, cached: hit }, 'ask password'],
  [
    'away, and the portal refused this host before',
    { ...away, forceOnline: 'host-refused' },
    'unavailable portal-refuses-host +release-claim',
  ],
  ['a token: the lockout is looked at first', base, 'ask lockout'],
  ['locked out: the portal is never asked', { ...base, lockout: { secondsLeft: 1 } }, 'denied locked-out'],
  ['then the token is claimed', { ...base, lockout: open }, 'ask claim'],
  ['a token used before', { ...base, lockout: open, claim: 'lost' }, 'denied token-replayed +count-failure'],
  ['only then the portal is asked', { ...base, lockout: open, claim: 'won' }, 'ask verification'],
  [
    'accepted',
    { ...base, lockout: open, claim: 'won', verification: { kind: 'accepted', user: 'alice' } },
    'allowed token-accepted +clear-failures',
  ],
  [
    'another user’s token',
    { ...base, lockout: open, claim: 'won', verification: { kind: 'accepted', user: 'mallory' } },
    'denied token-of-another-user +count-failure',
  ],
  [
    'another case is another user',
    { ...base, lockout: open, claim: 'won', verification: { kind: 'accepted', user: 'Alice' } },
    'denied token-of-another-user +count-failure',
  ],
  [
    'rejected: the claim is given back, so a guess leaves no file',
    { ...base, lockout: open, claim: 'won', verification: { kind: 'rejected', detail: '' } },
    'denied token-rejected +release-claim +count-failure',
  ],
  [
    'an outage is never counted, and the token may be tried again',
    { ...base, lockout: open, claim: 'won', verification: { kind: 'unreachable', detail: '' } },
    'unavailable portal-unreachable +release-claim',
  ],
  [
    'nonsense from the portal',
    { ...base, lockout: open, claim: 'won', verification: { kind: 'garbled', detail: '' } },
    'unavailable portal-garbled +release-claim',
  ],
  [
    'the portal refuses this host',
    { ...base, lockout: open, claim: 'won', verification: { kind: 'refuses-host', detail: '' } },
    'unavailable portal-refuses-host +release-claim',
  ],
  [
    'sshd’s placeholder where no accounts are made',
    { ...base, answer: 'placeholder', createUser: false },
    'denied unknown-to-sshd',
  ],
  ['sshd’s placeholder never meets the token lockout', { ...base, answer: 'placeholder' }, 'ask newcomerLimit'],
  [
    'too many unknown names from one source',
    { ...base, answer: 'placeholder', newcomerLimit: { secondsLeft: 9 } },
    'denied unknown-to-sshd',
  ],
  ['an unknown name is asked about', { ...base, answer: 'placeholder', newcomerLimit: open }, 'ask newcomer'],
  [
    'the portal allows the name: ready for the next connection, still denied now',
    { ...base, answer: 'placeholder', newcomerLimit: open, newcomer: granted },
    'denied newcomer-registered +register',
  ],
  [
    'the portal refuses the name: counted apart from guesses',
    { ...base, answer: 'placeholder', newcomerLimit: open, newcomer: { kind: 'refused', detail: '' } },
    'denied unknown-to-sshd +count-newcomer',
  ],
  [
    'the portal is away',
    { ...base, answer: 'placeholder', newcomerLimit: open, newcomer: { kind: 'unreachable', detail: '' } },
    'unavailable portal-unreachable',
  ],
  ['an access token: the lockout is looked at first too', { ...base, accessTokens }, 'ask lockout'],
  ['an access token from a locked source', { ...base, accessTokens, lockout: { secondsLeft: 1 } }, 'denied locked-out'],
  ['an access token is not claimed', { ...base, accessTokens, lockout: open }, 'ask introspection'],
  ['an active access token of the user', introspected(token), 'allowed access-token-accepted +clear-failures'],
  ['an inactive one', introspected({ kind: 'inactive' }), 'denied token-rejected +count-failure'],
  [
    'the access token of another user',
    introspected({ ...token, subject: 'mallory' }),
    'denied token-of-another-user +count-failure',
  ],
  [
    'another case is another user, also here',
    introspected({ ...token, subject: 'Alice' }),
    'denied token-of-another-user +count-failure',
  ],
  [
    'another user’s token is that first, whatever else is wrong with it',
    introspected({ ...token, subject: 'mallory', client: 'web', secondsLeft: 0 }),
    'denied token-of-another-user +count-failure',
  ],
  [
    'the token of another application',
    introspected({ ...token, client: 'web' }),
    'denied token-unsuitable +count-failure',
  ],
  ['the token of no application', introspected({ ...token, client: '' }), 'denied token-unsuitable +count-failure'],
  [
    'the token of an enrolled server, which a user enrolled',
    introspected({ ...token, scopes: ['openid', 'pam:server'] }),
    'denied token-unsuitable +count-failure',
  ],
  [
    'a token with the old scope of servers',
    introspected({ ...token, scopes: ['pam'] }),
    'denied token-unsuitable +count-failure',
  ],
  [
    'a machine that is called like the user',
    { ...introspected({ ...token, client: 'alice' }), accessTokens: { ...accessTokens, clients: ['alice'] } },
    'denied token-unsuitable +count-failure',
  ],
  [
    'a token that is no bearer token',
    introspected({ ...token, bearer: false }),
    'denied token-unsuitable +count-failure',
  ],
  ['a token that ends too soon', introspected({ ...token, secondsLeft: 59 }), 'denied token-expiring +count-failure'],
  [
    'no answer about an access token is never counted',
    introspected({ kind: 'unreachable', detail: '' }),
    'unavailable portal-unreachable',
  ],
  ['nonsense about an access token', introspected({ kind: 'garbled', detail: '' }), 'unavailable portal-garbled'],
  [
    'the portal refuses this host as a client',
    introspected({ kind: 'refuses-host', detail: '' }),
    'unavailable portal-refuses-host',
  ],
  [
    'a few minutes’ memory is asked before the portal',
    { ...base, lockout: open, accessTokens: remembering },
    'ask knownToken',
  ],
  [
    'remembered: the portal is not asked',
    { ...base, lockout: open, accessTokens: remembering, knownToken: 'active' },
    'allowed token-remembered +clear-failures',
  ],
  [
    'not remembered: the portal is asked',
    { ...base, lockout: open, accessTokens: remembering, knownToken: 'unknown' },
    'ask introspection',
  ],
  [
    'an accepted access token is remembered, and kept as a password where that is wanted',
    { ...introspected(token), accessTokens: remembering, knownToken: 'unknown', offlinePasswords: true },
    'allowed access-token-accepted +clear-failures +keep-token +keep-password',
  ],
  [
    'a rejected one is never remembered',
    { ...introspected({ kind: 'inactive' }), accessTokens: remembering, knownToken: 'unknown', offlinePasswords: true },
    'denied token-rejected +count-failure',
  ],
  ['away, passwords are kept: force_online is looked at first', away, 'ask forceOnline'],
  ['away: force_online names the user', { ...away, forceOnline: 'listed' }, 'unavailable online-only +release-claim'],
  ['away: then the password', { ...away, forceOnline: 'free' }, 'ask password'],
  ['away: the right password', withPassword('accepted'), 'allowed offline-password +clear-failures'],
  ['away: a wrong password counts', withPassword('wrong-password'), 'denied offline-password-wrong +count-failure'],
  ['away: too many wrong ones', withPassword('locked'), 'denied offline-password-locked'],
  ['away: no password is kept', withPassword('unknown'), 'unavailable portal-unreachable'],
  ['away: the kept one is too old', withPassword('expired'), 'unavailable portal-unreachable'],
  ['away: it cannot be read', withPassword('unreadable'), 'unavailable portal-unreachable'],
]

test.each(rows)('%s', (_name, facts, expected) => {
  expect(line(decideAuth(facts))).toBe(expected)
})
