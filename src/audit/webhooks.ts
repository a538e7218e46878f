// Tells a webhook what happened. A login only leaves a small file; `ob notify deliver` sends it later and as often as
// it takes, so a receiver may get an event twice and knows it by X-Nonce.
import { decodeUtf8 } from '../base/bytes.ts'
import { Fault, orElse } from '../base/fault.ts'
import { paths } from '../base/paths.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import { type Http, openHttp } from '../portal-client/http.ts'
import { makeNonce } from '../portal-client/request-signature.ts'
import { secretFor } from '../secrets/resolve.ts'
import type { AuditEvent } from './event-format.ts'
import {
  formatWaiting,
  formatWebhookBody,
  nonceOf,
  parseWaiting,
  type Waiting,
  waitingFileName,
  webhookHeaders,
} from './webhook-format.ts'

/** Files that wait at most; each is at most 4 KiB, so the spool is at most 4 MiB. */
export const mostWaiting = 1000
/** After a day without success an event is put aside. Seconds. */
const givenUpAfter = 86_400
/** The longest time of one drain; the next drain sends the rest. Seconds. */
const longestDrain = 30

const dead = `${paths.notify}/dead`
const droppedFile = `${paths.notify}/dropped`
const spoolLock = `${paths.notify}/.lock`
const drainLock = `${paths.notify}/.drain`

export type Drained = {
  readonly delivered: number
  readonly waiting: number
  /** Put aside now. */
  readonly dead: number
  /** The last thing that went wrong. */
  readonly problem: string | undefined
}

export const signsEvents = async (world: Parts<'random' | 'files' | 'keyring'>, config: Config): Promise<boolean> =>
  (await secretFor(world, config, 'notify_secret')) !== undefined

/** Leaves the event for the webhook. A failure is written to syslog and changes no verdict. */
export async function queueForWebhook(
  world: Parts<'now' | 'random' | 'files' | 'syslog'>,
  event: AuditEvent,
): Promise<void> {
  await orElse(
    () => queueEvent(world, event),
    (fault) => void world.syslog('err', fault.message),
  )
}

/** An event is written in milliseconds. */
const waitSeconds = 1

/** Leaves the event for the next drain. Never waits for the network; the oldest makes room. */
export async function queueEvent(world: Parts<'now' | 'random' | 'files'>, event: AuditEvent): Promise<void> {
  const waiting = newWaiting(world, event)
  world.files.makeDirectory(paths.notify, 0o700)
  const put = (): void => {
    makeRoom(world, paths.notify)
    write(world, paths.notify, waiting)
  }
  // A holder that is stopped must not stop all others: two at once leave one event too many, no more.
  await orElse(
    () => world.files.withLock(spoolLock, put, waitSeconds),
    (fault) => {
      if (fault.kind !== 'busy') throw fault
      put()
    },
  )
}

export function newWaiting(world: Parts<'now' | 'random'>, event: AuditEvent): Waiting {
  const now = world.now()
  const nonce = makeNonce(Math.floor(now * 1000), world.random(16))
  return { nonce, body: formatWebhookBody(event), queuedAt: now, attempts: 0, notBefore: 0 }
}

const write = (world: Parts<'files'>, directory: string, waiting: Waiting): void =>
  world.files.writeAtomic(`${directory}/${waitingFileName(waiting.nonce)}`, formatWaiting(waiting), { mode: 0o600 })

const namesIn = (world: Parts<'files'>, directory: string): readonly string[] =>
  (world.files.list(directory) ?? []).filter((name) => nonceOf(name) !== undefined).toSorted()

function makeRoom(world: Parts<'files'>, directory: string): void {
  const names = namesIn(world, directory)
  const surplus = names.slice(0, Math.max(0, names.length - mostWaiting + 1))
  for (const name of surplus) world.files.remove(`${directory}/${name}`)
  if (surplus.length > 0)
    world.files.writeAtomic(droppedFile, `${droppedCount(world) + surplus.length}\n`, { mode: 0o600 })
}

/** How many events were dropped because too many waited. */
export function droppedCount(world: Parts<'files'>): number {
  const bytes = world.files.read(droppedFile, 64)
  const count = Number((bytes && decodeUtf8(bytes))?.trim() ?? 0)
  return Number.isSafeInteger(count) && count > 0 ? count : 0
}

export type Spool = {
  readonly waiting: readonly Waiting[]
  readonly dead: readonly Waiting[]
  readonly dropped: number
}

/** The events that wait and the events that were given up, oldest first. */
export const readSpool = (world: Parts<'files'>): Spool => ({
  waiting: readAll(world, paths.notify),
  dead: readAll(world, dead),
  dropped: droppedCount(world),
})

/** Forgets the events that were given up and the count of dropped events. Returns their number. */
export function clearLost(world: Parts<'files'>): number {
  const names = namesIn(world, dead)
  const lost = names.length + droppedCount(world)
  for (const name of names) world.files.remove(`${dead}/${name}`)
  world.files.remove(droppedFile)
  return lost
}

const readAll = (world: Parts<'files'>, directory: string): readonly Waiting[] =>
  namesIn(world, directory).flatMap((name) => readOne(world, `${directory}/${name}`) ?? [])

function readOne(world: Parts<'files'>, path: string): Waiting | undefined {
  const bytes = world.files.readTrusted(path, { limit: 8192, secret: true })
  return bytes && parseWaiting(decodeUtf8(bytes) ?? '')
}

