// What a portal answers to a bastion: /pam/bastion-token and /pam/bastion-cert (docs/bastion.md).
import { type JsonObject, parseJsonObject, textMember } from '../base/json.ts'
import type { HttpAnswer } from '../portal-client/http.ts'
import type { NoAnswer } from '../portal-client/reply-format.ts'

export type HopGrant =
  | { readonly kind: 'given'; readonly text: string }
  /** The portal says no to this user. */
  | { readonly kind: 'refused'; readonly detail: string }
  /** The voucher is missing, expired, or another's. */
  | { readonly kind: 'no-voucher'; readonly detail: string }
  /** The portal does not know this way. */
  | { readonly kind: 'absent' }
  | NoAnswer

export const tokenPath = '/pam/bastion-token'
export const certificatePath = '/pam/bastion-cert'

const printable = (text: string): string => text.slice(0, 200).replace(/[^ -~]/g, '?')

/** The member that was asked for, or what the answer says instead. */
export function parseHopGrant(answer: HttpAnswer | NoAnswer, path: string, member: string): HopGrant {
  if (answer.kind !== 'answer') return answer
  const type = answer.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase()
  const object = type === 'application/json' ? parseJsonObject(answer.text) : undefined
  // A plugin that is not there: a page, or LemonLDAP::NG's own error 9 for who is not logged in.
  if (answer.status === 404 || (answer.status === 200 && !object)) return { kind: 'absent' }
  if (answer.status === 401 && object && textMember(object, 'error') === '9') return { kind: 'absent' }
  const garbled = (detail: string): HopGrant => ({ kind: 'garbled', detail: `${path}: ${detail}` })
  if (!object) return garbled(`HTTP ${answer.status}`)
  if (answer.status === 200) {
    const text = textMember(object, member)
    return text === undefined || text.length > 16_384 ? garbled(`no usable "${member}"`) : { kind: 'given', text }
  }
  return parseRefusal(answer.status, object, path)
}

function parseRefusal(status: number, object: JsonObject, path: string): HopGrant {
  const error = printable(textMember(object, 'error') ?? '')
  const reason = printable(textMember(object, 'reason') ?? '')
  const detail = [`${path}: HTTP ${status}`, error, reason].filter((part) => part !== '').join(', ')
  if (status === 403 && error === 'voucher_rejected') return { kind: 'no-voucher', detail }
  if (status === 403 && /^user\b/i.test(error)) return { kind: 'refused', detail }
  return status === 401 || status === 403 ? { kind: 'refuses-host', detail } : { kind: 'garbled', detail }
}
