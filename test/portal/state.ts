// What the stand-in portal knows. One plain object, changed in place; the clock and chance come from the options.
import { createHash } from 'node:crypto'
import { publicKeys, rsaKey } from './keys.ts'

/** Everybody, nobody, or these login names and `@groups`. */
export type Rule = boolean | readonly string[]

export type GroupRules = {
  readonly ssh: Rule
  readonly sudo: Rule
  readonly offline: { readonly rule: Rule; readonly ttl: number }
}

export type User = {
  password: string
  groups: readonly string[]
  /** The variables that the portal exports: flat in authorize and userinfo, `attrs` in verify. */
  attributes: Readonly<Record<string, string | number>>
  /** May open /device and the ssh administration. */
  admin: boolean
}

export type Client = {
  /** No secret: a public client. */
  readonly secret: string | undefined
  readonly method?: 'post' | 'basic' | 'jwt'
  readonly owner: 'organization' | 'user'
  readonly deviceGrant: boolean
  readonly pkceRequired?: boolean
  readonly rotates?: boolean
  readonly accessTokens?: 'RS256' | 'ES256'
  readonly approvers?: Rule
  readonly keys?: readonly Record<string, unknown>[]
}

export type Grant = {
  readonly clientId: string
  readonly user: string
  readonly scope: string
  readonly grant: 'device_code' | 'authorization_code'
  /** Hex identity of an organization's device; a user's device has none. */
  readonly deviceId: string | undefined
  readonly sid: string
}

export type AccessToken = Grant & { readonly issuedAt: number; expiresAt: number; readonly fromHeartbeat: boolean }

export type Device = {
  readonly userCode: string
  readonly clientId: string
  readonly scope: string
  readonly challenge: string | undefined
  readonly challengeMethod: string
  readonly expiresAt: number
  interval: number
  polls: number
  polledAt: number
  verdict: 'pending' | 'approved' | 'denied'
  session: string | undefined
}

export type Certificate = {
  readonly fingerprint: string
  readonly label: string | undefined
  readonly serial: bigint
  readonly keyId: string
  readonly issuedAt: number
  readonly expiresAt: number
  readonly principals: string
  /** Made by /pam/bastion-cert: its serial is a JSON integer in answers. */
  readonly hop: boolean
  revokedAt: number | undefined
  revokedBy: string | undefined
  reason: string | undefined
}

export type Voucher = { readonly nonce: string; expiresAt: number }

export type PortalOptions = {
  /** Origin of the portal, without a slash at the end. */
  readonly url: string
  /** Further origins it answers under, as a portal reached by plain HTTP or by address does. */
  readonly aliases?: readonly string[]
  /** Epoch seconds. */
  readonly now?: () => number
  readonly random?: () => number
  readonly clients?: Readonly<Record<string, Client>>
  readonly deviceSeconds?: number
  readonly interval?: number
  readonly accessSeconds?: number
  /** How long a refresh token lives after each heartbeat. */
  readonly refreshSeconds?: number
  readonly voucherSeconds?: number
  /** Lifetime of a hop certificate. */
  readonly certificateSeconds?: number
  readonly bastionGroups?: readonly string[]
  /** client_id to server group; when given, a client that is missing in it is refused. */
  readonly serverGroups?: Readonly<Record<string, string>>
  readonly pinSourceAddress?: boolean
}

export type Settings = Required<Omit<PortalOptions, 'serverGroups'>> & Pick<PortalOptions, 'serverGroups'>

export type State = {
  readonly settings: Settings
  offsetSeconds: number
  readonly users: Map<string, User>
  readonly rules: Map<string, GroupRules>
  readonly clients: Map<string, Client>
  /** Portal cookies. */
  readonly sessions: Map<string, { readonly user: string }>
  /** Form tokens against forged requests. */
  readonly formTokens: Set<string>
  readonly devices: Map<string, Device>
  readonly access: Map<string, AccessToken>
  readonly refresh: Map<string, Grant>
  /** When each refresh token lapses; one that is missing here was never used. */
  readonly refreshUntil: Map<string, number>
  /** One-time tokens. */
  readonly tokens: Map<string, { readonly user: string; readonly expiresAt: number }>
  readonly certificates: Map<string, Certificate[]>
  readonly revokedSerials: Set<bigint>
  readonly vouchers: Map<string, Voucher>
  /** Users who spent a one-time token here. */
  readonly seen: Set<string>
  readonly heartbeats: Record<string, unknown>[]
  /** Signs bastion tokens; another than the first one once it was rotated. */
  tokenKey: typeof rsaKey
  /** As published on /oauth2/jwks. */
  published: readonly object[]
  nonAtomic: { on: boolean; delayMs: number }
}

const person = (name: string, gecos: string, groups: readonly string[], admin: boolean): User => ({
  password: name,
  groups,
  admin,
  attributes: {
    uid: name,
    cn: gecos,
    gecos,
    mail: `${name}@badwolf.org`,
    shell: '/bin/bash',
    home: `/home/${name}`,
  },
})

const longSecret = 'a-much-longer-client-secret-0123456789abcdef'
const organization = { secret: 'pamsecret', owner: 'organization', deviceGrant: true } as const
const owned = { ...organization, owner: 'user' } as const

