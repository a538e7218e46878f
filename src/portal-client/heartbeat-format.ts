// The report that a heartbeat sends to the portal, and the record of it on this host: /run/open-bastion/heartbeat.json,
// which is gone after a reboot. Nothing in it is secret, and nothing that is lost with it is missed.
import * as v from 'valibot'
import type { Secret } from '../base/secret.ts'
import type { Session } from '../sessions/list-format.ts'

const results = ['ok', 'unsaved', 'unreachable', 'out-of-order', 'garbled', 'refuses-host', 'untrusted'] as const

/** unsaved: the portal renewed the access token and the disk refused it. untrusted: the portal's certificate or pin. */
export type HeartbeatResult = (typeof results)[number]

export type HeartbeatState = {
  /** Grows by one with each attempt: shows a process that waited whether another one asked meanwhile. */
  readonly attempts: number
  /** The last attempt, those of logins included; epoch seconds, as everywhere here. */
  readonly at: number
  readonly result: HeartbeatResult
  readonly detail?: string
  /** When the next full heartbeat is due. */
  readonly next?: number
  /** The last time the portal renewed the access token. */
  readonly renewedAt?: number
  /** The last full heartbeat: later lines of the audit log have not been reported yet. */
  readonly reportedAt?: number
  readonly serverTime?: number
  /** This host's clock minus the portal's, in seconds. */
  readonly skew?: number
}

/** Counts of the audit log since an instant, by event in lower case. */
export type Stats = Readonly<Record<string, number>>

/** Everything but the refresh token. */
export type Report = {
  readonly uptime?: number
  readonly stats?: Stats
  readonly sessions?: readonly Session[]
}

export type HeartbeatBody = Report & {
  /** Printed as [secret] unless it is exposed on purpose. */
  readonly refresh_token: Secret | string
  readonly hostname: string
  readonly server_group?: string
  readonly version: string
  readonly node_role?: string
}

const state = () => {
  const instant = v.optional(v.number())
  return v.object({
    attempts: v.number(),
    at: v.number(),
    result: v.picklist(results),
    detail: v.optional(v.string()),
    next: instant,
    renewedAt: instant,
    reportedAt: instant,
    serverTime: instant,
    skew: instant,
  })
}

/** The state, or undefined for anything that is not one: it counts as never asked. */
export function parseHeartbeatState(text: string): HeartbeatState | undefined {
  try {
    const parsed = v.safeParse(state(), JSON.parse(text))
    // An absent member is absent, never undefined: v.object adds none.
    return parsed.success ? (parsed.output as HeartbeatState) : undefined
  } catch {
    return undefined
  }
}

export const formatHeartbeatState = (state: HeartbeatState): string => `${JSON.stringify(state)}\n`

/** Events counted at most by name; the C implementation's are seventeen. */
const namesLimit = 32

/**
 * How often each event occurs in the lines that were written after `since` and not after `until`. Lines that are cut or
 * not ours are passed over.
 */
export function countEvents(text: string, since: number, until: number): Stats {
  const counts = new Map<string, number>()
  for (const line of text.split('\n')) {
    const [, stamp, event] = /^\{"timestamp":"([^"]{20,30})","event_type":"([A-Z_]{1,40})"/.exec(line) ?? []
    if (stamp === undefined || event === undefined) continue
    const at = Date.parse(stamp) / 1000
    if (!(at > since && at <= until)) continue
    const name = event.toLowerCase()
    if (counts.has(name) || counts.size < namesLimit) counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)))
}
