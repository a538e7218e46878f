// Accounts for programs, in all three phases: one row a case. No row asks anything, so no portal is ever needed.
import { expect, test } from 'bun:test'
import type { ServiceAccount } from '../../src/accounts/service-accounts-format.ts'
import type { ServiceAccountState } from '../../src/accounts/service-accounts-policy.ts'
import type { Fingerprint, LoginName } from '../../src/base/names.ts'
import { decideAccount } from '../../src/login/account.ts'
import { decideAuth } from '../../src/login/auth.ts'
import { decideSession } from '../../src/login/session.ts'
import type { Proof } from '../../src/ssh/proof.ts'
import { line } from '../fakes/line.ts'
import { type SessionRow, sessionFacts } from '../login/facts.ts'

const user = 'ansible' as LoginName
const fingerprint = `SHA256:${'A'.repeat(43)}` as Fingerprint
const other = `SHA256:${'B'.repeat(43)}` as Fingerprint
const account: ServiceAccount = { name: user, fingerprint, sudoAllowed: false, sudoNopasswd: false }
const sound = (more: Partial<ServiceAccount> = {}): ServiceAccountState => ({
  kind: 'sound',
  account: { ...account, ...more },
})
const broken: ServiceAccountState = { kind: 'broken', detail: 'line 2' }
const sudoer = sound({ sudoAllowed: true })
const free = sound({ sudoAllowed: true, sudoNopasswd: true })

const typed = ['token', 'absent', 'cut', 'malformed', 'placeholder'] as const
const auths: readonly (readonly [string, ServiceAccountState, string, string])[] = [
  ['over ssh nothing that is typed counts', sound(), 'sshd', 'denied service-account-key-only'],
  ['nor with sudo_nopasswd', free, 'sshd', 'denied service-account-key-only'],
  ['an account with an error', broken, 'sshd', 'denied service-account-broken'],
  ['sudo that is not allowed', sound(), 'sudo', 'denied service-account-no-sudo'],
  ['sudo_nopasswd alone allows nothing', sound({ sudoNopasswd: true }), 'sudo', 'denied service-account-no-sudo'],
  ['sudo that wants a password: it has none', sudoer, 'sudo', 'denied service-account-key-only'],
  ['sudo without a password', free, 'sudo', 'allowed service-account-sudo'],
  ['sudo -i too', free, 'sudo-i', 'allowed service-account-sudo'],
  ['sudo of an account with an error', broken, 'sudo', 'denied service-account-broken'],
]
test.each(auths.flatMap((row) => typed.map((answer) => [`${row[0]}, typed: ${answer}`, answer, row] as const)))(
  'auth: %s',
  (_, answer, [, serviceAccount, service, expected]) => {
    const config = { authorizeOnly: false, createUser: true, offlinePasswords: true }
    const facts = { ...config, user, answer, service, serviceAccount }
    expect(line(decideAuth(facts))).toBe(expected)
  },
)

const accesses: readonly (readonly [string, ServiceAccountState, string, string])[] = [
  ['ssh', sound(), 'sshd', 'allowed service-account-allowed'],
  ['an account with an error', broken, 'sshd', 'denied service-account-broken'],
  ['sudo that is not allowed', sound(), 'sudo', 'denied service-account-no-sudo'],
  ['sudo', sudoer, 'sudo', 'allowed service-account-sudo'],
  ['sudo -i', sudoer, 'sudo-i', 'allowed service-account-sudo'],
  ['sudo of an account with an error', broken, 'sudo', 'denied service-account-broken'],
  ['a console has no key', sound(), 'login', 'denied service-account-key-only'],
  ['su has no key', free, 'su', 'denied service-account-key-only'],
]
test.each(accesses)('account: %s', (_, serviceAccount, service, expected) => {
  const offline = { cacheEnabled: true, highRiskSeconds: undefined }
  expect(line(decideAccount({ user, service, offline, serviceAccount }))).toBe(expected)
})

const key: Proof = { kind: 'key', fingerprint, certificate: false, judged: 'accepted' }
const base: SessionRow = {
  user,
  proof: key,
  binding: 'certificates',
  createUser: false,
  remembered: undefined,
  offline: { cacheEnabled: true, highRiskSeconds: undefined },
  serviceAccount: sound(),
}
const sessions: readonly (readonly [string, Partial<SessionRow>, string])[] = [
  ['its key', {}, 'allowed service-account-opened'],
  ['another key', { proof: { ...key, fingerprint: other } }, 'denied service-account-other-key'],
  ['a certificate around its key', { proof: { ...key, certificate: true } }, 'allowed service-account-opened'],
  [
    'a certificate around another key',
    { proof: { ...key, certificate: true, fingerprint: other } },
    'denied service-account-other-key',
  ],
  ['no key', { proof: { kind: 'no-key' } }, 'denied service-account-key-only'],
  ['sshd does not say', { proof: { kind: 'unreadable' } }, 'denied no-proof'],
  ['a key this host refuses', { proof: { ...key, judged: 'too-small' } }, 'denied key-policy'],
  ['an account with an error', { serviceAccount: broken }, 'denied service-account-broken'],
  ['its entry is made as everybody’s', { createUser: true }, 'ask account'],
  [
    'the entry cannot be made',
    { createUser: true, account: { kind: 'impossible', detail: '' } },
    'denied account-impossible',
  ],
  [
    'fingerprint_binding changes nothing',
    { binding: 'never', proof: { ...key, fingerprint: other } },
    'denied service-account-other-key',
  ],
]
test.each(sessions)('open_session: %s', (_, more, expected) => {
  expect(line(decideSession(sessionFacts({ ...base, ...more })))).toBe(expected)
})

test('a certificate is refused while the revocation list is too old, a person’s too', () => {
  const stale: Proof = { ...key, certificate: true, judged: 'krl-stale' }
  expect(line(decideSession(sessionFacts({ ...base, proof: stale })))).toBe('denied krl-stale')
  expect(line(decideSession(sessionFacts({ ...base, serviceAccount: undefined, proof: stale })))).toBe(
    'denied krl-stale',
  )
})
