// What is true on this host right now, for a screen or a script. Nothing is changed, and what cannot be read is said.

import { parseAuditLine } from '../audit/event-format.ts'
import { decodeUtf8 } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import { secondsLeft } from '../lockout/policy.ts'
import { parseLockoutState } from '../lockout/state-format.ts'
import type { Ports } from '../login/ports.ts'
import { currentSessions } from '../portal-client/host-report.ts'

export type AuditSnapshot = {
  readonly path: string
  readonly bytes: number
  readonly last: { readonly at: number; readonly event: string; readonly user: string } | undefined
}

export type SnapshotPorts = Pick<Ports, 'accounts' | 'offlineSessions'>

export type Snapshot = {
  readonly locked: number
  readonly accounts: number
  readonly audit: AuditSnapshot | undefined
  readonly sessions: number
  /** Answers of the portal that are kept, and users whose sessions began while it was unreachable. */
  readonly offline: { readonly kept: number; readonly users: number }
  /** What could not be found out, and why. */
  readonly problems: readonly string[]
}

export async function takeSnapshot(
  world: Parts<'now' | 'timeout' | 'files' | 'spawn'>,
  config: Config,
  ports: SnapshotPorts,
): Promise<Snapshot> {
  const problems: string[] = []
  const tried = async <T>(work: () => T | Promise<T>, otherwise: T): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      problems.push(error.message)
      return otherwise
    }
  }
  return {
    locked: await tried(() => lockedKeys(world, config), 0),
    accounts: await tried(() => activeAccounts(ports), 0),
    audit: await tried(() => auditSnapshot(world, config), undefined),
    sessions: await tried(async () => (await currentSessions(world)).length, 0),
    offline: await tried(() => offlineSnapshot(world, config, ports), { kept: 0, users: 0 }),
    problems,
  }
}

const offlineSnapshot = (
  world: Parts<'files'>,
  config: Config,
  { offlineSessions }: SnapshotPorts,
): Snapshot['offline'] => ({
  kept: (world.files.list(config.auth_cache_dir) ?? []).filter((name) => name.endsWith('.authcache')).length,
  users: offlineSessions.list().length,
})

function lockedKeys(world: Parts<'now' | 'files'>, config: Config): number {
  const directory = config.rate_limit_state_dir
  const names = (world.files.list(directory) ?? []).filter((name) => name.endsWith('.state'))
  return names.filter((name) => {
    const bytes = world.files.read(`${directory}/${name}`, 1024)
    return secondsLeft(bytes && parseLockoutState(decodeUtf8(bytes) ?? ''), world.now()) > 0
  }).length
}

async function activeAccounts({ accounts }: SnapshotPorts): Promise<number> {
  const { users } = (await accounts()).registry()
  return [...users.values()].filter(({ state }) => state === 'active').length
}

function auditSnapshot(world: Parts<'files'>, config: Config): AuditSnapshot | undefined {
  const path = config.audit_log_file
  const facts = config.audit_enabled ? world.files.stat(path) : undefined
  const end = facts && world.files.readEnd(path, 8192)
  if (!facts || !end) return undefined
  const lines = (decodeUtf8(end) ?? '').trimEnd().split('\n')
  const last = parseAuditLine(lines.at(-1) ?? '')
  return {
    path,
    bytes: facts.size,
    last: last && { at: last.timestamp, event: last.event_type, user: last.user ?? '' },
  }
}
