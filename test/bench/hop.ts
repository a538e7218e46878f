// Rows about hops: what sshd's helper takes for a key with a bastion token in it, next to one for a listed key.
import { makeCarrier, openHopKey } from '../../src/bastion/carrier.ts'
import { parsePublicKey } from '../../src/ssh/wire.ts'
import { configure } from '../host/enrolled.ts'
import type { Lab } from '../host/lab.ts'
import type { Row } from './runner.ts'

const state = '/run/bench-hop'

/** This host's state with hops configured, in a place of its own: the other rows are about hosts without them. */
async function keepState(lab: Lab): Promise<string> {
  const { access_token } = JSON.parse(lab.text('/var/lib/open-bastion/token'))
  const ask = async (body: object): Promise<Record<string, string>> => {
    const headers = `-H 'Authorization: Bearer ${access_token}' -H 'Content-Type: application/json'`
    const address = `${lab.portalUrl}/pam/bastion-token`
    const told = await lab.need(
      `curl -s --cacert /etc/open-bastion/portal-ca.pem ${headers} -d '${JSON.stringify(body)}' ${address}`,
    )
    return JSON.parse(told) as Record<string, string>
  }
  const id = (await ask({ probe: true }))['bastion_id']
  const rules = 'bastion_jwt_target_names = bench\nbastion_jwt_target_groups = bench\nbastion_jwt_clock_skew = 600\n'
  await configure(lab, `${rules}bastion_jwt_allowed_bastions = ${id}\n`)
  await lab.need(`ob heartbeat --once && cp -a /var/lib/open-bastion ${state}`)
  await configure(lab)
  await lab.need('ob heartbeat --once')
  return (await ask({ user: 'alice', target_host: 'bench', target_group: 'bench' }))['bastion_jwt'] ?? ''
}

/** A row on a host with that state: in mounts of its own, so that no other row sees it. */
const bound = (name: string, args: readonly string[]): Row => ({
  name,
  argv: [
    ...['/usr/bin/unshare', '--mount', '/bin/sh', '-c'],
    `mount --bind ${state} /var/lib/open-bastion && exec /usr/sbin/ob "$@"`,
    ...['ob', 'keys', ...args],
  ],
  env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
  countable: false,
})

export async function hopRows(lab: Lab, keyed: string, offer: readonly string[]): Promise<readonly Row[]> {
  const token = await keepState(lab)
  const key = await openHopKey(crypto.getRandomValues(new Uint8Array(32)))
  const parsed = parsePublicKey(await makeCarrier(key, { token, user: 'alice', nonce: new Uint8Array(32) }))
  if ('problem' in parsed) throw new Error(parsed.problem)
  const { type, blob, fingerprint } = parsed
  return [
    bound(`hops configured: ob keys ${keyed}, with the key that is offered`, [keyed, ...offer]),
    bound('hops configured: ob keys alice, a bastion token in the key', ['alice', type, blob.toBase64(), fingerprint]),
  ]
}
