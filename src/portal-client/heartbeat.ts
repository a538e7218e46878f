// The renewal of this host's access token: POST /pam/heartbeat and nothing else, because the refresh grant of
// /oauth2/token destroys the enrollment of an organization's server. One request at a time for the whole host; whoever
// waited takes what the one before got, the token or the failure. The refresh token stays the same, so there is no
// instant at which a kill could lose it.
import { decodeUtf8 } from '../base/bytes.ts'
import { Fault, orElse } from '../base/fault.ts'
import { paths } from '../base/paths.ts'
import type { Secret } from '../base/secret.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import { intervalFrom, isDue } from './enrollment-policy.ts'
import {
  formatHeartbeatState,
  type HeartbeatResult,
  type HeartbeatState,
  parseHeartbeatState,
  type Report,
} from './heartbeat-format.ts'
import type { NoAnswer, Renewal } from './reply-format.ts'
import type { TokenFile } from './server-token-format.ts'
import { readTokenFile, withTokenLock, writeTokenFile } from './token-file.ts'

export type Renewed = { readonly kind: 'token'; readonly accessToken: Secret } | NoAnswer

export type Host = { readonly world: Parts<'now' | 'files' | 'syslog'>; readonly config: Config }

export type Ask = (refresh: Secret, report?: Report) => Promise<Renewal>

/** After a 401: the token to retry with. */
export function renew({ world, config }: Host, refused: Secret, ask: Ask): Promise<Renewed> {
  const before = readHeartbeat(world)
  return withTokenLock(world, async (): Promise<Renewed> => {
    const current = readTokenFile(world, config.server_token_file)
    if (current.accessToken.expose() !== refused.expose()) return { kind: 'token', accessToken: current.accessToken }
    if (!current.refreshToken) return withoutRefresh(config)
    const failure = failureSince(before, readHeartbeat(world))
    if (failure) return failure
    const { answer } = await exchange({ world, config }, current, (refresh) => ask(refresh))
    return answer.kind === 'renewed' ? { kind: 'token', accessToken: answer.accessToken } : answer
  })
}

export type Beat =
  | { readonly kind: 'not-due' | 'sent' | 'shared'; readonly state: HeartbeatState }
  | { readonly kind: 'unsaved'; readonly detail: string }
  | NoAnswer

/** A full heartbeat, unless none is due or another process sends one meanwhile. */
export async function beat(
  { world, config }: Host,
  ask: Ask,
  options: { readonly force: boolean; readonly gather: (since: number | undefined) => Promise<Report> },
): Promise<Beat> {
  const startedAt = world.now()
  const before = readHeartbeat(world)
  const known = readTokenFile(world, config.server_token_file)
  if (!known.refreshToken) return withoutRefresh(config)
  if (before && !options.force && !isDue(before, known, startedAt)) return { kind: 'not-due', state: before }
  // Outside the lock: no login waits for another program.
  const report = await options.gather(before?.reportedAt)
  return withTokenLock(world, async (): Promise<Beat> => {
    const meanwhile = readHeartbeat(world)
    const failure = failureSince(before, meanwhile)
    if (failure) return failure
    // Reported since this process was started, whenever the other one was.
    if (meanwhile && meanwhile.attempts !== before?.attempts && meanwhile.reportedAt !== before?.reportedAt)
      return { kind: 'shared', state: meanwhile }
    const current = readTokenFile(world, config.server_token_file)
    if (!current.refreshToken) return withoutRefresh(config)
    const { answer, state } = await exchange({ world, config }, current, (refresh) => ask(refresh, report), startedAt)
    if (answer.kind !== 'renewed') return answer
    return state.result === 'unsaved' ? { kind: 'unsaved', detail: state.detail ?? '' } : { kind: 'sent', state }
  })
}

const withoutRefresh = (config: Config): NoAnswer => ({
  kind: 'refuses-host',
  detail: `${config.server_token_file} holds no refresh token, so it cannot be renewed`,
})

