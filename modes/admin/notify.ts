// Webhooks, for the administrator: try the receiver, deliver and list the events that wait.

import type { Waiting } from '../../src/audit/webhook-format.ts'
import {
  clearLost,
  deliver,
  drainSpool,
  newWaiting,
  openWebhookHttp,
  readSpool,
  type Spool,
  signsEvents,
} from '../../src/audit/webhooks.ts'
import { Fault } from '../../src/base/fault.ts'
import { allowed, denied } from '../../src/base/outcome.ts'
import type { World } from '../../src/base/world.ts'
import { type Config, loadConfig } from '../../src/config/load.ts'
import { parse } from '../run/args.ts'
import { type Ending, ended, type Mode, usage } from '../run/mode.ts'

export const syntax = {
  name: 'notify',
  summary:
    'Webhooks: test sends one event now and says what came back, deliver sends the events that wait, list shows them, clear forgets those that were put aside or dropped. ob heartbeat delivers too.',
  args: {
    verb: { type: 'positional', description: 'test, deliver, list or clear', required: true },
    json: { type: 'boolean', description: 'print JSON', default: false },
  },
} as const

export const mode: Mode = {
  run: async (args, world) => {
    const result = await parse(syntax, args)
    if ('ending' in result) return result.ending
    const { verb, json } = result.parsed
    const config = loadConfig(world.files)
    switch (verb) {
      case 'test':
        return test(world, config, json)
      case 'deliver':
        return deliverWaiting(world, config, json)
      case 'list':
        return list(readSpool(world), json)
      case 'clear': {
        const lost = clearLost(world)
        return ended(allowed('done'), print(json, { forgotten: lost }, `${lost} events forgotten`))
      }
      default:
        return usage(`"${verb.slice(0, 40)}" is not test, deliver, list or clear`)
    }
  },
}

const print = (json: boolean, value: object, text: string): string =>
  json ? `${JSON.stringify(value)}\n` : `${text}\n`

async function test(world: World, config: Config, json: boolean): Promise<Ending> {
  const waiting = newWaiting(world, {
    timestamp: world.now(),
    event_type: 'NOTIFY_TEST',
    correlation_id: '00000000-0000-8000-8000-000000000000',
    host: world.hostname(),
    result_code: 0,
    reason: 'done',
  })
  const { response, taken } = await deliver(world, config, openWebhookHttp(world, config), waiting)
  const signed = (await signsEvents(world, config)) ? 'signed' : 'not signed: notify_secret is not set'
  const text = `${hostOf(config)} ${taken ? 'took' : 'did not take'} a test event (${signed}): ${response}`
  const outcome = taken ? allowed('done') : denied('found-problems')
  return ended(outcome, print(json, { taken, said: response, nonce: waiting.nonce }, text))
}

/** Without its path, which may be a secret. */
const hostOf = ({ notify_url }: Config): string => (notify_url === undefined ? '' : new URL(notify_url).host)

async function deliverWaiting(world: World, config: Config, json: boolean): Promise<Ending> {
  if (!config.notify_enabled)
    throw new Fault('notify_enabled is not set, so no event is sent', { hint: 'set it, and notify_url' })
  const done = await drainSpool(world, config, openWebhookHttp(world, config))
  const { delivered, waiting, dead, problem } = done
  const aside = dead > 0 ? `, ${dead} put aside after a day of trying` : ''
  const why = problem === undefined ? '' : `\nlast problem: ${problem}`
  const outcome = problem === undefined ? allowed('done') : denied('found-problems')
  return ended(outcome, print(json, done, `${delivered} delivered, ${waiting} still wait${aside}${why}`))
}

function list({ waiting, dead, dropped }: Spool, json: boolean): Ending {
  const plain = ({ body, ...rest }: Waiting) => ({ ...rest, event: eventOf(body) })
  if (json) {
    const value = { waiting: waiting.map(plain), dead: dead.map(plain), dropped }
    return ended(allowed('done'), `${JSON.stringify(value)}\n`)
  }
  const row = (state: string) => (one: Waiting) =>
    [
      state,
      new Date(one.queuedAt * 1000).toISOString(),
      String(eventOf(one.body)['event_type'] ?? '?').padEnd(16),
      `${one.attempts} tries`,
      one.problem ?? '',
    ]
      .join('  ')
      .trimEnd()
      .replace(/[^ -~]/g, '?')
  const rows = [...waiting.map(row('waits')), ...dead.map(row('aside'))]
  const sums = `${waiting.length} wait, ${dead.length} were put aside, ${dropped} were dropped because too many waited`
  return ended(allowed('done'), `${[...rows, sums].join('\n')}\n`)
}

function eventOf(body: string): Readonly<Record<string, unknown>> {
  try {
    // Written by this program; shown only.
    return JSON.parse(body) as Record<string, unknown>
  } catch {
    return {}
  }
}
