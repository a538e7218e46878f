// The two calls of `ob portal`, as a host makes them: what is sent, and what of the answers is believed. An answer that
// lacks a member, or has it with another type, is garbled and confirms nobody.
import { type Json, type JsonObject, parseJsonObject, textMember, textsMember, wholeMember } from '../base/json.ts'
import type { Checked, Confirmed, NoService, Started, StartRequest } from './service.ts'

export type Reply = { readonly status: number; readonly type: string; readonly text: string }

export type About = { readonly host: string; readonly group: string }

export function formatStart({ user, service, rhost, key, approvalSeconds }: StartRequest, about: About): JsonObject {
  const proven: JsonObject = key ? { key_fingerprint: key.fingerprint, key_type: key.type } : {}
  const approval: JsonObject = approvalSeconds > 0 ? { approval_seconds: approvalSeconds } : {}
  return { user, service, host: about.host, host_group: about.group, rhost: rhost ?? '', ...proven, ...approval }
}

type Asked = Pick<StartRequest, 'user' | 'approvalSeconds'> & { readonly now: number }

export function parseStart(reply: Reply, asked: Asked): Started {
  const read = readReply(reply, [200, 201])
  if ('kind' in read) return read
  const { object } = read
  if (reply.status === 200) return parseApproved(object, asked)
  const session = textMember(object, 'session')
  const url = textMember(object, 'url')
  const secondsLeft = wholeMember(object, 'expires_in')
  if (session === undefined || !/^[!-~]{16,512}$/.test(session)) return garbled('it has no usable session')
  if (url === undefined || !isShowable(url)) return garbled('it has no address that may be shown')
  if (secondsLeft === undefined || secondsLeft < 30 || secondsLeft > 900) return garbled('expires_in is not 30 to 900')
  return { kind: 'started', session, url, secondsLeft }
}

/** Clocks differ a little. Seconds. */
const tolerance = 60

function parseApproved(object: JsonObject, { user, approvalSeconds, now }: Asked): Started {
  const confirmed = parseConfirmed(object)
  if (approvalSeconds === 0) return garbled('it approves what nobody asked it to approve')
  if (object['approved'] !== true || confirmed === undefined) return garbled('it approves nobody')
  if (confirmed.user !== user) return garbled('it approves somebody else')
  const until = confirmed.approvalExpiresAt ?? 0
  if (until <= now || until > now + approvalSeconds + tolerance) return garbled('its approval has no usable end')
  return { kind: 'approved', confirmed }
}

export function parseCheck(reply: Reply): Checked {
  const read = readReply(reply, [200])
  if ('kind' in read) return read
  const { object } = read
  const result = textMember(object, 'result')
  switch (result) {
    case 'confirmed': {
      const confirmed = parseConfirmed(object)
      return confirmed ? { kind: 'confirmed', confirmed } : garbled('it does not say who was confirmed')
    }
    case 'wrong': {
      const triesLeft = wholeMember(object, 'tries_left')
      return triesLeft === undefined ? garbled('tries_left is missing') : { kind: 'wrong', triesLeft }
    }
    case 'pending':
    case 'expired':
    case 'refused':
      return { kind: result }
    default:
      return garbled('its result is none of the protocol')
  }
}

function parseConfirmed(object: JsonObject): Confirmed | undefined {
  const [user, subject, issuer] = ['user', 'subject', 'issuer'].map((name) => textMember(object, name))
  const groups = textsMember(object, 'groups')
  if (!user || !subject || !issuer || groups === undefined) return undefined
  if ([user, subject, issuer, ...groups].some((text) => text.length > longestText) || groups.length > mostGroups)
    return undefined
  const acr = textMember(object, 'acr')
  const authTime = wholeMember(object, 'auth_time')
  const approvalExpiresAt = wholeMember(object, 'approval_expires_at')
  return {
    user,
    subject,
    issuer,
    groups,
    ...(acr === undefined || acr.length > longestText ? {} : { acr }),
    ...(authTime === undefined ? {} : { authTime }),
    ...(approvalExpiresAt === undefined ? {} : { approvalExpiresAt }),
  }
}

const longestText = 1024
const mostGroups = 512

/** An address that a terminal shows as it is, and a browser opens over TLS. */
export const isShowable = (url: string): boolean =>
  url.length <= 512 &&
  URL.canParse(url) &&
  /^https?:\/\/[!-~]+$/i.test(url) &&
  !/[\\"'<>`{}|^]/.test(url) &&
  new URL(url).username === '' &&
  (/^https:/i.test(url) || /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/i.test(new URL(url).hostname))

/** The object of an answer with one of these states, or why there is none. */
export function readReply(reply: Reply, states: readonly number[]): { readonly object: JsonObject } | NoService {
  if (reply.status === 401) return { kind: 'refuses-host', detail: 'the web login does not know this host (HTTP 401)' }
  if (!states.includes(reply.status)) return garbled(`HTTP ${reply.status}${errorOf(reply)}`)
  if (reply.type !== 'application/json') return garbled('it is not application/json')
  const object = parseJsonObject(reply.text)
  return object ? { object } : garbled('it is not a JSON object')
}

/** The service's own word for what is wrong, when it is a plain one. */
function errorOf({ type, text }: Reply): string {
  const object = type === 'application/json' ? parseJsonObject(text) : undefined
  const word: Json | undefined = object && textMember(object, 'error')
  return typeof word === 'string' && /^[a-z_]{1,40}$/.test(word) ? ` (${word})` : ''
}

export const garbled = (what: string): NoService => ({
  kind: 'garbled',
  detail: `the answer of the web login is not believed: ${what}`,
})
