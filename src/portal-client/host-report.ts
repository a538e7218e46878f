// The report about this host in a heartbeat: how long it runs, who is logged in, which decisions were made since.
import { decodeBytewise, decodeUtf8 } from '../base/bytes.ts'
import { orElse } from '../base/fault.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import {
  parseLogindSessions,
  parseSessionIds,
  parseUtmp,
  type Session,
  sessionProperties,
} from '../sessions/list-format.ts'
import { countEvents, type Report, type Stats } from './heartbeat-format.ts'

/** How much of the audit log is counted: some 3000 decisions between two heartbeats. Bytes. */
const auditLimit = 1 << 20

export async function gatherReport(
  world: Parts<'now' | 'timeout' | 'files' | 'spawn'>,
  config: Config,
  since: number | undefined,
): Promise<Report> {
  const uptime = uptimeOf(world)
  const now = world.now()
  return {
    ...(uptime === undefined ? {} : { uptime: Math.floor(uptime) }),
    stats: countDecisions(world, config, since ?? now - (uptime ?? 0)),
    ...(config.report_sessions ? { sessions: await reportedSessions(world, config) } : {}),
  }
}

export function uptimeOf(world: Parts<'files'>): number | undefined {
  const bytes = world.files.read('/proc/uptime', 256)
  const seconds = Number.parseFloat((bytes && decodeUtf8(bytes)) ?? '')
  return seconds >= 0 ? seconds : undefined
}

function countDecisions(world: Parts<'now' | 'files'>, config: Config, since: number): Stats {
  return orElse(
    () => {
      const bytes = config.audit_enabled ? world.files.readEnd(config.audit_log_file, auditLimit) : undefined
      return bytes ? countEvents(decodeBytewise(bytes), since, world.now()) : {}
    },
    () => ({}),
  )
}

/** The newest ones when there are more than the portal should hear of. */
async function reportedSessions(
  world: Parts<'now' | 'timeout' | 'files' | 'spawn'>,
  config: Config,
): Promise<readonly Session[]> {
  const sessions = [...(await currentSessions(world))].sort((a, b) => (b.since ?? 0) - (a.since ?? 0))
  return sessions.slice(0, config.max_reported_sessions)
}

/** logind may hang where its bus does; then utmp has to do. Seconds. */
const sessionListTimeout = 5

export async function currentSessions(
  world: Parts<'now' | 'timeout' | 'files' | 'spawn'>,
): Promise<readonly Session[]> {
  const signal = world.timeout(sessionListTimeout)
  const late = new Promise<undefined>((resolve) => signal.addEventListener('abort', () => resolve(undefined)))
  return (await Promise.race([logindSessions(world), late])) ?? utmpSessions(world)
}

async function logindSessions(world: Parts<'now' | 'files' | 'spawn'>): Promise<readonly Session[] | undefined> {
  // sd_booted(3)
  if (!world.files.stat('/run/systemd/system')) return undefined
  const listed = await world.spawn(['loginctl', 'list-sessions', '--no-legend', '--no-pager'])
  if (listed.code !== 0) return undefined
  const ids = parseSessionIds(listed.stdout)
  if (ids.length === 0) return []
  const properties = sessionProperties.flatMap((name) => ['-p', name])
  // A session that ends between the two calls makes the second one fail after it printed the others.
  const { stdout } = await world.spawn(['loginctl', 'show-session', ...ids, ...properties, '--no-pager'])
  return parseLogindSessions(stdout, { now: world.now(), uptime: uptimeOf(world) ?? 0 })
}

function utmpSessions(world: Parts<'files'>): readonly Session[] {
  const bytes = world.files.read('/run/utmp', 4 << 20)
  // Records of sessions that ended badly stay behind; their process does not.
  return parseUtmp(bytes ?? new Uint8Array())
    .filter(({ pid }) => world.files.stat(`/proc/${pid}`) !== undefined)
    .map(({ user, from, tty, since }) => ({ user, from, tty, since }))
}
