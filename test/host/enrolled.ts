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

const configuration = (lab: Lab): string => `# openbastion.conf of a host in the lab
portal_url = ${lab.portalUrl}
ca_cert = /etc/open-bastion/portal-ca.pem
client_id = pam-access
client_secret = pamsecret
server_group = ${group}
create_user = true
timeout = 3
`

export async function configure(lab: Lab, extra = ''): Promise<void> {
  lab.write('/etc/open-bastion/openbastion.conf', configuration(lab) + extra, 0o600)
  lab.write('/etc/open-bastion/portal-ca.pem', lab.portalCa)
}

/** The portal's administrator gives the people their rights. */
export async function setRights(lab: Lab): Promise<void> {
  for (const user of people) await lab.portal('setUser', { user })
  await lab.portal('setRules', { group, ...rules })
}

export type Enrollment = { readonly code: number; readonly userCode: string; readonly output: string }

/** `ob enroll` on the host, approved by the portal's administrator as soon as the user code is shown. */
export async function enroll(lab: Lab): Promise<Enrollment> {
  const child = Bun.spawn(lab.space.command(['/usr/sbin/ob', 'enroll']), {
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

export const mintToken = async (lab: Lab, user: string): Promise<string> =>
  String(await lab.portal('mintToken', { user }))

/** What looks like a token and is none. */
export const inventedToken = (): string => Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('hex')
