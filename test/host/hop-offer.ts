// A host that is its own bastion, and what sshd hands `ob keys` for a key with a bastion token in it.
import { makeCarrier, openHopKey } from '../../src/bastion/carrier.ts'
import { parsePublicKey } from '../../src/ssh/wire.ts'
import { configure } from './enrolled.ts'
import type { Lab } from './lab.ts'

async function ask(lab: Lab, body: object): Promise<Readonly<Record<string, string>>> {
  const { access_token } = JSON.parse(lab.text('/var/lib/open-bastion/token'))
  const headers = `-H 'Authorization: Bearer ${access_token}' -H 'Content-Type: application/json'`
  const address = `${lab.portalUrl}/pam/bastion-token`
  const answer = await lab.need(
    `curl -s --cacert /etc/open-bastion/portal-ca.pem ${headers} -d '${JSON.stringify(body)}' ${address}`,
  )
  return JSON.parse(answer) as Readonly<Record<string, string>>
}

/** Hops from this host to itself count from now on, until it is configured otherwise. */
export async function believeHops(lab: Lab): Promise<void> {
  const id = (await ask(lab, { probe: true }))['bastion_id']
  // Who counts instructions or rounds takes his time.
  const rules = 'bastion_jwt_target_names = here\nbastion_jwt_target_groups = here\nbastion_jwt_clock_skew = 600\n'
  await configure(lab, `${rules}bastion_jwt_allowed_bastions = ${id}\n`)
  await lab.need('ob heartbeat --once')
}

/** %t, %k and %f of a new key that the portal vouches for here. */
export async function offeredHop(lab: Lab, user: string): Promise<readonly [string, string, string]> {
  const token = (await ask(lab, { user, target_host: 'here', target_group: 'here' }))['bastion_jwt'] ?? ''
  const key = await openHopKey(crypto.getRandomValues(new Uint8Array(32)))
  const parsed = parsePublicKey(await makeCarrier(key, { token, user, nonce: new Uint8Array(32) }))
  if ('problem' in parsed) throw new Error(parsed.problem)
  return [parsed.type, parsed.blob.toBase64(), parsed.fingerprint]
}