/** The way to notify_url: its own authorities, no pins, no proxy. */
export const openWebhookHttp = (world: Parts<'timeout' | 'fetch' | 'files'>, config: Config): Http =>
  openHttp(world, {
    ca_cert: config.notify_ca_cert,
    min_tls_version: config.min_tls_version,
    cert_pin: [],
    proxy: undefined,
    timeout: config.timeout,
    peer: { name: 'the webhook', hint: 'check notify_url and notify_ca_cert', caKey: 'notify_ca_cert' },
  })

/** `hopeless`: the receiver did not answer, so another event would fail too. */
export type Attempt = { readonly response: string; readonly taken: boolean; readonly hopeless: boolean }

/** Sends one event now; the answer of the receiver is returned. */
export async function deliver(
  world: Parts<'now' | 'random' | 'files' | 'keyring'>,
  config: Config,
  http: Http,
  waiting: Waiting,
): Promise<Attempt> {
  const { nonce, body } = waiting
  if (config.notify_url === undefined)
    throw new Fault('notify_url is not set', { hint: 'set notify_enabled and notify_url in openbastion.conf' })
  const secret = await secretFor(world, config, 'notify_secret')
  const headers = webhookHeaders({ secret: secret?.expose(), body, nonce, seconds: world.now() })
  const answer = await http({ method: 'POST', url: config.notify_url, headers, body, binary: true })
  if (answer.kind !== 'answer')
    return { response: answer.detail, taken: false, hopeless: answer.kind === 'unreachable' }
  return { response: `HTTP ${answer.status}`, taken: answer.status >= 200 && answer.status < 300, hopeless: false }
}

/**
 * Delivers the events that are due, oldest first; one drain at a time. It ends at the first receiver that cannot be
 * reached.
 */
export async function drainSpool(
  world: Parts<'now' | 'monotonic' | 'random' | 'deadline' | 'files' | 'keyring'>,
  config: Config,
  http: Http,
): Promise<Drained> {
  const idle: Drained = { delivered: 0, waiting: 0, dead: 0, problem: undefined }
  if (!config.notify_enabled || !world.files.stat(paths.notify)) return idle
  return world.files.withLock(drainLock, () => drain(world, config, http))
}

/** As drainSpool, for a mode that has more important things to do: problems go to syslog. */
export async function drainAside(
  world: Parts<'now' | 'monotonic' | 'random' | 'deadline' | 'timeout' | 'fetch' | 'files' | 'keyring' | 'syslog'>,
  config: Config,
): Promise<void> {
  await orElse(
    async () => {
      const { problem } = await drainSpool(world, config, openWebhookHttp(world, config))
      if (problem !== undefined) world.syslog('warning', `events wait: ${problem}`)
    },
    (fault) => void world.syslog('err', `events wait: ${fault.message}`),
  )
}

async function drain(
  world: Parts<'now' | 'monotonic' | 'random' | 'deadline' | 'files' | 'keyring'>,
  config: Config,
  http: Http,
): Promise<Drained> {
  const until = world.monotonic() + longestDrain * 1000
  const total = { delivered: 0, dead: 0 }
  let problem: string | undefined
  sweep(world)
  for (const name of namesIn(world, paths.notify)) {
    if (world.deadline.aborted || world.monotonic() > until) break
    const path = `${paths.notify}/${name}`
    const waiting = readOne(world, path)
    if (!waiting) {
      world.files.remove(path)
      continue
    }
    if (waiting.notBefore > world.now() && waiting.notBefore - world.now() <= longestPause) continue
    const attempt = await tryOnce(world, config, http, waiting)
    if (attempt.taken) {
      world.files.remove(path)
      total.delivered++
      continue
    }
    problem = attempt.response
    if (postpone(world, waiting, attempt.response) === 'dead') total.dead++
    if (attempt.hopeless) break
  }
  return { ...total, waiting: namesIn(world, paths.notify).length, problem }
}

async function tryOnce(
  world: Parts<'now' | 'random' | 'files' | 'keyring'>,
  config: Config,
  http: Http,
  waiting: Waiting,
): Promise<Attempt> {
  return orElse(
    () => deliver(world, config, http, waiting),
    // A refused certificate must not end the heartbeat that drains the spool.
    (fault) => ({ response: fault.message, taken: false, hopeless: true }),
  )
}

const longestPause = 3600

/** Later each time, from half a minute to an hour; after a day it is put aside. */
function postpone(world: Parts<'now' | 'files'>, waiting: Waiting, response: string): 'waiting' | 'dead' {
  const now = world.now()
  const attempts = waiting.attempts + 1
  const pause = Math.min(longestPause, 30 * 2 ** Math.min(attempts - 1, 10))
  const next: Waiting = { ...waiting, attempts, notBefore: now + pause, problem: response.slice(0, 300) }
  if (Math.abs(now - waiting.queuedAt) < givenUpAfter) {
    write(world, paths.notify, next)
    return 'waiting'
  }
  world.files.makeDirectory(dead, 0o700)
  const names = namesIn(world, dead)
  for (const name of names.slice(0, Math.max(0, names.length - mostWaiting + 1))) world.files.remove(`${dead}/${name}`)
  write(world, dead, next)
  world.files.remove(`${paths.notify}/${waitingFileName(waiting.nonce)}`)
  return 'dead'
}

/** Files that a killed process left half-written. */
function sweep(world: Parts<'now' | 'files'>): void {
  for (const name of world.files.list(paths.notify) ?? []) {
    const path = `${paths.notify}/${name}`
    const facts = name.includes('.tmp.') ? world.files.stat(path) : undefined
    if (facts && world.now() - facts.modifiedAt > 3600) world.files.remove(path)
  }
}
