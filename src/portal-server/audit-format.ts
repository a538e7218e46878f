// One line of JSON for every decision, on standard output, where the journal keeps it. No secret is in it.

export type PortalEvent =
  | 'WEBLOGIN_STARTED'
  | 'WEBLOGIN_APPROVED'
  | 'WEBLOGIN_CODE_SHOWN'
  | 'WEBLOGIN_CONFIRMED'
  | 'WEBLOGIN_WRONG_CODE'
  | 'WEBLOGIN_REFUSED'
  | 'WEBLOGIN_NOT_YOURS'
  | 'SIGN_IN'
  | 'SIGN_IN_FAILED'
  | 'SIGN_OUT'
  | 'APPROVAL_REVOKED'
  | 'LOGOUT_FROM_PROVIDER'
  | 'HOST_REFUSED'
  | 'REQUEST_FORGED'

export type EventFields = Readonly<
  Partial<
    Record<
      | 'reason'
      | 'user'
      | 'host'
      | 'service'
      | 'rhost'
      | 'key_fingerprint'
      | 'provider'
      | 'issuer'
      | 'subject'
      | 'address'
      | 'detail',
      string
    >
  >
> & { readonly approval_seconds?: number; readonly tries_left?: number; readonly transaction?: string }

const unsafe = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

export type Audit = (event: PortalEvent, fields: EventFields) => void

export function formatPortalEvent(at: number, event: PortalEvent, fields: EventFields): string {
  const known = Object.entries(fields).filter(([, value]) => value !== '' && value !== undefined)
  const short = known.map(([name, value]) => [name, typeof value === 'string' ? value.slice(0, 300) : value])
  const timestamp = new Date(at * 1000).toISOString()
  const line = JSON.stringify({ timestamp, event_type: event, ...Object.fromEntries(short) })
  // Controls are escaped already; these turn text around on a screen (UAX #9).
  return `${line.replaceAll(unsafe, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`)}\n`
}

/** Names a transaction in the audit trail without being a way to it. */
export const shortId = (id: string): string => id.slice(0, 16)
