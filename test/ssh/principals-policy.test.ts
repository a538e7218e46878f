import { expect, test } from 'bun:test'
import { decodeBase64 } from '../../src/base/bytes.ts'
import type { LoginName } from '../../src/base/names.ts'
import { decidePrincipal, type PrincipalFacts } from '../../src/ssh/principals-policy.ts'
import { type PublicKey, parsePublicKey } from '../../src/ssh/wire.ts'
import { certificateLine, publicKeyLine } from '../fakes/ssh-keys.ts'

const keyOf = (line: string): PublicKey => {
  const key = parsePublicKey(decodeBase64(line.split(' ')[1]!)!)
  if ('problem' in key) throw new Error(key.problem)
  return key
}

const certificate = (...options: readonly string[]) =>
  keyOf(certificateLine('ed25519', ['-I', 'alice@llng-1', '-z', '7', ...options]))
const good = certificate('-n', 'bob,alice')
const ids = { keyId: 'alice@llng-1', serial: '7', fingerprint: good.fingerprint }
const base: PrincipalFacts = { user: 'alice' as LoginName, key: good, ids, accepted: true, stale: false }

const rows: readonly (readonly [string, Partial<PrincipalFacts>, string])[] = [
  ['a certificate that names the user', {}, 'allowed principal-listed'],
  ['a name that is none', { user: undefined }, 'denied bad-login-name'],
  ['root', { user: 'root' as LoginName, key: certificate('-n', 'root') }, 'denied root-refused'],
  ['a certificate that names others', { user: 'carol' as LoginName }, 'denied no-principal'],
  ['half a name', { user: 'ali' as LoginName }, 'denied no-principal'],
  ['a certificate without names', { key: certificate() }, 'denied no-principal'],
  ['names that only look like a list', { key: certificate('-n', 'bob') }, 'denied no-principal'],
  ['a host’s certificate', { key: certificate('-h', '-n', 'alice') }, 'denied no-principal'],
  ['a plain key', { key: keyOf(publicKeyLine('ed25519')) }, 'denied no-principal'],
  ['what is no key', { key: { problem: 'not base64' } }, 'denied no-principal'],
  ['sshd tells of another serial', { ids: { ...ids, serial: '8' } }, 'denied no-principal'],
  ['sshd tells of another key ID', { ids: { ...ids, keyId: 'x' } }, 'denied no-principal'],
  ['sshd tells of another key', { ids: { ...ids, fingerprint: 'SHA256:x' } }, 'denied no-principal'],
  ['a certificate for a hop that does not count', { hop: 'hop-not-configured' }, 'denied hop-not-configured'],
  ['a key this host refuses', { accepted: false }, 'denied key-policy'],
  ['a revocation list too old', { stale: true }, 'denied krl-stale'],
]
test.each(rows)('%s', (_, more, expected) => {
  const { kind, reason } = decidePrincipal({ ...base, ...more })
  expect(`${kind} ${reason}`).toBe(expected)
})
