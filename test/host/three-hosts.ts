// A client, a bastion and a backend: three machines with an sshd each, and wires between neighbours. The portal runs
// beside the bastion, at an address of its own; the backend has a way to it only while it is set up.
import { enroll, group, setRights } from './enrolled.ts'
import { type Lab, startLab } from './lab.ts'
import type { Ran, RunOptions } from './namespace.ts'
import { type Service, startServe } from './suite.ts'

export const addresses = {
  client: '10.71.0.1',
  bastion: '10.71.0.2',
  bastionInside: '10.72.0.1',
  backend: '10.72.0.2',
  backend6: 'fd72::2',
  portal: '10.79.0.1',
} as const

export type ThreeHosts = Awaited<ReturnType<typeof startThreeHosts>>

/** The process that holds a lab's namespaces, as this one sees it. */
const holderOf = (lab: Lab): string => /^\/proc\/(\d+)\//.exec(lab.space.outside('/'))![1]!

/** A cable between two machines: `N` is the third part of its network's address. */
async function wire(from: Lab, to: Lab, number: number): Promise<void> {
  const [here, there] = [`wire${number}a`, `wire${number}b`]
  // In the network of one machine, with the processes of this one: no cable ever lies outside.
  const argv = ['nsenter', `--net=/proc/${holderOf(from)}/ns/net`, 'ip', 'link', 'add', here, 'type', 'veth']
  const made = Bun.spawnSync([...argv, 'peer', 'name', there, 'netns', holderOf(to)], { stderr: 'pipe' })
  if (made.exitCode !== 0) throw new Error(`no cable: ${made.stderr}`)
  for (const [lab, name, end] of [
    [from, here, 1],
    [to, there, 2],
  ] as const)
    await lab.need(
      `ip addr add 10.${number}.0.${end}/24 dev ${name}; ip addr add fd${number}::${end}/64 dev ${name} nodad; ip link set ${name} up`,
    )
}

const configuration = (portal: Lab, extra: string): string => `portal_url = ${portal.portalUrl}
ca_cert = /etc/open-bastion/portal-ca.pem
client_id = pam-access
client_secret = pamsecret
create_user = true
timeout = 3
secrets_use_keyring = false
${extra}`

export async function startThreeHosts() {
  const bastion = await startLab({ portalAddress: '0.0.0.0' })
  const backend = await startLab({ portal: false, stack: 'c' })
  const client = await startLab({ portal: false })
  const labs = [client, bastion, backend]
  const configure = (lab: Lab, extra: string) =>
    lab.write('/etc/open-bastion/openbastion.conf', configuration(bastion, extra), 0o600)
  const asEnrolled = { ...backend, portal: bastion.portal }
  const route = (there: boolean) =>
    backend.need(`ip route ${there ? 'add' : 'del'} ${addresses.portal} via ${addresses.bastionInside}`)

  await wire(client, bastion, 71)
  await wire(bastion, backend, 72)
  await bastion.need(`ip addr add ${addresses.portal}/32 dev lo; echo bastion > /proc/sys/kernel/hostname`)
  await backend.need('echo backend > /proc/sys/kernel/hostname')
  backend.write('/etc/hosts', `127.0.0.1 localhost backend\n${addresses.portal} auth.example.test\n`)
  bastion.write(
    '/etc/hosts',
    `127.0.0.1 localhost bastion auth.example.test\n${addresses.backend} backend db1\n${addresses.backend6} backend6\n`,
  )
  client.write('/etc/hosts', `127.0.0.1 localhost\n${addresses.bastion} bastion\n`)
  for (const lab of labs) {
    lab.write('/etc/open-bastion/portal-ca.pem', bastion.portalCa)
    const known = (names: string, other: Lab) => `${names} ${other.text('/etc/ssh/ssh_host_ed25519_key.pub')}`
    const names = `backend,db1,backend6,${addresses.backend},${addresses.backend6}`
    lab.write('/etc/ssh/ssh_known_hosts', known(names, backend) + known(`bastion,${addresses.bastion}`, bastion))
  }
  await setRights(bastion)
  // The machine's is shared with it.
  await bastion.need('mount -t tmpfs -o mode=1777 lab /dev/shm')

  // As docs/bastion.md says it: first the bastion, whose id the backend needs.
  const bastionKeys = 'server_group = bastion\nnode_role = bastion\nserve_hops = true\n'
  const configureBastion = (extra = '') => configure(bastion, `${bastionKeys}hop_target_group = ${group}\n${extra}`)
  configureBastion()
  if ((await enroll(bastion)).code !== 0) throw new Error('the bastion cannot be enrolled')
  const bastionId = String(JSON.parse((await bastion.run('ob status --json')).stdout).bastion_id)

  const backendKeys = `server_group = ${group}\nbastion_jwt_target_names = backend, db1, backend6, ${addresses.backend}, ${addresses.backend6}\n`
  const configureBackend = (extra = '', allowed = bastionId) =>
    configure(backend, `${backendKeys}bastion_jwt_allowed_bastions = ${allowed}\n${extra}`)
  await route(true)
  configureBackend()
  if ((await enroll(asEnrolled)).code !== 0) throw new Error('the backend cannot be enrolled')
  await backend.need('ob heartbeat --once')
  for (const user of ['alice', 'bob']) await backend.need(`ob nss add ${user}`)
  const served: Service = await startServe(bastion, '/run/open-bastion/hop')

  /** Rules reach sshd's helpers with the next login or heartbeat; here nobody waits for one. */
  const publish = async () => {
    await backend.run('ob heartbeat --once')
  }
  return {
    client,
    bastion,
    backend,
    bastionId,
    configureBackend,
    configureBastion,
    publish,
    route,
    served,
    /** A command of somebody who is logged in to the bastion. */
    onBastion: (command: string | readonly string[], options: RunOptions = {}): Promise<Ran> =>
      bastion.run(command, { user: 'alice', ...options }),
    stop: async () => {
      for (const lab of labs) await lab.stop()
    },
  }
}
