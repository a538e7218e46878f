// One audit event is one JSON line that no value can break out of, and one line for syslog.

import { hex, sha256, utf8 } from '../base/bytes.ts'
import { escapeControls } from '../base/text.ts'

export type AuditEvent = {
  /** Epoch seconds, with fraction; written to the millisecond. */
  readonly timestamp: number
  readonly event_type: string
  readonly correlation_id: string
  readonly host: string
  readonly user?: string
  readonly service?: string
  readonly client_ip?: string
  readonly tty?: string
  readonly result_code: number
  readonly cache_hit?: boolean
  readonly latency_ms?: number
  readonly reason: string
  readonly details?: string
  /** Members of our own; names are lower case. */
  readonly more?: Readonly<Record<string, string | number>>
}

// Upstream's order. `module` is the program that wrote the line.
const members = [
  ...['timestamp', 'event_type', 'correlation_id', 'module', 'host', 'user', 'service', 'client_ip', 'tty'],
  ...['result_code', 'cache_hit', 'latency_ms', 'reason', 'details'],
] as const

function cut(text: string, limit: number): string {
  if (text.length <= limit) return text.toWellFormed()
  // A pair of surrogates is never cut in two.
  return `${text.slice(0, limit - 1).replace(/[\ud800-\udbff]$/, '')}…`.toWellFormed()
}

const quote = (text: string): string => `"${escapeControls(text.replace(/["\\]/g, '\\$&'))}"`

function formatMember(key: string, value: unknown, limit: number): string | undefined {
  if (typeof value === 'string') return `${quote(key)}:${quote(cut(value, limit))}`
  if (typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value)))
    return `${quote(key)}:${value}`
  return undefined
}

const isOwnName = (key: string): boolean =>
  /^[a-z][a-z0-9_]{0,31}$/.test(key) && !members.some((member) => member === key)

const dayLimit = 8_640_000_000_000

function formatWithin(event: AuditEvent, limit: number): string {
  const { more, timestamp, ...rest } = event
  const seconds = Math.min(dayLimit, Math.max(-dayLimit, Number.isFinite(timestamp) ? timestamp : 0))
  const known: Readonly<Record<string, unknown>> = {
    ...rest,
    timestamp: new Date(Math.round(seconds * 1000)).toISOString(),
    module: 'ob',
  }
  const own = Object.entries(more ?? {}).filter(([key]) => isOwnName(key))
  const pairs = [...members.map((key) => [key, known[key]] as const), ...own]
  return `{${pairs
    .map(([key, value]) => formatMember(key, value, limit))
    .filter((text) => text !== undefined)
    .join(',')}}`
}

const longestLine = 8192

/** The line without its newline; with it, never more than 8 KiB: the strings are cut shorter until it fits. */
export function formatAuditLine(event: AuditEvent): string {
  for (const limit of [1024, 512, 256, 128, 64]) {
    const line = formatWithin(event, limit)
    if (utf8(line).length < longestLine) return line
  }
  const { more: _, ...bare } = event
  return formatWithin(bare, 64)
}

const isText = (value: unknown): value is string | undefined => value === undefined || typeof value === 'string'
const isNumber = (value: unknown): value is number | undefined => value === undefined || typeof value === 'number'

function readObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

function readInstant(value: unknown): number | undefined {
  if (typeof value !== 'string' || !/^[+-]?\d{4,6}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(value)) return undefined
  const milliseconds = Date.parse(value)
  return Number.isNaN(milliseconds) ? undefined : milliseconds / 1000
}

/** The event of a line that this program wrote. */
export function parseAuditLine(text: string): AuditEvent | undefined {
  const line = readObject(text)
  if (line === undefined) return undefined
  const { event_type, correlation_id, module, host, user, service, client_ip, tty } = line as Record<string, unknown>
  const { result_code, cache_hit, latency_ms, reason, details } = line as Record<string, unknown>
  const timestamp = readInstant(Object.entries(line).find(([key]) => key === 'timestamp')?.[1])
  if (timestamp === undefined || module !== 'ob') return undefined
  if (typeof event_type !== 'string' || typeof correlation_id !== 'string' || typeof host !== 'string') return undefined
  if (typeof result_code !== 'number' || typeof reason !== 'string') return undefined
  if (!isText(user) || !isText(service) || !isText(client_ip) || !isText(tty) || !isText(details)) return undefined
  if (!isNumber(latency_ms) || (cache_hit !== undefined && typeof cache_hit !== 'boolean')) return undefined
  const own = Object.entries(line).filter(
    (pair): pair is [string, string | number] =>
      isOwnName(pair[0]) && (typeof pair[1] === 'string' || typeof pair[1] === 'number'),
  )
  return {
    timestamp,
    event_type,
    correlation_id,
    host,
    ...(user === undefined ? {} : { user }),
    ...(service === undefined ? {} : { service }),
    ...(client_ip === undefined ? {} : { client_ip }),
    ...(tty === undefined ? {} : { tty }),
    result_code,
    ...(cache_hit === undefined ? {} : { cache_hit }),
    ...(latency_ms === undefined ? {} : { latency_ms }),
    reason,
    ...(details === undefined ? {} : { details }),
    ...(own.length === 0 ? {} : { more: Object.fromEntries(own) }),
  }
}

function syslogValue(value: string | undefined): string {
  const text = cut(value ?? '', 256)
  if (text === '') return '-'
  return text === '-' || /[\s"'\\=]/.test(text) ? quote(text) : escapeControls(text)
}

/** The line for syslog: `EVENT user=… service=… client_ip=… reason=… ref=…`. */
export function formatSyslogText(event: AuditEvent): string {
  const { user, service, client_ip, reason } = event
  const values = { user, service, client_ip, reason, ref: reference(event.correlation_id) }
  const pairs = Object.entries(values).map(([key, value]) => `${key}=${syslogValue(value)}`)
  return [syslogValue(event.event_type), ...pairs].join(' ')
}

const levels: readonly (readonly [0 | 2, readonly string[]])[] = [
  [0, ['CONFIG_ERROR', 'SECURITY_ERROR', 'RATE_LIMITED', 'BREAK_GLASS']],
  [2, ['TOKEN_INTROSPECT', 'TOKEN_REFRESH', 'TOKEN_REFRESH_ROTATED', 'CACHE_HIT', 'CACHE_MISS', 'GROUP_SYNC']],
]

/** 0 critical, 1 events an administrator looks for (the default), 2 all. A new event is not hidden. */
export const eventLevel = (eventType: string): 0 | 1 | 2 =>
  levels.find(([, events]) => events.includes(eventType))?.[0] ?? 1

/** The same UUID for the same connection (RFC 9562 §5.8). */
export function correlationId(seed: string): string {
  const bytes = sha256(seed).subarray(0, 16)
  bytes[6] = (bytes[6]! & 0x0f) | 0x80
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  return hex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

/** The reference that a person reads out to the administrator. */
export const reference = (id: string): string =>
  id
    .replace(/[^0-9a-f]/gi, '')
    .slice(0, 8)
    .toUpperCase()
