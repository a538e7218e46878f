// An enrolled host with a cast of people: what both the truth table and the demo start from.

import type { Lab } from './lab.ts'
import { environment } from './namespace.ts'

export const group = 'truth'

/** The group's rules: who may log in to the host, and who may sudo there. */
export const rules = {
  ssh: ['alice', 'bob', 'nina', 'nils', 'nora', 'localadm'],
  sudo: ['alice', 'localadm'],
} as const

/** Everybody the portal knows. dave is known and may not log in; ghost is missing on purpose. */
export const people = ['alice', 'bob', 'dave', 'nina', 'nils', 'nora', 'localadm'] as const

// The keyring of the kernel is the machine's: what a lab left there would stay for a day.
/** What these need of a host; one that systemd booted has it, too. */
export type HostOfPortal = Pick<Lab, 'space' | 'portal' | 'portalUrl' | 'portalCa' | 'write'>

const configuration = (lab: HostOfPortal): string => `# openbastion.conf of a host in the lab
portal_url = ${lab.portalUrl}
ca_cert = /etc/open-bastion/portal-ca.pem
client_id = pam-access
client_secret = pamsecret
server_group = ${group}
create_user = true
timeout = 3
secrets_use_keyring = false
`

export async function configure(lab: HostOfPortal, extra = ''): Promise<void> {
  lab.write('/etc/open-bastion/openbastion.conf', configuration(lab) + extra, 0o600)
  lab.write('/etc/open-bastion/portal-ca.pem', lab.portalCa)
}

/** The portal's administrator gives the people their rights. */
export async function setRights(lab: HostOfPortal): Promise<void> {
  for (const user of people) await lab.portal('setUser', { user })
  await lab.portal('setRules', { group, ...rules })
}

export type Enrollment = { readonly code: number; readonly userCode: string; readonly output: string }

/** `ob enroll` on the host, approved by the portal's administrator as soon as the user code is shown. */
export const enroll = (lab: HostOfPortal): Promise<Enrollment> => enrolling(lab, ['/usr/sbin/ob', 'enroll'])

/** A command that enrolls the host on its way. */
export async function enrolling(lab: HostOfPortal, argv: readonly string[]): Promise<Enrollment> {
  const child = Bun.spawn(lab.space.command(argv), {
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    env: environment({}),
    timeout: 60_000,
    killSignal: 'SIGKILL',
  })
  let output = ''
  let userCode = ''
  const watch = async (stream: ReadableStream<Uint8Array>) => {
    for await (const chunk of stream) {
      output += new TextDecoder().decode(chunk)
      // RFC 8628 §6.1: consonants only, in two groups.
      const shown = /\b[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}\b/.exec(output)?.[0]
      if (shown === undefined || userCode !== '') continue
      userCode = shown
      await lab.portal('approve', { user_code: userCode, user: 'dwho' })
    }
  }
  await Promise.all([watch(child.stdout), watch(child.stderr)])
  return { code: await child.exited, userCode, output }
}

export const mintToken = async (lab: HostOfPortal, user: string): Promise<string> =>
  String(await lab.portal('mintToken', { user }))

/** What looks like a token and is none. */
export const inventedToken = (): string => Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('hex')

/** The whole of it: configured, enrolled, alice, bob and dave with accounts, keys and certificates of every kind. */
export async function settleIn(lab: Lab, extra = ''): Promise<void> {
  await configure(lab, extra)
  await setRights(lab)
  const enrolled = await enroll(lab)
  if (enrolled.code !== 0) throw new Error(`ob enroll: ${enrolled.output}`)
  for (const user of ['alice', 'bob', 'dave']) await lab.need(`ob nss add ${user}`)
  // sudoers would let bob: what refuses him is the portal.
  lab.write('/etc/sudoers.d/lab', 'bob ALL=(ALL:ALL) ALL\n', 0o440)
  await lab.ssh({ user: 'alice', answers: [await mintToken(lab, 'alice')] })
  await lab.need(keys)
  await makeKnown(lab, 'alice-certified', 'alice')
  await makeKnown(lab, 'revoked', 'alice')
  await makeKnown(lab, 'bob-certified', 'bob')
  await makeKnown(lab, 'dave-certified', 'dave')
}

/** What an application that calls itself pam-user would hold for this user. */
export async function mintAccessToken(lab: Lab, user: string): Promise<string> {
  const grant = await lab.portal('enroll', { client_id: 'pam-user', user, scope: 'openid' })
  return (grant as { readonly access_token: string }).access_token
}

const keys = `set -e
  mkdir -p /root/keys && cd /root/keys
  new() { ssh-keygen -q -t ed25519 -N '' -C "$1" -f "$1"; }
  list() { new $1-listed; install -m 0644 $1-listed.pub /etc/open-bastion/authorized_keys.d/$1; }
  sign() { ssh-keygen -q -s "$1" -I "$2" -n "$3" -V "$4" "$2.pub"; }
  for user in alice bob dave; do list $user; new $user-certified; sign /root/authority $user-certified $user +1h; done
  for name in stranger self-made forgotten foreign expired revoked other-authority; do new $name; done
  sign /root/authority forgotten alice +1h
  sign other-authority foreign alice +1h
  sign /root/authority expired alice -2h:-1h
  sign /root/authority revoked alice +1h
  ssh-keygen -q -k -f /etc/ssh/revoked_keys revoked-cert.pub
  home=$(getent passwd alice | cut -d: -f6)
  install -d -o alice -g alice -m 0700 $home $home/.ssh
  install -o alice -g alice -m 0600 self-made.pub $home/.ssh/authorized_keys`

/** The portal signed this key. */
export async function makeKnown(lab: Lab, name: string, user: string): Promise<void> {
  const fingerprint = (await lab.need(`ssh-keygen -lf /root/keys/${name}.pub`)).split(' ')[1]
  await lab.portal('addFingerprint', { user, fingerprint })
}
