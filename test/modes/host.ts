// A host in memory: an enrolled fake world whose network is the stand-in portal.

import { mode } from '../../modes/pam/pam.ts'
import type { Ending } from '../../modes/run/mode.ts'
import { type FakeWorld, fakeWorld, type Options } from '../fakes/world.ts'
import { createPortal } from '../portal/portal.ts'

export const portalUrl = 'https://auth.example.test'

export const pem = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n'

export const configText = (extra = ''): string =>
  [
    `portal_url = ${portalUrl}`,
    'ca_cert = /etc/open-bastion/ca.pem',
    'client_id = pam-access',
    'client_secret = pamsecret',
    'server_group = backend',
    'create_user = true',
    extra,
    '',
  ].join('\n')

export type Host = {
  readonly portal: ReturnType<typeof createPortal>
  /** Runs one phase on this host's disk. */
  readonly phase: (type: string, env: Readonly<Record<string, string>>, stdin?: string) => Promise<Ran>
  readonly world: FakeWorld
  /** Fails every change of a path for which this gives a cause. */
  readonly break: (broken: (path: string) => string | undefined) => void
}

export type Ran = { readonly outcome: string; readonly said: string; readonly ending: Ending }

export async function enrolledHost(
  options: {
    readonly config?: string
    readonly files?: Readonly<Record<string, string>>
    /** Client id to group, as an administrator of the portal may map them. */
    readonly serverGroups?: Readonly<Record<string, string>>
  } = {},
): Promise<Host> {
  const { serverGroups } = options
  const portal = createPortal({ url: portalUrl, ...(serverGroups === undefined ? {} : { serverGroups }) })
  const tokens = await portal.control.enroll({})
  let broken: (path: string) => string | undefined = () => undefined
  const settings: Options = {
    files: {
      '/etc/open-bastion/openbastion.conf': configText(options.config),
      '/etc/open-bastion/ca.pem': pem,
      '/etc/machine-id': `${'0'.repeat(32)}\n`,
      '/etc/passwd': 'root:x:0:0:root:/root:/bin/bash\nadmin:x:1000:1000::/home/admin:/bin/bash\n',
      '/etc/group': 'root:x:0:\nshadow:x:42:\nsudo:x:27:\n',
      '/var/lib/open-bastion/token': JSON.stringify(tokens),
      ...options.files,
    },
    broken: (path) => broken(path),
    fetch: (request) => portal.handle(request),
  }
  const world = fakeWorld({ ...settings, now: Math.floor(Date.now() / 1000) })
  return {
    portal,
    world,
    break: (next) => {
      broken = next
    },
    phase: async (type, env, stdin = '') => {
      const pam = {
        PAM_TYPE: type,
        PAM_SERVICE: 'sshd',
        PAM_RHOST: '192.0.2.7',
        PAM_TTY: 'ssh',
        SSH_CONNECTION: '192.0.2.7 1 192.0.2.1 22',
      }
      const one: FakeWorld = {
        ...world,
        env: { ...pam, ...env },
        stdin: (limit) => new TextEncoder().encode(stdin).subarray(0, limit),
      }
      const ending = await mode.run([], one)
      const outcome = ending.kind === 'outcome' ? `${ending.outcome.kind} ${ending.outcome.reason}` : 'usage'
      return { outcome, said: ending.text ?? '', ending }
    },
  }
}
