import { expect, test } from 'bun:test'
import type { LoginName } from '../../src/base/names.ts'
import { decidePrincipal, type PrincipalFacts } from '../../src/ssh/principals-policy.ts'
import type { PublicKey } from '../../src/ssh/wire.ts'
import { certificateLine, keyOf, publicKeyLine } from '../fakes/ssh-keys.ts'

const certificate = (...options: readonly string[]) =>
  keyOf(certificateLine('ed25519', ['-I', 'alice@llng-1', '-z', '7', ...options]))

/** What sshd says of this key, truly. */
const idsOf = ({ fingerprint, certificate }: PublicKey) => ({
  fingerprint,
  keyId: certificate?.keyId ?? '',
  serial: String(certificate?.serial ?? 0),
})

/** Everything speaks for this login, so that each row below differs in one thing alone. */
const facts = (key: PublicKey, user = 'alice'): PrincipalFacts => ({
  user: user as LoginName,
  key,
  ids: idsOf(key),
  accepted: true,
  stale: false,
})
const good = facts(certificate('-n', 'bob,alice'))
const { ids } = good

const rows: readonly (readonly [string, PrincipalFacts, string])[] = [
  ['a certificate that names the user', good, 'allowed principal-listed'],
  ['a certificate that names the user first', { ...good, user: 'bob' as LoginName }, 'allowed principal-listed'],
  ['a name that is none', { ...good, user: undefined }, 'denied bad-login-name'],
  ['root, whom the certificate names', facts(certificate('-n', 'root'), 'root'), 'denied root-refused'],
  ['a certificate that names others', { ...good, user: 'carol' as LoginName }, 'denied no-principal'],
  ['half a name', { ...good, user: 'ali' as LoginName }, 'denied no-principal'],
  ['more than the name', { ...good, user: 'alice2' as LoginName }, 'denied no-principal'],
  ['a certificate without names', facts(certificate()), 'denied no-principal'],
  ['a name that only looks like a list', facts(certificate('-n', 'bob alice')), 'denied no-principal'],
  ['a host’s certificate', facts(certificate('-h', '-n', 'alice')), 'denied no-principal'],
  ['a plain key', facts(keyOf(publicKeyLine('ed25519'))), 'denied no-principal'],
  ['what is no key', { ...good, key: { problem: 'not base64' } }, 'denied no-principal'],
  ['sshd tells of another serial', { ...good, ids: { ...ids, serial: '8' } }, 'denied no-principal'],
  ['sshd tells of another key ID', { ...good, ids: { ...ids, keyId: 'x' } }, 'denied no-principal'],
  ['sshd tells of another key', { ...good, ids: { ...ids, fingerprint: 'SHA256:x' } }, 'denied no-principal'],
  ['a certificate for a hop that does not count', { ...good, hop: 'hop-not-configured' }, 'denied hop-not-configured'],
  ['a key this host refuses', { ...good, accepted: false }, 'denied key-policy'],
  ['a revocation list too old', { ...good, stale: true }, 'denied krl-stale'],
  [
    'a functional account, and a person named first',
    { ...facts(certificate('-n', 'bob,alice'), 'ops'), functional: true },
    'allowed principal-listed',
  ],
  [
    'a functional account, and root named first',
    { ...facts(certificate('-n', 'root,bob'), 'ops'), functional: true },
    'denied no-principal',
  ],
  [
    'a functional account, and nobody named',
    { ...facts(certificate(), 'ops'), functional: true },
    'denied no-principal',
  ],
]
test.each(rows)('%s', (_, given, expected) => {
  const { kind, reason } = decidePrincipal(given)
  expect(`${kind} ${reason}`).toBe(expected)
})

test('the reason that is said is the first that holds', () => {
  const worst: PrincipalFacts = { ...good, accepted: false, stale: true, hop: 'hop-not-configured' }
  expect(decidePrincipal(worst).reason).toBe('hop-not-configured')
  expect(decidePrincipal({ ...worst, hop: undefined }).reason).toBe('key-policy')
  expect(decidePrincipal({ ...worst, user: 'carol' as LoginName }).reason).toBe('no-principal')
})
