// The portal's revocation list: fetched for sshd by a timer, and looked at by the administrator.

import { correlationId } from '../../src/audit/event-format.ts'
import { openAudit } from '../../src/audit/log.ts'
import { allowed, denied, type Outcome } from '../../src/base/outcome.ts'
import { paths } from '../../src/base/paths.ts'
import type { World } from '../../src/base/world.ts'
import { type Config, loadConfig } from '../../src/config/load.ts'
import { noAnswer } from '../../src/portal-client/no-answer.ts'
import { describeList, isStale, type KrlState, type KrlUpdate, readKrl, updateKrl } from '../../src/revocation/krl.ts'
import { parse } from '../run/args.ts'
import { type Ending, ended, type Mode, usage } from '../run/mode.ts'

export const syntax = {
  name: 'krl',
  summary:
    'The revocation list of the portal, which sshd reads (RevokedKeys): update fetches it and puts it in place when it is whole and no older than the present one; status says what is there and how old it is.',
  args: {
    verb: { type: 'positional', description: 'update or status', required: true },
    'allow-empty': {
      type: 'boolean',
      description: 'let an empty list take the place of one that revokes something',
      default: false,
    },
    json: { type: 'boolean', description: 'print JSON', default: false },
  },
} as const

export const mode: Mode = {
  run: async (args, world) => {
    const result = await parse(syntax, args)
    if ('ending' in result) return result.ending
    const { verb, json } = result.parsed
    if (verb !== 'update' && verb !== 'status') return usage(`"${verb.slice(0, 40)}" is not update or status`)
    const config = loadConfig(world.files)
    if (verb === 'status') return status(world, config, json)
    return update(world, config, { allowEmpty: result.parsed['allow-empty'], json })
  },
}

function status(world: World, config: Config, json: boolean): Ending {
  const state = readKrl(world)
  const stale = isStale(state, config.krl_max_age)
  const outcome = stale || state.kind !== 'list' ? denied('found-problems') : allowed('done')
  if (!json) return ended(outcome, `${describe(state)}${stale ? ', too old for krl_max_age' : ''}\n`)
  const { kind } = state
  const list = state.kind === 'list' ? { ...state.list, version: String(state.list.version) } : undefined
  const age = state.kind === 'list' ? state.ageSeconds : undefined
  return ended(outcome, `${JSON.stringify({ path: paths.revokedKeys, kind, list, age_seconds: age, stale })}\n`)
}

function describe(state: KrlState): string {
  switch (state.kind) {
    case 'absent':
      return `${paths.revokedKeys} does not exist`
    case 'damaged':
      return `${paths.revokedKeys} is no revocation list: ${state.problem}`
    case 'list':
      return `${paths.revokedKeys}: ${describeList(state.list)}, fetched ${Math.floor(state.ageSeconds / 60)} min ago`
  }
}

type Wish = { readonly allowEmpty: boolean; readonly json: boolean }

async function update(world: World, config: Config, { allowEmpty, json }: Wish): Promise<Ending> {
  const done = await updateKrl(world, config, allowEmpty)
  const outcome = outcomeOf(done)
  const stale = done.kind !== 'written' && isStale(readKrl(world), config.krl_max_age)
  // The timer runs often; an unchanged list needs no line.
  if (done.kind !== 'written' || done.changed) report(world, config, outcome, done.detail)
  if (stale) report(world, config, denied('krl-stale'), 'certificates are refused until it is fetched')
  const text = done.kind === 'written' ? `${paths.revokedKeys}: ${done.detail}` : done.detail
  return ended(outcome, json ? `${JSON.stringify({ ...done, stale })}\n` : `${text}\n`)
}

function outcomeOf(done: KrlUpdate): Outcome {
  switch (done.kind) {
    case 'written':
      return allowed('krl-written')
    case 'refused':
      return denied('krl-refused')
    default:
      return noAnswer(done)
  }
}

function eventOf({ kind, reason }: Outcome): string {
  if (kind === 'allowed') return 'KRL_UPDATED'
  return reason === 'krl-refused' || reason === 'krl-stale' ? 'SECURITY_ERROR' : 'SERVER_ERROR'
}

const report = (world: World, config: Config, outcome: Outcome, details: string): void =>
  void openAudit(world, config).write({
    timestamp: world.now(),
    event_type: eventOf(outcome),
    correlation_id: correlationId(world.connectionSeed()),
    host: world.hostname(),
    result_code: outcome.kind === 'allowed' ? 0 : 4,
    reason: outcome.reason,
    details,
    more: { outcome: outcome.kind },
  })
