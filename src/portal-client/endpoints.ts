// The portal's PAM endpoints. Each call is two halves: build the request, judge the reply. What counts as an
// answer at all is decided here once: status 200, application/json, and the members the reply must have.

import { type JsonObject, parseJsonObject, textMember } from '../base/json.ts'
import type { Fingerprint, LoginName } from '../base/names.ts'
import type { Secret } from '../base/secret.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import { unsealed } from '../secrets/resolve.ts'
import type { HeartbeatBody, Report } from './heartbeat-format.ts'
import { isHostRefused, noteAccepted, noteRefused } from './host-refusal.ts'
import type { Http, HttpAnswer } from './http.ts'
import {
  type Authorization,
  type NoAnswer,
  parseAuthorization,
  parseRenewal,
  parseUserInfo,
  parseVerification,
  type Renewal,
  type UserInfo,
  type Verification,
} from './reply-format.ts'
import type { Tokens } from './server-token.ts'

export type AuthorizationRequest = {
  readonly user: LoginName
  readonly service: string
  readonly fingerprint?: Fingerprint | undefined
}

export type Portal = {
  readonly verify: (token: Secret) => Promise<Verification>
  readonly authorize: (request: AuthorizationRequest) => Promise<Authorization>
  readonly userinfo: (user: LoginName) => Promise<UserInfo>
  /** Renews the access token; the report is what the portal shows about this host. */
  readonly heartbeat: (refresh: Secret, report?: Report) => Promise<Renewal>
  /** The portal refused this host and has not accepted it since: nothing cached counts. */
  readonly isHostRefused: () => boolean
  /** Any call with the server token, for answers in which a refusal may be about something else than this host. */
  readonly send: (path: string, body: object) => Promise<HttpAnswer | NoAnswer>
}

export function openPortal(
  world: Parts<'now' | 'random' | 'hostname' | 'files' | 'keyring' | 'syslog'>,
  config: Config,
  http: Http,
  tokens: Tokens,
): Portal {
  const post = async (path: string, body: object, bearer: Secret | undefined): Promise<HttpAnswer> => {
    return http({
      method: 'POST',
      url: config.portal_url + path,
      headers: {
        'content-type': 'application/json',
        ...(bearer ? { authorization: `Bearer ${bearer.expose()}` } : {}),
      },
      body: JSON.stringify(body),
    })
  }

  const heartbeat = async (refresh: Secret, report: Report = {}): Promise<Renewal> => {
    const body = heartbeatBody(world, config, (await unsealed(world, config, refresh)).expose(), report)
    const reply = expectJson(await post('/pam/heartbeat', body, undefined), '/pam/heartbeat')
    if (reply.kind === 'refuses-host') noteRefused(world, reply.detail)
    return reply.kind === 'json' ? parseRenewal(reply.json) : reply
  }

  /** One call with the server token; a 401 renews the token once and retries once. */
  const send = async (path: string, body: object): Promise<HttpAnswer | NoAnswer> => {
    const bearer = tokens.read().accessToken
    const first = await post(path, body, bearer)
    // Only the plugin knows whether the token is expired: a 401 of another program says nothing about it.
    if (first.kind !== 'answer' || first.status !== 401) return first
    if (expectJson(first, path).kind !== 'refuses-host') return first
    const renewed = await tokens.renew(bearer, heartbeat)
    return renewed.kind === 'token' ? post(path, body, renewed.accessToken) : renewed
  }
  const call = async (path: string, body: object): Promise<ExpectedJson> => {
    const answer = await send(path, body)
    return noted(answer.kind === 'answer' ? expectJson(answer, path) : answer)
  }

  const noted = <T extends ExpectedJson>(reply: T): T => {
    if (reply.kind === 'refuses-host') noteRefused(world, reply.detail)
    return reply
  }

  return {
    isHostRefused: () => isHostRefused(world),
    heartbeat,
    send,
    verify: async (token) => {
      const reply = await call('/pam/verify', { token: token.expose() })
      return reply.kind === 'json' ? parseVerification(reply.json) : reply
    },
    authorize: async ({ user, service, fingerprint }) => {
      const about = authorizationBody(world, config, { user, service })
      const reply = await call(authorizePath, fingerprint === undefined ? about : { ...about, fingerprint })
      // Only this endpoint looks at all that makes a host: its token, the scope and the group.
      if (reply.kind === 'json') noteAccepted(world)
      return reply.kind === 'json' ? parseAuthorization(reply.json, user) : reply
    },
    userinfo: async (user) => {
      const reply = await call('/pam/userinfo', { user })
      return reply.kind === 'json' ? parseUserInfo(reply.json, user) : reply
    },
  }
}

