// A lab whose host is a certificate authority too, with the files that an administrator would install.
import { group, mintToken, rules, settleIn } from './enrolled.ts'
import type { Lab, Ssh } from './lab.ts'
import type { Ran } from './namespace.ts'

export const settings = `ca_user = ca
ca_name = ca.example.test
service_map = ssh-ca=ssh
fingerprint_binding = never
functional_accounts = login
`

/** The account that turns into people, without sshd's part of it. */
export const placeFunctional = (repository: string) => `set -e
  cd ${repository}
  install -m 0755 packaging/functional/ob-shell /usr/sbin/ob-shell
  install -m 0440 packaging/sudoers/open-bastion-functional /etc/sudoers.d/open-bastion-functional
  install -m 0644 pam.d/open-bastion-switch /etc/pam.d/open-bastion-switch
  visudo -cq
  useradd --system --home-dir / --shell /usr/sbin/ob-shell login`

const place = (repository: string) => `${placeFunctional(repository)}
  install -m 0644 packaging/ssh/certificate-authority.conf /etc/ssh/sshd_config.d/01-open-bastion-ca.conf
  install -m 0644 packaging/ssh/functional.conf /etc/ssh/sshd_config.d/02-open-bastion-functional.conf
  ob ca init > /dev/null
  install -d -o open-bastion-ca -g open-bastion-ca -m 0700 /run/open-bastion-ca
  cat /etc/open-bastion/ca/user_ca.pub >> /etc/ssh/open-bastion_ca.pub`

const asAgent = 'setpriv --reuid=open-bastion-ca --regid=open-bastion-ca --clear-groups'
const socket = '/run/open-bastion-ca/agent'

/** The agent, as the unit runs it, with the keys that ob ca init made. */
export async function startAgent(lab: Lab): Promise<void> {
  await lab.need(`${asAgent} ssh-agent -a ${socket} >/dev/null`)
  await lab.need('ob ca init')
}

export const stopAgent = (lab: Lab): Promise<string> =>
  lab.need(`pkill -x -u open-bastion-ca ssh-agent; rm -f ${socket}`)

export async function settleAuthority(lab: Lab, extra = ''): Promise<void> {
  await settleIn(lab, settings + extra)
  await becomeAuthority(lab)
}

/** Puts the files of the authority in place, on a host that is configured and enrolled. */
export async function becomeAuthority(lab: Lab): Promise<void> {
  await lab.need(place(lab.space.repository))
  await startAgent(lab)
  await lab.setStack('e')
}

/** A person's own key, made where ssh(1) looks for nothing by itself. */
export const newKey = (lab: Lab, name: string, how = '-t ed25519'): Promise<string> =>
  lab.need(`ssh-keygen -q ${how} -N '' -C ${name} -f /root/keys/${name}`)

const quiet =
  '-F none -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR'

/** `ssh ca@host COMMAND` with this key, as a person types it. */
export const askAuthority = (lab: Lab, key: string, command: string, more = ''): Promise<Ran> =>
  lab.run(`ssh ${quiet} -o CertificateFile=none -o BatchMode=yes -i /root/keys/${key} ${more} ca@127.0.0.1 ${command}`)

/** The certificate of this key for this person, kept beside the key. */
export async function certify(lab: Lab, key: string, user: string): Promise<Ran> {
  const ran = await askAuthority(lab, key, `token ${await mintToken(lab, user)}`)
  if (ran.code === 0) lab.write(`/root/keys/${key}-cert.pub`, ran.stdout)
  return ran
}

export const logIn = (lab: Lab, user: string, key: string, command?: string): Promise<Ssh> =>
  lab.ssh({ user, key: `/root/keys/${key}`, ...(command === undefined ? {} : { command }) })

/** The portal lets these people in besides the usual ones. */
export async function admit(lab: Lab, ...users: readonly string[]): Promise<void> {
  for (const user of users) await lab.portal('setUser', { user })
  await lab.portal('setRules', { group, ...rules, ssh: [...rules.ssh, ...users] })
}
