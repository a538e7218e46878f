// sudo goes by the key that the connection was proven with: a certificate revoked meanwhile is no key any more.
import { expect, test } from 'bun:test'
import { enrolledHost, type Host } from '../host.ts'
import { ed25519Line } from './sudo-key.ts'

const sudo = { PAM_SERVICE: 'sudo', PAM_USER: 'rtyler', PAM_RUSER: 'rtyler', PAM_RHOST: '' }

async function loggedIn(config = 'fingerprint_binding = always'): Promise<Host> {
  const host = await enrolledHost({ config })
  host.portal.control.setRules({ group: 'backend', ssh: true, sudo: true })
  host.portal.control.addFingerprint({ user: 'rtyler', fingerprint: ed25519Line.fingerprint })
  const env = { PAM_USER: 'rtyler', SSH_AUTH_INFO_0: `publickey ${ed25519Line.line}\n` }
  await host.phase('account', env)
  expect((await host.phase('open_session', env)).outcome).toBe('allowed key-accepted')
  return host
}
const revoke = (host: Host) =>
  host.portal.control.revokeFingerprint({ user: 'rtyler', fingerprint: ed25519Line.fingerprint })
const sudoes = async (host: Host): Promise<string> => (await host.phase('account', sudo)).outcome

test('a key revoked during the session sudoes no more', async () => {
  const host = await loggedIn()
  expect(await sudoes(host)).toBe('allowed sudo-allowed')
  revoke(host)
  expect(await sudoes(host)).toBe('denied portal-denied')
})

test('nor does leaving the connection help', async () => {
  const host = await loggedIn()
  revoke(host)
  Object.assign(host.world, { connectionSeed: () => 'boot 777 888' })
  expect(await sudoes(host)).toBe('denied portal-denied')
})

test('a connection proven with a token asks without a key, whatever another one was proven with', async () => {
  const host = await loggedIn()
  revoke(host)
  Object.assign(host.world, { connectionSeed: () => 'boot 777 888' })
  await host.phase('account', { PAM_USER: 'rtyler' })
  await host.phase('open_session', { PAM_USER: 'rtyler', SSH_AUTH_INFO_0: 'password\n' })
  expect(await sudoes(host)).toBe('allowed sudo-allowed')
})

test('while the portal is away the key counts where it was accepted before', async () => {
  const host = await loggedIn()
  host.portal.control.fault({ kind: 'down', status: 503 })
  expect(await sudoes(host)).toBe('allowed offline-sudo-allowed')
  const [path] = [...host.world.disk.keys()].filter((name) => name.includes('/proven_keys/rtyler:'))
  host.world.files.writeAtomic(path!, `SHA256:${'B'.repeat(43)}\n`, { mode: 0o600 })
  expect(await sudoes(host)).toBe('unavailable portal-unreachable')
})

test('with fingerprint_binding = never no key is sent', async () => {
  const host = await enrolledHost({ config: 'fingerprint_binding = never' })
  const env = { PAM_USER: 'rtyler', SSH_AUTH_INFO_0: `publickey ${ed25519Line.line}\n` }
  for (const phase of ['account', 'open_session']) await host.phase(phase, env)
  host.portal.control.forgetRequests()
  await sudoes(host)
  expect(host.portal.control.requests({ path: '/pam/authorize' })[0]?.body).not.toContain('fingerprint')
})