/** The answer that another process got while this one waited for it. */
function failureSince(before: HeartbeatState | undefined, after: HeartbeatState | undefined): NoAnswer | undefined {
  if (!after || after.attempts === before?.attempts) return undefined
  const { result, detail = 'another process asked a moment ago' } = after
  switch (result) {
    case 'unreachable':
    case 'out-of-order':
    case 'garbled':
    case 'refuses-host':
      return { kind: result, detail }
    case 'ok':
    case 'unsaved':
    case 'untrusted':
      return undefined
  }
}

type Exchanged = { readonly answer: Renewal; readonly state: HeartbeatState }

/** Asks, saves, records; `reportedAt` when the report about this host was sent as well. */
async function exchange(
  { world, config }: Host,
  current: TokenFile,
  ask: (refresh: Secret) => Promise<Renewal>,
  reportedAt?: number,
): Promise<Exchanged> {
  const refresh = current.refreshToken
  if (!refresh) return { answer: withoutRefresh(config), state: record(world, { result: 'refuses-host' }) }
  const answer = await ask(refresh).catch((error: unknown): never => {
    if (error instanceof Fault) record(world, { result: 'untrusted', detail: error.message })
    throw error
  })
  if (answer.kind !== 'renewed') return { answer, state: record(world, { result: answer.kind, detail: answer.detail }) }
  const problem = save({ world, config }, current, answer)
  const now = world.now()
  const { serverTime, nextSeconds } = answer
  const state = record(world, {
    result: problem === undefined ? 'ok' : 'unsaved',
    renewedAt: now,
    ...(problem === undefined ? {} : { detail: problem }),
    ...(serverTime === undefined ? {} : { serverTime, skew: Math.round(now - serverTime) }),
    ...(reportedAt === undefined ? {} : { reportedAt, next: now + intervalFrom(nextSeconds) }),
  })
  return { answer, state }
}

/**
 * The problem when the token could not be saved, or undefined. The old file stays usable, and the new token serves the
 * login that asked for it: a full disk refuses no user whom the portal allows.
 */
function save({ world, config }: Host, current: TokenFile, renewal: Renewal & { kind: 'renewed' }): string | undefined {
  const path = config.server_token_file
  const now = Math.floor(world.now())
  const { accessToken, expiresIn } = renewal
  return orElse(
    () => {
      // A program that does not know our lock may have enrolled this host anew.
      if (readTokenFile(world, path).refreshToken?.expose() !== current.refreshToken?.expose()) return undefined
      writeTokenFile(world, path, { ...current, accessToken, expiresAt: now + expiresIn, renewedAt: now })
      return undefined
    },
    (fault) => {
      world.syslog('err', `the renewed server token is used but not kept: ${fault.message}`)
      return fault.message
    },
  )
}

export function readHeartbeat(world: Parts<'files'>): HeartbeatState | undefined {
  return orElse(
    () => {
      const bytes = world.files.readTrusted(paths.heartbeat, { limit: 4096, secret: false })
      return bytes && parseHeartbeatState(decodeUtf8(bytes) ?? '')
    },
    () => undefined,
  )
}

/** What was true before stays, but for the last detail. A login is never refused because it cannot be written. */
function record(
  world: Parts<'now' | 'files' | 'syslog'>,
  news: Partial<HeartbeatState> & { readonly result: HeartbeatResult },
): HeartbeatState {
  const { detail: _, ...before } = readHeartbeat(world) ?? { attempts: 0 }
  const state = { ...before, ...news, attempts: before.attempts + 1, at: world.now() }
  orElse(
    () => {
      world.files.writeAtomic(paths.heartbeat, formatHeartbeatState(state), { mode: 0o644 })
    },
    (fault) => void world.syslog('warning', fault.message),
  )
  return state
}

/** When this host was booted, or enrolled if that was later; undefined where neither is known. */
export function startedAt(world: Parts<'files' | 'now'>, tokens: TokenFile): number | undefined {
  const bytes = world.files.read('/proc/uptime', 64)
  const uptime = Number.parseFloat((bytes && decodeUtf8(bytes)) ?? '')
  const known = [Number.isNaN(uptime) ? undefined : world.now() - uptime, tokens.enrolledAt]
  const times = known.filter((at) => at !== undefined)
  return times.length === 0 ? undefined : Math.max(...times)
}
