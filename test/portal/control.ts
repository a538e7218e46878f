// The strings by which a test moves the portal. Every verb takes one object, so the same verbs work over HTTP.
import type { createFaults, Fault } from './faults.ts'
import { newGrant, storeAccess } from './grants.ts'
import { newRsaKey, publicOf } from './keys.ts'
import { findDevice, mintToken, openSession } from './pages.ts'
import {
  type Grant,
  type GroupRules,
  newId,
  newSerial,
  nowSeconds,
  populate,
  type Rule,
  type State,
  type User,
} from './state.ts'

export type LoggedRequest = {
  readonly method: string
  readonly path: string
  readonly query: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** Epoch seconds by the portal's clock. */
  readonly time: number
}

type UserChange = {
  readonly user: string
  readonly password?: string
  readonly groups?: readonly string[]
  readonly admin?: boolean
  /** Merged over what is there; null takes a variable away. */
  readonly attributes?: Readonly<Record<string, string | number | null>>
}

type RuleChange = {
  readonly group: string
  readonly ssh?: Rule
  readonly sudo?: Rule
  readonly offline?: { readonly rule?: Rule; readonly ttl?: number }
}

type KeyChange = {
  readonly user: string
  readonly fingerprint: string
  readonly label?: string
  /** Decimal digits: more than a JSON number can hold. */
  readonly serial?: string
  readonly hop?: boolean
  readonly expiresInSeconds?: number
}

type Enrollment = {
  readonly client_id?: string
  readonly user?: string
  readonly scope?: string
  readonly grant?: Grant['grant']
}

const newUser = (name: string): User => ({
  password: name,
  groups: ['users'],
  admin: false,
  attributes: {
    uid: name,
    cn: name,
    gecos: name,
    mail: `${name}@badwolf.org`,
    shell: '/bin/bash',
    home: `/home/${name}`,
  },
})

const people = (state: State) => ({
  setUser: (change: UserChange): void => {
    const user = state.users.get(change.user) ?? newUser(change.user)
    user.password = change.password ?? user.password
    user.groups = change.groups ?? user.groups
    user.admin = change.admin ?? user.admin
    const merged = Object.entries({ ...user.attributes, ...change.attributes })
    user.attributes = Object.fromEntries(merged.flatMap(([name, value]) => (value === null ? [] : [[name, value]])))
    state.users.set(change.user, user)
  },
  removeUser: ({ user }: { readonly user: string }): boolean => state.users.delete(user),
  setRules: (change: RuleChange): void => {
    const before: GroupRules = state.rules.get(change.group) ?? {
      ssh: false,
      sudo: false,
      offline: { rule: false, ttl: 86400 },
    }
    const { group, offline, ...rules } = change
    state.rules.set(group, { ...before, ...rules, offline: { ...before.offline, ...offline } })
  },
  addFingerprint: (change: KeyChange): string => {
    const serial = change.serial === undefined ? newSerial(state) : BigInt(change.serial)
    const now = nowSeconds(state)
    const others = (state.certificates.get(change.user) ?? []).filter(
      (entry) => entry.fingerprint !== change.fingerprint,
    )
    state.certificates.set(change.user, [
      ...others,
      {
        fingerprint: change.fingerprint,
        label: change.label,
        serial,
        keyId: `${change.user}@llng-${now}-${serial}`,
        issuedAt: now,
        expiresAt: now + (change.expiresInSeconds ?? 30 * 86400),
        principals: change.user,
        hop: change.hop ?? false,
        revokedAt: undefined,
        revokedBy: undefined,
        reason: undefined,
      },
    ])
    return serial.toString()
  },
  revokeFingerprint: ({ user, fingerprint }: { readonly user: string; readonly fingerprint: string }): boolean => {
    const entry = state.certificates.get(user)?.find((item) => item.fingerprint === fingerprint)
    if (entry === undefined) return false
    entry.revokedAt = nowSeconds(state)
    entry.revokedBy = 'dwho'
    state.revokedSerials.add(entry.serial)
    return true
  },
})

const decide = (state: State, userCode: string, verdict: 'approved' | 'denied', session: string | undefined): void => {
  const device = findDevice(state, userCode)
  if (device === undefined) throw new Error(`no pending device has the user code ${userCode}`)
  device.verdict = verdict
  device.session = session
}

const credentials = (state: State) => ({
  mintToken: ({ user, duration }: { readonly user: string; readonly duration?: number }): string =>
    mintToken(state, user, String(duration ?? 600)),
  /** A portal cookie's value. */
  login: ({ user }: { readonly user: string }): string => openSession(state, user),
  logout: ({ session }: { readonly session: string }): boolean => state.sessions.delete(session),
  approve: ({ user_code, user }: { readonly user_code: string; readonly user?: string }): void =>
    decide(state, user_code, 'approved', openSession(state, user ?? 'dwho')),
  deny: ({ user_code }: { readonly user_code: string }): void => decide(state, user_code, 'denied', undefined),
  /** An enrollment without the ceremony. */
  enroll: (wanted: Enrollment) => {
    const clientId = wanted.client_id ?? 'pam-access'
    const client = state.clients.get(clientId)
    if (client === undefined) throw new Error(`no client is called ${clientId}`)
    const { user = 'dwho', scope = 'pam:server', grant: type = 'device_code' } = wanted
    const grant = newGrant(client, { clientId, user, scope, grant: type })
    const refresh = newId()
    state.refresh.set(refresh, grant)
    state.refreshUntil.set(refresh, nowSeconds(state) + state.settings.refreshSeconds)
    return {
      access_token: storeAccess(state, grant, nowSeconds(state), false),
      refresh_token: refresh,
      expires_in: state.settings.accessSeconds,
    }
  },
  expireAccessTokens: (): void => {
    for (const token of state.access.values()) token.expiresAt = 0
  },
  /** The portal forgets every server: access tokens and refresh tokens are unknown from now on. */
  dropEnrollment: (): void => {
    state.access.clear()
    state.refresh.clear()
  },
  /** From now on another key signs bastion tokens; the one before stays published, unless it is withdrawn. */
  rotateKeys: ({ kid, withdraw }: { readonly kid: string; readonly withdraw?: boolean }): void => {
    state.tokenKey = newRsaKey(kid)
    state.published = [...(withdraw === true ? [] : state.published), publicOf(state.tokenKey)]
  },
  nonAtomicTokens: ({ on, delayMs }: { readonly on: boolean; readonly delayMs?: number }): void => {
    state.nonAtomic = { on, delayMs: delayMs ?? 50 }
  },
})

export const createControl = (state: State, log: LoggedRequest[], faults: ReturnType<typeof createFaults>) => ({
  ...people(state),
  ...credentials(state),
  fault: (fault: Fault): void => faults.arm(fault),
  /** What was asked so far, oldest first. */
  requests: (filter: { readonly path?: string } = {}): readonly LoggedRequest[] =>
    log.filter((entry) => filter.path === undefined || entry.path === filter.path),
  forgetRequests: (): void => {
    log.length = 0
  },
  /** Bodies of the heartbeats, without the refresh token. */
  heartbeats: (): readonly Readonly<Record<string, unknown>>[] => state.heartbeats,
  clock: ({ offsetSeconds }: { readonly offsetSeconds: number }): number => {
    state.offsetSeconds = offsetSeconds
    return nowSeconds(state)
  },
  reset: (): void => {
    populate(state)
    faults.arm({ kind: 'none' })
    log.length = 0
  },
})

export type Control = ReturnType<typeof createControl>