const recordedClients: Readonly<Record<string, Client>> = {
  'pam-access': organization,
  'pam-access-2': { ...organization, secret: longSecret },
  'pam-public': { ...organization, secret: undefined },
  'pam-pkce': { ...organization, pkceRequired: true },
  'pam-onlyjwt': { ...organization, secret: longSecret, method: 'jwt' },
  'pam-onlybasic': { ...organization, method: 'basic' },
  'pam-onlypost': { ...organization, method: 'post' },
  'pam-pkjwt': { ...organization, method: 'jwt' },
  'pam-rule': { ...organization, approvers: ['rtyler'] },
  'pam-user': owned,
  'pam-user-rotate': { ...owned, rotates: true },
  'pam-at-rs256': { ...organization, accessTokens: 'RS256' },
  'pam-at-es256': { ...organization, accessTokens: 'ES256' },
  'web-app': { secret: 'websecret', owner: 'user', deviceGrant: false },
}

const never = { rule: false, ttl: 86400 } as const

const recordedRules: Readonly<Record<string, GroupRules>> = {
  default: { ssh: ['dwho'], sudo: false, offline: never },
  backend: { ssh: ['dwho', '@ops'], sudo: ['@ops'], offline: { rule: ['@ops'], ttl: 86400 } },
  bastion: { ssh: true, sudo: false, offline: never },
  open: { ssh: true, sudo: false, offline: never },
  // The rule is the word `deny`, a true value in Perl.
  vendordefault: { ssh: true, sudo: false, offline: never },
}

/** Fills everything as it was when the exchanges were recorded. */
export const populate = (state: State): void => {
  for (const member of Object.values(state)) {
    if (member instanceof Map || member instanceof Set) member.clear()
  }
  state.heartbeats.length = 0
  state.offsetSeconds = 0
  state.nonAtomic = { on: false, delayMs: 0 }
  state.tokenKey = rsaKey
  state.published = publicKeys
  state.users.set('dwho', person('dwho', 'Doctor Who', ['users', 'timelords', 'admins'], true))
  state.users.set('rtyler', person('rtyler', 'Rose Tyler', ['users', 'earthlings', 'dev', 'ops'], true))
  state.users.set('msmith', person('msmith', 'Mickey Smith', ['users', 'earthlings', 'dev'], false))
  for (const [group, rules] of Object.entries(recordedRules)) state.rules.set(group, rules)
  for (const [id, client] of Object.entries({ ...recordedClients, ...state.settings.clients })) {
    state.clients.set(id, client)
  }
}

export const createState = (options: PortalOptions): State => {
  const state: State = {
    settings: {
      aliases: [],
      now: () => Date.now() / 1000,
      random: Math.random,
      clients: {},
      deviceSeconds: 600,
      interval: 5,
      accessSeconds: 3600,
      refreshSeconds: 2_592_000,
      voucherSeconds: 43200,
      certificateSeconds: 120,
      bastionGroups: ['bastion'],
      pinSourceAddress: false,
      ...options,
    },
    offsetSeconds: 0,
    users: new Map(),
    rules: new Map(),
    clients: new Map(),
    sessions: new Map(),
    formTokens: new Set(),
    devices: new Map(),
    access: new Map(),
    refresh: new Map(),
    refreshUntil: new Map(),
    tokens: new Map(),
    certificates: new Map(),
    revokedSerials: new Set(),
    vouchers: new Map(),
    seen: new Set(),
    heartbeats: [],
    nonAtomic: { on: false, delayMs: 0 },
    tokenKey: rsaKey,
    published: publicKeys,
  }
  populate(state)
  return state
}

export const nowSeconds = (state: State): number => Math.floor(state.settings.now() + state.offsetSeconds)

export const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest()

/** 64 hex digits: session, token and code identifiers. */
export const newId = (): string => Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('hex')

/** The `<digits>_<digits>` of forms, which also strays into some JSON answers. */
export const newFormToken = (state: State): string => {
  const token = `${nowSeconds(state)}_${Math.floor(state.settings.random() * 65536)}`
  if (state.formTokens.has(token)) return newFormToken(state)
  state.formTokens.add(token)
  return token
}

/** Seconds, microseconds and three digits of chance: 19 digits, more than a double can hold. */
export const newSerial = (state: State): bigint => {
  const micros = BigInt(Math.floor(state.settings.random() * 1e6))
  const chance = BigInt(Math.floor(state.settings.random() * 1000))
  return BigInt(nowSeconds(state)) * 1_000_000_000n + micros * 1000n + chance
}

export const holds = (rule: Rule, name: string, user: User): boolean => {
  if (typeof rule === 'boolean') return rule
  return rule.some((item) => item === name || (item.startsWith('@') && user.groups.includes(item.slice(1))))
}

export const ruleFor = (state: State, group: string): GroupRules =>
  state.rules.get(group) ?? state.rules.get('default') ?? { ssh: false, sudo: false, offline: never }

/** The current certificate behind a fingerprint, or undefined when it is unknown, expired or revoked. */
export const knownCertificate = (state: State, user: string, fingerprint: string): Certificate | undefined =>
  state.certificates
    .get(user)
    ?.find(
      (entry) =>
        entry.fingerprint === fingerprint && entry.revokedAt === undefined && entry.expiresAt > nowSeconds(state),
    )
