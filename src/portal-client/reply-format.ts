// The portal's JSON, judged before it is believed: an answer that lacks the required members, or has them with
// another type, is garbled and says nothing. Unknown members are ignored (a real portal sends stray ones).
import * as v from 'valibot'
import { type LoginName, parseLoginName } from '../base/names.ts'
import type { Reason } from '../base/reason.ts'
import { Secret } from '../base/secret.ts'

/** The portal's attributes of a person: unchecked text or numbers until accounts/policy.ts judges them. */
export type Attributes = {
  readonly uid?: string | number
  readonly gecos?: string
  readonly home?: string
  readonly shell?: string
  /** Lines as in a .pub file, not yet read. */
  readonly sshPublicKeys?: readonly string[]
}

/**
 * No usable answer. `out-of-order`: another page in the portal's place, an outage like any other. `garbled`:
 * the plugin's own answer, and not usable; it may have been a denial. `refuses-host`: the portal does not accept the
 * credentials of this host.
 */
export type NoAnswer =
  | Outage
  | { readonly kind: 'garbled'; readonly detail: string }
  | { readonly kind: 'refuses-host'; readonly detail: string }

/** Only these may lead to what is cached. */
export type Outage =
  | { readonly kind: 'unreachable'; readonly detail: string }
  | { readonly kind: 'out-of-order'; readonly detail: string }

export type Verification =
  | { readonly kind: 'accepted'; readonly user: string }
  | { readonly kind: 'rejected'; readonly detail: string }
  | NoAnswer

export type Granted = {
  readonly kind: 'granted'
  readonly user: LoginName
  readonly groups: readonly string[]
  readonly sudoAllowed: boolean
  readonly attributes: Attributes
  /** Seconds this answer may be used when the portal is unreachable; absent when the portal does not allow that. */
  readonly offlineSeconds?: number
  /** An Argon2id string (PHC) of the user's password, for when the portal is unreachable. */
  readonly offlineVerifier?: Secret
  /** On a bastion: what the portal wants back for a certificate of a hop, and for how long. */
  readonly hopVoucher?: { readonly text: Secret; readonly seconds: number }
}
export type Authorization =
  | Granted
  /** `reason`: set where it was not the portal that refused. */
  | { readonly kind: 'refused'; readonly detail: string; readonly reason?: Reason }
  | NoAnswer

export type UserInfo =
  | {
      readonly kind: 'found'
      readonly user: LoginName
      readonly groups: readonly string[]
      readonly attributes: Attributes
    }
  | { readonly kind: 'not-found' }
  | NoAnswer

export type Renewal =
  | {
      readonly kind: 'renewed'
      readonly accessToken: Secret
      readonly expiresIn: number
      readonly serverTime?: number
      /** Seconds until the portal wants to hear of this host again. */
      readonly nextSeconds?: number
    }
  | NoAnswer

const stringLimit = 4096
const listLimit = 256
const keyLimit = 32

// Each schema is made when its answer is there: a login gets one or two of them, and none while the portal is
// unreachable.
const text = () => v.pipe(v.string(), v.maxLength(stringLimit))
/** A member of the wrong type is treated as absent: it decides nothing. */
const optionalText = () => v.fallback(v.optional(text()), undefined)
const isText = (item: unknown): item is string => typeof item === 'string' && item.length <= stringLimit
/**
 * At most 256 strings; anything that is not a string is skipped, anything that is not a list is empty.
 */
const groups = () =>
  v.fallback(
    v.pipe(
      v.optional(v.array(v.unknown()), []),
      v.transform((list) => list.filter(isText).slice(0, listLimit)),
    ),
    [],
  )
const attributes = () => ({
  uid: v.fallback(v.optional(v.union([text(), v.number()])), undefined),
  gecos: optionalText(),
  home: optionalText(),
  shell: optionalText(),
  // One text with a key a line, or a list of them; LDAP gives either.
  ssh_public_keys: v.fallback(
    v.optional(
      v.pipe(
        v.union([v.pipe(v.string(), v.maxLength(65_536)), v.array(v.unknown())]),
        v.transform((value) => (typeof value === 'string' ? value.split('\n') : value)),
        v.transform((list) => list.filter(isText).slice(0, keyLimit)),
      ),
    ),
    undefined,
  ),
})

const accepted = () => v.object({ valid: v.literal(true), user: text() })
const rejected = () => v.object({ valid: v.literal(false), error: optionalText(), reason: optionalText() })

/** The body of a 200 answer to POST /pam/verify. */
export function parseVerification(json: unknown): Verification {
  const yes = v.safeParse(accepted(), json)
  if (yes.success) return { kind: 'accepted', user: yes.output.user }
  const no = v.safeParse(rejected(), json)
  if (no.success) return { kind: 'rejected', detail: no.output.error ?? no.output.reason ?? 'rejected' }
  return { kind: 'garbled', detail: 'no usable "valid" and "user" in the answer to /pam/verify' }
}

