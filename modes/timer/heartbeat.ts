// Run by a timer: renews the server token before it expires, and reports the state of this host to the portal.

import { drainAside } from '../../src/audit/webhooks.ts'
import { allowed, denied, type Outcome, unavailable } from '../../src/base/outcome.ts'
import { remedyFor } from '../../src/base/remedy.ts'
import { duration } from '../../src/base/text.ts'
import type { World } from '../../src/base/world.ts'
import { tendHops } from '../../src/bastion/upkeep.ts'
import { type Config, loadConfig } from '../../src/config/load.ts'
import { openPorts } from '../../src/login/ports.ts'
import { tidy } from '../../src/login/tidy.ts'
import { heartbeatBody } from '../../src/portal-client/endpoints.ts'
import { lapsesSoon, refreshLeft } from '../../src/portal-client/enrollment-policy.ts'
import { type Beat, beat, readHeartbeat } from '../../src/portal-client/heartbeat.ts'
import { gatherReport } from '../../src/portal-client/host-report.ts'
import { readTokenFile } from '../../src/portal-client/token-file.ts'
import { parse } from '../run/args.ts'
import { type Ending, ended, type Mode } from '../run/mode.ts'

export const syntax = {
  name: 'heartbeat',
  summary:
    'Renew the server token and tell the portal about this host, when that is due. Ends with 0 when all is well, 1 when the portal would soon forget this host, 70 when the host must be enrolled again or is broken, 75 when the portal gave no answer.',
  args: {
    once: { type: 'boolean', description: 'now, also when the portal does not expect it yet', default: false },
    json: { type: 'boolean', description: 'print JSON', default: false },
    'dry-run': { type: 'boolean', description: 'print what would be sent, and send nothing', default: false },
  },
} as const

export const mode: Mode = {
  run: async (args, world) => {
    const result = await parse(syntax, args)
    if ('ending' in result) return result.ending
    const { once, json } = result.parsed
    const config = loadConfig(world.files)
    if (result.parsed['dry-run']) return rehearse(world, config)
    const gather = (since: number | undefined) => gatherReport(world, config, since)
    const ports = openPorts(world, config)
    try {
      const done = await beat({ world, config }, ports.portal.heartbeat, { force: once, gather })
      return conclude(world, config, done, json)
    } finally {
      // Events about a broken portal must leave this host too.
      if (config.notify_enabled) await drainAside(world, config)
      for (const problem of [...tidy(ports), ...(await tendHops(world, config, once))]) world.syslog('warning', problem)
      if (config.host_certificate_from !== undefined) await renew(world, config)
    }
  },
}

async function renew(world: World, config: Config): Promise<void> {
  const { renewHostCertificate } = await import('../../src/ca/host-renewal.ts')
  const problem = await renewHostCertificate(world, config)
  if (problem !== undefined) world.syslog('warning', problem)
}

async function rehearse(world: World, config: Config): Promise<Ending> {
  const { refreshToken } = readTokenFile(world, config.server_token_file)
  const report = await gatherReport(world, config, readHeartbeat(world)?.reportedAt)
  // A Secret prints as [secret].
  const body = heartbeatBody(world, config, refreshToken ?? '', report)
  return ended(allowed('done'), `${JSON.stringify(body, null, 2)}\n`)
}

function conclude(world: World, config: Config, done: Beat, json: boolean): Ending {
  const now = world.now()
  const state = readHeartbeat(world)
  const left = refreshLeft(state, readTokenFile(world, config.server_token_file), now)
  const soon = lapsesSoon(left)
  const outcome = outcomeOf(done, soon)
  const due = state?.next === undefined ? undefined : Math.max(0, Math.round(state.next - now))
  if (json) {
    const facts = { kind: done.kind, ...('detail' in done ? { detail: done.detail } : {}), due_in: due }
    return ended(outcome, `${JSON.stringify({ ...facts, refresh_token_left: left, state })}\n`)
  }
  const warning = soon ? `\nthe portal forgets this host in ${duration(left ?? 0)} unless it hears of it` : ''
  return ended(outcome, `${sentence(done, due)}${warning}\n`)
}

function outcomeOf(done: Beat, soon: boolean): Outcome {
  switch (done.kind) {
    case 'refuses-host':
      return unavailable('portal-refuses-host')
    case 'unsaved':
      return unavailable('fault')
    case 'unreachable':
      return soon ? denied('found-problems') : unavailable('portal-unreachable')
    case 'out-of-order':
      return soon ? denied('found-problems') : unavailable('portal-out-of-order')
    case 'garbled':
      return soon ? denied('found-problems') : unavailable('portal-garbled')
    case 'not-due':
    case 'sent':
    case 'shared':
      return soon ? denied('found-problems') : allowed('done')
  }
}

function sentence(done: Beat, due: number | undefined): string {
  const next = due === undefined ? '' : `; the next is due in ${duration(due)}`
  switch (done.kind) {
    case 'sent':
      return `heartbeat sent, server token renewed${next}`
    case 'shared':
      return `another process sent a heartbeat just now${next}`
    case 'not-due':
      return `no heartbeat is due${next}`
    case 'unsaved':
      return `the server token was renewed but could not be saved: ${done.detail}`
    case 'unreachable':
    case 'out-of-order':
    case 'garbled':
      return done.detail
    case 'refuses-host':
      return `${done.detail}\n→ ${remedyFor('portal-refuses-host', done.detail)}`
  }
}
