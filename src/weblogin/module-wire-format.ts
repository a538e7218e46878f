// The two calls of SURF's module pam-weblogin, as a host makes them. Its servers say less than a host would like to
// know, so some of their answers are not believed: an earlier login that counts for every service and address, and an
// account that is not the login name.
import { type JsonObject, textMember } from '../base/json.ts'
import { garbled, isShowable, type Reply, readReply } from './portal-wire-format.ts'
import type { Checked, NoService, Started, StartRequest } from './service.ts'

/** The module's own rule for what it sends. */
const safe = /^[A-Za-z0-9._:][A-Za-z0-9._:-]{0,255}$/

/** Numbers and flags are texts on this wire. */
export const formatModuleStart = (
  { user, rhost }: Pick<StartRequest, 'user' | 'rhost'>,
  attribute: string,
): JsonObject => ({
  user_id: user,
  attribute,
  rhost: rhost !== undefined && safe.test(rhost) ? rhost : '',
  // No earlier login is to count: the server knows neither the key nor, often, the address it was made with.
  cache_duration: '0',
  cache_per_rhost: 'true',
  GIT_COMMIT: 'ob',
  JSONPARSER_GIT_COMMIT: 'ob',
})

/** What the server keeps a login for. Seconds. */
const sessionSeconds = 300

export function parseModuleStart(reply: Reply): Started {
  const read = readModule(reply)
  if (read === 'refused') return { kind: 'refused' }
  if ('kind' in read) return read
  const { object } = read
  if (object['cached'] === true)
    return garbled('it lets the user in by an earlier login, of whatever service and address')
  const session = textMember(object, 'session_id')
  if (session === undefined || !/^[!-~]{8,256}$/.test(session)) return garbled('it has no usable session_id')
  const url = addressIn(textMember(object, 'url'), textMember(object, 'challenge'))
  return url === undefined
    ? garbled('it has no address that may be shown')
    : { kind: 'started', session, url, secondsLeft: sessionSeconds }
}

/** The member, or else the address in the sentence. The sentence is never shown: some servers print the code in it. */
function addressIn(url: string | undefined, challenge: string | undefined): string | undefined {
  const found = url ?? /https?:\/\/[!-~]+/i.exec(challenge ?? '')?.[0].replace(/[.,;:!?)\]]+$/, '')
  return found !== undefined && isShowable(found) ? found : undefined
}

/** `triesLeft` is counted here, because the server counts nothing. */
export function parseModuleCheck(
  reply: Reply,
  { issuer, triesLeft }: { readonly issuer: string; readonly triesLeft: number },
): Checked {
  const read = readModule(reply)
  if (read === 'refused') return { kind: 'refused' }
  if ('kind' in read) return read
  const { object } = read
  switch (textMember(object, 'result')) {
    case 'SUCCESS': {
      const user = textMember(object, 'username')
      if (!user) return garbled('it does not say who was confirmed')
      return { kind: 'confirmed', confirmed: { user, subject: user, issuer, groups: groupsOf(object) } }
    }
    case 'FAIL':
      return { kind: 'wrong', triesLeft }
    case 'TIMEOUT':
      return { kind: 'expired' }
    default:
      return garbled('its result is none of the protocol')
  }
}

/** Short names are unique within one collaboration only, and others may choose the same: the URN alone is a name. */
function groupsOf(object: JsonObject): readonly string[] {
  const lists = ['collaborations', 'groups'].map((name) => object[name])
  const items = lists.flatMap((list) => (Array.isArray(list) ? list : [])) as readonly unknown[]
  const names = items.map((item) =>
    typeof item === 'object' && item !== null ? textMember(item as JsonObject, 'urn') : undefined,
  )
  return [...new Set(names.filter((name) => name !== undefined && name.length <= 1024))].slice(
    0,
    512,
  ) as readonly string[]
}

/** 404 means an unknown user, or one who may not use this service. */
function readModule(reply: Reply): { readonly object: JsonObject } | NoService | 'refused' {
  return reply.status === 404 && reply.type === 'application/json' ? 'refused' : readReply(reply, [200, 201])
}