const granted = () =>
  v.object({
    authorized: v.literal(true),
    user: text(),
    groups: groups(),
    offline: v.fallback(
      v.optional(
        v.object({
          enabled: v.literal(true),
          ttl: v.pipe(v.number(), v.integer(), v.minValue(1)),
          verifier: optionalText(),
        }),
      ),
      undefined,
    ),
    bastion_voucher: v.fallback(v.optional(v.pipe(v.string(), v.regex(/^[!-~]{1,1023}$/))), undefined),
    bastion_voucher_expires_in: v.fallback(v.optional(v.pipe(v.number(), v.integer(), v.minValue(1))), undefined),
    permissions: v.fallback(
      v.optional(v.object({ sudo_allowed: v.fallback(v.optional(v.boolean()), undefined) })),
      undefined,
    ),
    ...attributes(),
  })
const refused = () => v.object({ authorized: v.literal(false), reason: optionalText() })

/**
 * The body of a 200 answer to POST /pam/authorize. Absent `permissions.sudo_allowed` means no (upstream allowed it).
 */
export function parseAuthorization(json: unknown, asked: LoginName): Authorization {
  const yes = v.safeParse(granted(), json)
  if (yes.success) {
    const { user, groups, permissions, offline } = yes.output
    const { bastion_voucher: voucher, bastion_voucher_expires_in: seconds } = yes.output
    if (user !== asked) return { kind: 'garbled', detail: 'the answer to /pam/authorize is about another user' }
    const sudoAllowed = permissions?.sudo_allowed === true
    return {
      kind: 'granted',
      user: asked,
      groups,
      sudoAllowed,
      attributes: attributesOf(yes.output),
      ...(offline === undefined ? {} : { offlineSeconds: offline.ttl }),
      ...(voucher && seconds ? { hopVoucher: { text: new Secret(voucher), seconds } } : {}),
      ...(offline?.verifier === undefined ? {} : { offlineVerifier: new Secret(offline.verifier) }),
    }
  }
  const no = v.safeParse(refused(), json)
  if (no.success) return { kind: 'refused', detail: no.output.reason ?? 'refused' }
  return { kind: 'garbled', detail: 'no usable "authorized" and "user" in the answer to /pam/authorize' }
}

const found = () => v.object({ found: v.literal(true), user: text(), groups: groups(), ...attributes() })
const notFound = () => v.object({ found: v.literal(false) })

/** The body of a 200 answer to POST /pam/userinfo. */
export function parseUserInfo(json: unknown, asked: LoginName): UserInfo {
  const yes = v.safeParse(found(), json)
  if (yes.success) {
    if (parseLoginName(yes.output.user) !== asked)
      return { kind: 'garbled', detail: 'the answer to /pam/userinfo is about another user' }
    return { kind: 'found', user: asked, groups: yes.output.groups, attributes: attributesOf(yes.output) }
  }
  if (v.is(notFound(), json)) return { kind: 'not-found' }
  return { kind: 'garbled', detail: 'no usable "found" and "user" in the answer to /pam/userinfo' }
}

const renewed = () =>
  v.object({
    status: v.literal('ok'),
    access_token: v.pipe(text(), v.regex(/^[!-~]+$/)),
    expires_in: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(10 * 365 * 86400)),
    server_time: v.fallback(v.optional(v.number()), undefined),
    next_heartbeat: v.fallback(v.optional(v.number()), undefined),
  })

/** The body of a 200 answer to POST /pam/heartbeat. */
export function parseRenewal(json: unknown): Renewal {
  const result = v.safeParse(renewed(), json)
  if (!result.success)
    return {
      kind: 'garbled',
      detail: 'no usable "status", "access_token" and "expires_in" in the answer to /pam/heartbeat',
    }
  const { access_token, expires_in, server_time, next_heartbeat } = result.output
  return {
    kind: 'renewed',
    accessToken: new Secret(access_token),
    expiresIn: expires_in,
    ...(server_time === undefined ? {} : { serverTime: server_time }),
    ...(next_heartbeat === undefined ? {} : { nextSeconds: next_heartbeat }),
  }
}

type Members = { [K in keyof Attributes]?: Attributes[K] | undefined } & {
  readonly ssh_public_keys?: readonly string[] | undefined
}

function attributesOf(members: Members): Attributes {
  const { uid, gecos, home, shell, ssh_public_keys } = members
  return {
    ...(uid === undefined ? {} : { uid }),
    ...(gecos === undefined ? {} : { gecos }),
    ...(home === undefined ? {} : { home }),
    ...(shell === undefined ? {} : { shell }),
    ...(ssh_public_keys === undefined ? {} : { sshPublicKeys: ssh_public_keys }),
  }
}
