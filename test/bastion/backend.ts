// A host in memory that plays bastion and backend, and what sshd and PAM ask it about a key.
import { expect } from 'bun:test'
import { mode as keys } from '../../modes/sshd/keys.ts'
import { formatKeyLine } from '../../src/ssh/certificate-format.ts'
import type { PublicKey } from '../../src/ssh/wire.ts'
import { textOf } from '../fakes/world.ts'
import { enrolledHost, type Host, portalUrl } from '../modes/host.ts'

export const person = 'rtyler'

export const ask = async (host: Host, path: string, body: object): Promise<Record<string, string>> => {
  const { access_token } = JSON.parse(textOf(host.world, '/var/lib/open-bastion/token') ?? '')
  const headers = { authorization: `Bearer ${access_token}`, 'content-type': 'application/json' }
  const answer = await host.portal.handle(
    new Request(`${portalUrl}${path}`, { method: 'POST', headers, body: JSON.stringify(body) }),
  )
  return (await answer.json()) as Record<string, string>
}

/** The same machine plays bastion and backend: its own id is on its list. */
export async function backend(extra = ''): Promise<Host & { readonly id: string }> {
  const first = await enrolledHost()
  const id = (await ask(first, '/pam/bastion-token', { probe: true }))['bastion_id']!
  const text = `bastion_jwt_allowed_bastions = ${id}\n${extra}`
  const path = '/etc/open-bastion/openbastion.conf'
  const file = first.world.disk.get(path)!
  file.data = new TextEncoder().encode(new TextDecoder().decode(file.data) + text)
  expect(
    (await first.phase('auth', { PAM_USER: person }, first.portal.control.mintToken({ user: person }))).outcome,
  ).toBe('allowed token-accepted')
  expect((await first.phase('account', { PAM_USER: person })).outcome).toBe('allowed portal-allowed')
  return { ...first, id }
}

export const vouch = async (host: Host, change: object = {}): Promise<string> =>
  (await ask(host, '/pam/bastion-token', { user: person, target_host: 'host1', target_group: 'backend', ...change }))[
    'bastion_jwt'
  ]!

/** As sshd hands it over: type, bytes and fingerprint of the key. */
export type Offered = Pick<PublicKey, 'type' | 'blob' | 'fingerprint'>

export async function offer(host: Host, key: Offered, user = person): Promise<string> {
  const ending = await keys.run([user, key.type, key.blob.toBase64(), key.fingerprint], host.world)
  return ending.text ?? ''
}

export const proven = (key: Pick<PublicKey, 'blob'>) => ({ SSH_AUTH_INFO_0: `publickey ${formatKeyLine(key.blob)}\n` })
export const session = (host: Host, key: Pick<PublicKey, 'blob'>, user = person) =>
  host.phase('open_session', { PAM_USER: user, ...proven(key) })
