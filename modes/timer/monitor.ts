// Revalidates the sessions that began while the portal was unreachable: once with --once, else every minute.

import { correlationId } from '../../src/audit/event-format.ts'
import { openAudit } from '../../src/audit/log.ts'
import { allowed } from '../../src/base/outcome.ts'
import { auditText } from '../../src/base/reason.ts'
import type { World } from '../../src/base/world.ts'
import { type Config, loadConfig } from '../../src/config/load.ts'
import { openPorts } from '../../src/login/ports.ts'
import { monitorRound, type RoundResult } from '../../src/offline/revalidate.ts'
import { openSessionControl } from '../../src/sessions/terminate.ts'
import { parse } from '../run/args.ts'
import { ended, type Mode } from '../run/mode.ts'

export const syntax = {
  name: 'monitor',
  summary: 'Ask the portal about sessions that began while it was away, and end those it does not allow.',
  args: {
    once: { type: 'boolean', description: 'one round, for a timer', default: false },
    json: { type: 'boolean', description: 'print one JSON object a round', default: false },
  },
} as const

const everySeconds = 60

export const mode: Mode = {
  run: async (args, world) => {
    const result = await parse(syntax, args)
    if ('ending' in result) return result.ending
    const { once, json } = result.parsed
    const interrupted = world.interrupted()
    do {
      const config = loadConfig(world.files)
      if (config.offline_revalidation_enabled) report(world, config, await round(world, config), json)
      if (!once) await world.sleep(everySeconds)
    } while (!once && !interrupted.aborted)
    return ended(allowed('done'))
  },
}

function round(world: World, config: Config): Promise<RoundResult> {
  const { portal, offline } = openPorts(world, config)
  return monitorRound(world, config, {
    control: openSessionControl(world),
    portal,
    forgetGrant: async (user) => (await offline()).forget(user),
  })
}

function report(world: World, config: Config, result: RoundResult, json: boolean): void {
  const audit = openAudit(world, config)
  for (const { user, verdict, reason } of result.users) {
    if (verdict === 'keep' || verdict === 'gone') continue
    audit.write({
      timestamp: world.now(),
      event_type: verdict === 'terminate' ? 'SECURITY_ERROR' : 'AUTHZ_SUCCESS',
      correlation_id: correlationId(world.connectionSeed()),
      host: world.hostname(),
      user,
      service: 'monitor',
      result_code: verdict === 'terminate' ? 4 : 0,
      reason,
      details: `${verdict === 'terminate' ? 'ended' : 'confirmed'} sessions that began offline; ${auditText(reason)}`,
      more: { phase: 'monitor', outcome: verdict === 'terminate' ? 'denied' : 'allowed' },
    })
  }
  if (json) world.stdout(`${JSON.stringify(result)}\n`)
  else for (const { user, verdict, reason } of result.users) world.stdout(`${user}: ${verdict} (${reason})\n`)
}