export const authorizePath = '/pam/authorize'

/** Where no group is configured none is sent: the portal knows the one of this host, or takes its default. */
const groupMember = ({ server_group }: Config) => (server_group === undefined ? {} : { server_group })

export const authorizationBody = (
  world: Parts<'hostname'>,
  config: Config,
  { user, service }: AuthorizationRequest,
): object => ({ user, host: world.hostname(), service, ...groupMember(config) })

export const programVersion = '0.1.0'

/** The body of a heartbeat; with the Secret itself instead of its text it can be shown. */
export const heartbeatBody = (
  world: Parts<'hostname'>,
  config: Config,
  refresh: string | Secret,
  report: Report,
): HeartbeatBody => ({
  refresh_token: refresh,
  hostname: world.hostname(),
  ...groupMember(config),
  version: programVersion,
  ...(config.node_role === undefined ? {} : { node_role: config.node_role }),
  ...report,
})

type ExpectedJson = { readonly kind: 'json'; readonly json: unknown } | NoAnswer

// It goes to terminals and logs, so only what looks like a media type (RFC 9110 §8.3.1) is repeated.
const printableType = (type: string | undefined): string =>
  type === undefined
    ? 'untyped'
    : /^[a-z0-9!#$&^_.+-]{1,63}\/[a-z0-9!#$&^_.+-]{1,63}$/.test(type)
      ? type
      : 'of no known type'

/** Members by which an answer is the plugin's, whatever else is wrong with it. */
const pluginMembers = ['valid', 'authorized', 'found', 'active', 'user', 'groups', 'permissions', 'reason'] as const
const renewalMembers = ['status', 'access_token', 'expires_in'] as const

/**
 * Whether the plugin itself may have said this. The portal's own errors, where the plugin is not loaded, are JSON too
 * and have a `result`. Half an answer that is called JSON may have been a denial, so it counts as the plugin's.
 */
function isOfPlugin(object: JsonObject | undefined, isCalledJson: boolean, status: number): boolean {
  if (!object) return isCalledJson && status === 200
  if ([...pluginMembers, ...renewalMembers].some((name) => Object.hasOwn(object, name))) return true
  return textMember(object, 'error') !== undefined && !Object.hasOwn(object, 'result')
}

/** The portal's own sentence, for an administrator; base/remedy.ts knows what to do about it. */
function saidAbout(object: JsonObject | undefined): string {
  const text = textMember(object ?? {}, 'error') ?? ''
  return /^[ -~]{1,200}$/.test(text) ? `: ${text}` : ''
}

/**
 * An answer is believed when it is 200, application/json, and parses; members are the reply parser's business. What the
 * plugin did not say is an outage; what it did say never becomes one, however it is spoilt on the way.
 */
export function expectJson(answer: HttpAnswer, path: string): ExpectedJson {
  if (answer.kind !== 'answer') return answer
  const { status, text } = answer
  const type = answer.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase()
  const isJson = type === 'application/json'
  const object = parseJsonObject(text)
  if (!isOfPlugin(object, isJson, status)) {
    const what = `HTTP ${status}, the answer is ${printableType(type)}${isJson ? '' : ', not application/json'}`
    return {
      kind: 'out-of-order',
      detail: `${path}: the portal answers nonsense: ${what} (is its PAM plugin active?)`,
    }
  }
  const garbled = (what: string): ExpectedJson => ({ kind: 'garbled', detail: `${path}: ${what}` })
  if (!isJson) return garbled(`the answer is ${printableType(type)}, not application/json`)
  if (status === 401 || status === 403)
    return {
      kind: 'refuses-host',
      detail: `${path}: the portal refuses this host (HTTP ${status})${saidAbout(object)}`,
    }
  if (status !== 200) return garbled(`HTTP ${status}`)
  return object ? { kind: 'json', json: object } : garbled('the answer is not JSON')
}
