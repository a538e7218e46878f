// What ob doctor looks at, in the order in which a login goes. Each check stands in the file of its subject.

import { Fault, orElse } from '../base/fault.ts'
import { bad, type Finding } from '../base/finding.ts'
import type { Parts } from '../base/world.ts'
import { type Config, hasPortal } from '../config/load.ts'
import type { Ports } from '../login/ports.ts'
import { judgeAccounts } from './accounts.ts'
import { judgeCached } from './cached.ts'
import { judgeChallenges } from './challenges.ts'
import { askPortal, judgeClockHere, judgeHeartbeats, judgePortal, judgeToken, type PortalAnswer } from './enrollment.ts'
import { judgeHops } from './hops.ts'
import { judgeConfiguration, judgeDirectories, judgeProgram } from './installation.ts'
import { judgeKeyFiles } from './key-files.ts'
import { judgeRevocations, judgeServiceAccounts } from './keys.ts'
import { judgeLockerSocket, judgePam } from './pam.ts'
import { judgeSecrets } from './secrets.ts'
import { judgeSshdHere, readSshd, type SshdAnswer } from './sshd.ts'
import { judgeUnits } from './units.ts'
import { judgeWebhooks } from './webhooks.ts'
import { judgeWeblogin } from './weblogin.ts'

export type DoctorWorld = Parts<
  | 'userId'
  | 'hostname'
  | 'files'
  | 'now'
  | 'monotonic'
  | 'timeout'
  | 'spawn'
  | 'fetch'
  | 'random'
  | 'keyring'
  | 'hostname'
  | 'stdout'
  | 'stderr'
  | 'syslog'
>

export type Host = {
  readonly world: DoctorWorld
  readonly config: Config
  readonly ports: Pick<Ports, 'portal' | 'accounts' | 'serviceAccounts'>
  readonly sshd: SshdAnswer
  readonly portal: PortalAnswer | undefined
}

type Check = {
  /** About this host and its portal: a host without one has nothing to look at. */
  readonly ofPortal?: true
  readonly name: string
  readonly run: (host: Host) => Promise<readonly Finding[]> | readonly Finding[]
}

const checks: readonly Check[] = [
  { name: 'directories', run: ({ world, config }) => judgeDirectories(world, config) },
  { name: 'token', ofPortal: true, run: ({ world, config }) => judgeToken(world, config) },
  { name: 'secrets', ofPortal: true, run: ({ world, config }) => judgeSecrets(world, config) },
  { name: 'cached', ofPortal: true, run: ({ world, config }) => judgeCached(world, config) },
  { name: 'portal', ofPortal: true, run: ({ config, portal }) => judgePortal(config, portal) },
  { name: 'heartbeat', ofPortal: true, run: ({ world, config, portal }) => judgeHeartbeats(world, config, portal) },
  { name: 'clock', ofPortal: true, run: ({ world, config, portal }) => judgeClockHere(world, config, portal) },
  { name: 'weblogin', run: ({ world, config }) => judgeWeblogin(world, config) },
  { name: 'accounts', run: ({ world, config, ports }) => judgeAccounts(world, config, ports) },
  { name: 'pam', run: ({ world, config, sshd }) => judgePam(world, config, sshd) },
  { name: 'lockers', run: ({ world, config }) => judgeLockerSocket(world, config) },
  { name: 'sshd', run: ({ world, sshd }) => judgeSshdHere(world, sshd) },
  { name: 'keys', run: ({ world, sshd }) => judgeKeyFiles(world, sshd) },
  { name: 'units', run: ({ world, config, sshd }) => judgeUnits(world, config, sshd) },
  { name: 'hops', run: ({ world, config, sshd }) => judgeHops(world, config, sshd) },
  { name: 'services', run: ({ config, ports }) => judgeServiceAccounts(config, ports) },
  { name: 'revocations', run: ({ world, config }) => judgeRevocations(world, config) },
  { name: 'challenges', run: ({ world, config }) => judgeChallenges(world, config) },
  { name: 'webhooks', run: ({ world, config }) => judgeWebhooks(world, config) },
]

export type Named = Finding & { readonly check: string }

/** Findings, the worst first. Without a configuration (`open` throws) there is only what needs none. */
export async function examine(
  world: DoctorWorld,
  open: () => Pick<Host, 'config' | 'ports'>,
): Promise<readonly Named[]> {
  if (world.userId !== 0)
    return [
      { check: 'program', ...bad(`this runs as uid ${world.userId}`, 'run it as root: it reads what a login reads') },
    ]
  const findings: Named[] = []
  // One cause is reported once, by the first check that meets it.
  const add = (check: string, found: readonly Finding[]): void => {
    for (const finding of found)
      if (!findings.some(({ message }) => message === finding.message)) findings.push({ check, ...finding })
  }
  const collect = async (check: string, run: () => ReturnType<Check['run']>): Promise<void> => {
    try {
      add(check, await run())
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      add(check, [bad(error.message, error.hint ?? 'mend that, then run ob doctor again')])
    }
  }
  await collect('program', () => judgeProgram(world))
  const opened = orElse<ReturnType<typeof open>, { readonly fault: Fault }>(open, (fault) => ({ fault }))
  if ('fault' in opened) findings.push({ check: 'configuration', ...withoutConfiguration(opened.fault) })
  else {
    await collect('configuration', () => judgeConfiguration(world))
    const { config, ports } = opened
    const host = {
      world,
      config,
      ports,
      sshd: await readSshd(world, await somebody(ports)),
      portal: await askPortal(world, ports),
    }
    for (const { name, ofPortal, run } of checks)
      if (!ofPortal || hasPortal(config)) await collect(name, () => run(host))
  }
  return findings.sort((a, b) => order.indexOf(a.verdict) - order.indexOf(b.verdict))
}

/** A user of the portal whom this host knows: what sshd does may hang on groups. */
const somebody = (ports: Host['ports']): Promise<string | undefined> =>
  orElse(
    async () => [...(await ports.accounts()).registry().users].find(([, { state }]) => state === 'active')?.[0],
    () => undefined,
  )

const order: readonly Finding['verdict'][] = ['open', 'shut', 'bad', 'note', 'good']

const withoutConfiguration = ({ message, hint }: Fault): Finding => ({
  verdict: 'shut',
  message,
  lets: 'everybody but root is refused',
  remedy: hint ?? 'mend that, then run ob doctor again',
})
