// `ob` alone at a terminal: where this host is, and what comes next. It asks nobody, so it answers at once.

import { parseAuditLine } from '../../src/audit/event-format.ts'
import { decodeBytewise } from '../../src/base/bytes.ts'
import { Fault, orElse } from '../../src/base/fault.ts'
import { denied } from '../../src/base/outcome.ts'
import type { World } from '../../src/base/world.ts'
import { type Config, hasPortal, loadConfig } from '../../src/config/load.ts'
import { programVersion } from '../../src/portal-client/endpoints.ts'
import { readHeartbeat } from '../../src/portal-client/heartbeat.ts'
import { isHostRefused } from '../../src/portal-client/host-refusal.ts'
import { readJournal } from '../../src/setup/journal.ts'
import { formatOverview, type HostState, overviewOf } from '../../src/setup/overview-policy.ts'
import { setupPaths } from '../../src/setup/plan-policy.ts'
import { confirmingLogin } from '../../src/setup/switch.ts'
import { ended, type Mode } from '../run/mode.ts'

export const mode: Mode = {
  run: async (_, world) => {
    const columns = world.terminal?.columns ?? 80
    // Never 0: without PAM_TYPE nothing was decided, and nobody may take that for a yes.
    return ended(denied('gave-up'), formatOverview(overviewOf(stateOf(world)), columns))
  },
}

function stateOf(world: World): HostState {
  const isRoot = world.userId === 0
  const about = { host: world.hostname(), version: programVersion, isRoot }
  const unknown = { setUp: undefined, configuration: undefined, isEnrolled: false, isRefused: false }
  if (!isRoot) return { ...about, ...unknown, beat: undefined, last: undefined }
  const now = world.now()
  const journal = orElse(
    () => readJournal(world),
    () => undefined,
  )
  const config = world.files.stat(setupPaths.configuration)
    ? orElse(
        () => loadConfig(world.files),
        (fault) => fault,
      )
    : undefined
  const beat = orElse(
    () => readHeartbeat(world),
    () => undefined,
  )
  return {
    ...about,
    setUp: journal && {
      state: journal.state,
      mode: journal.mode,
      secondsLeft: journal.revertAt - now,
      confirmedBy: config && !(config instanceof Fault) ? confirmingLogin(world, config, journal) : undefined,
    },
    configuration: config && describe(config),
    isEnrolled: config !== undefined && !(config instanceof Fault) && hasToken(world, config),
    isRefused: isHostRefused(world),
    beat: beat && { result: beat.result, secondsAgo: now - beat.at },
    last: config && !(config instanceof Fault) ? lastOf(world, config) : undefined,
  }
}

const describe = (config: Config | Fault): HostState['configuration'] =>
  config instanceof Fault
    ? { kind: 'broken', problem: config.message }
    : { kind: 'read', portal: hasPortal(config) ? new URL(config.portal_url).host : undefined }

const hasToken = (world: World, { server_token_file }: Config): boolean =>
  world.files.stat(server_token_file) !== undefined

const searched = 16_384

function lastOf(world: World, { audit_log_file }: Config): HostState['last'] {
  const bytes = world.files.readEnd(audit_log_file, searched)
  const lines = bytes ? decodeBytewise(bytes).split('\n') : []
  for (const line of lines.reverse()) {
    const event = parseAuditLine(line)
    if (event?.user === undefined) continue
    const secondsAgo = world.now() - event.timestamp
    return { user: event.user, isIn: event.result_code === 0, secondsAgo }
  }
  return undefined
}
