// The request that a webhook gets, and the file in which an event waits. The body is upstream's; the header X-Nonce
// lets a receiver recognise an event that it got before.
import * as v from 'valibot'
import { hex, hmacSha256, utf8 } from '../base/bytes.ts'
import type { AuditEvent } from './event-format.ts'

/** An event that waits to be delivered. */
export type Waiting = {
  readonly nonce: string
  readonly body: string
  /** Epoch seconds. */
  readonly queuedAt: number
  readonly attempts: number
  readonly notBefore: number
  /** Why the last attempt failed. */
  readonly problem?: string | undefined
}

const bodyLimit = 2048

/** The members of upstream's webhook, in its order; strings are cut until the whole is at most 2 KiB. */
export function formatWebhookBody(event: AuditEvent): string {
  for (const limit of [256, 128, 64, 32]) {
    const text = formatWithin(event, limit)
    if (utf8(text).length <= bodyLimit) return text
  }
  return formatWithin({ ...event, user: '', service: '', client_ip: '' }, 16)
}

function formatWithin(event: AuditEvent, limit: number): string {
  const cut = (text: string | undefined): string | undefined => text?.slice(0, limit).toWellFormed()
  return JSON.stringify({
    timestamp: new Date(Math.round(event.timestamp * 1000)).toISOString(),
    event_type: cut(event.event_type),
    correlation_id: cut(event.correlation_id),
    host: cut(event.host),
    user: cut(event.user),
    service: cut(event.service),
    client_ip: cut(event.client_ip),
    result_code: event.result_code,
    reason: cut(event.reason),
  })
}

export type SignedBody = {
  readonly secret: string | undefined
  readonly body: string
  readonly nonce: string
  /** Epoch seconds. */
  readonly seconds: number
}

/** X-Signature-256 covers the time and the body, not the nonce: upstream does so, and receivers check it so. */
export function webhookHeaders({ secret, body, nonce, seconds }: SignedBody): Readonly<Record<string, string>> {
  const at = String(Math.floor(seconds))
  const headers = { 'content-type': 'application/json', 'X-Timestamp': at, 'X-Nonce': nonce }
  if (secret === undefined) return headers
  return { ...headers, 'X-Signature-256': `sha256=${hex(hmacSha256(utf8(secret), `${at}.${body}`))}` }
}

const nonceShape = /^\d{13}-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** Names sort by age. */
export const waitingFileName = (nonce: string): string => `${nonce}.json`

/** The nonce of a file that waits; undefined for anything else that lies there. */
export function nonceOf(fileName: string): string | undefined {
  const nonce = fileName.endsWith('.json') ? fileName.slice(0, -5) : ''
  return nonceShape.test(nonce) ? nonce : undefined
}

export const formatWaiting = (waiting: Waiting): string => `${JSON.stringify(waiting)}\n`

const instant = () => v.pipe(v.number(), v.finite(), v.minValue(0))

export function parseWaiting(text: string): Waiting | undefined {
  const shape = v.object({
    nonce: v.pipe(v.string(), v.regex(nonceShape)),
    body: v.pipe(v.string(), v.maxLength(2 * bodyLimit)),
    queuedAt: instant(),
    attempts: v.pipe(v.number(), v.integer(), v.minValue(0)),
    notBefore: instant(),
    problem: v.optional(v.pipe(v.string(), v.maxLength(512))),
  })
  const read = v.safeParse(v.pipe(v.string(), v.parseJson(), shape), text)
  return read.success ? read.output : undefined
}
