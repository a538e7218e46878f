// Cached grants of the portal, for when it is unreachable. Found by name, never by listing.

import { Fault } from '../base/fault.ts'
import type { Fingerprint, LoginName } from '../base/names.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import { type Lockouts, openLockouts } from '../lockout/counters.ts'
import type { Granted } from '../portal-client/reply-format.ts'
import type { KeepingConfig } from '../secrets/derived-keys.ts'
import { openCacheKey } from '../secrets/sealed-directory.ts'
import { ivLength } from '../secrets/sealed-format.ts'
import { ageOf } from './freshness.ts'
import {
  type AuthCacheName,
  type AuthEntry,
  authCacheFileName,
  authCacheLimit,
  openAuthBody,
  openAuthHeader,
  sealAuthEntry,
} from './grants-format.ts'

export type GrantName = AuthCacheName & { readonly user: LoginName }

export type CachedGrant = {
  readonly kind: 'hit'
  readonly authorization: Granted
  /** Infinity when the clock was set back since. */
  readonly ageSeconds: number
  readonly expiresAt: number
  /** Keys that the portal accepted and that still count. */
  readonly fingerprints: readonly Fingerprint[]
}

export type NoCachedGrant = {
  readonly kind: 'miss' | 'expired' | 'tampered' | 'unreadable'
  readonly detail: string
}

export type AuthCache = {
  /** Keeps the answer. Keys accepted earlier stay, each until its own end. */
  readonly store: (
    name: GrantName,
    grant: {
      readonly authorization: Granted
      readonly fingerprint?: Fingerprint | undefined
      readonly seconds: number
    },
  ) => Promise<void>
  readonly lookup: (name: GrantName) => Promise<CachedGrant | NoCachedGrant>
  /** True when there was something to forget. */
  readonly forget: (name: GrantName) => boolean
}

export const authSalt = '.auth_salt'
/** A person has few keys; the ones used longest ago go first. */
const keptFingerprints = 32
/** As of the portal's answer itself. */
const mostGroups = 256

type Found = { readonly kind: 'entry'; readonly entry: AuthEntry; readonly writtenAt: number } | NoCachedGrant

export function openAuthCache(
  world: Parts<'now' | 'random' | 'files' | 'keyring'>,
  config: KeepingConfig & Pick<Config, 'auth_cache_dir' | 'auth_cache_ttl'>,
): AuthCache {
  const directory = config.auth_cache_dir
  const keys = openCacheKey(world, config, { directory, saltName: authSalt })
  const fileOf = (name: GrantName): string => `${directory}/${authCacheFileName(name)}`
  const find = async (name: GrantName): Promise<Found> => {
    const path = fileOf(name)
    try {
      const bytes = world.files.readTrusted(path, { limit: authCacheLimit, secret: true })
      if (!bytes) return { kind: 'miss', detail: 'nothing is kept for the user' }
      const key = await keys.find()
      if (!key) return { kind: 'unreadable', detail: `${path}: ${directory}/${authSalt} is missing or too short` }
      return await openFile(world, { path, bytes, key, user: name.user })
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      return { kind: 'unreadable', detail: error.message }
    }
  }
  return {
    store: async (name, { authorization, fingerprint, seconds }) => {
      const key = await keys.make()
      await keys.alone(fileOf(name), async () => {
        const now = Math.floor(world.now())
        const found = await find(name)
        const before = found.kind === 'entry' ? found.entry.fingerprints : undefined
        const fingerprints = merged(before, fingerprint, { now, until: now + seconds })
        const entry = entryOf(authorization, { expiresAt: now + seconds, createdAt: now, fingerprints })
        const sealed = await sealAuthEntry(key, entry, world.random(ivLength))
        world.files.writeAtomic(fileOf(name), sealed, { mode: 0o600 })
      })
    },
    lookup: async (name) => {
      const found = await find(name)
      return found.kind === 'entry' ? hitOf(found, name.user, world.now(), config.auth_cache_ttl) : found
    },
    forget: (name) => world.files.destroy(fileOf(name)),
  }
}

type File = { readonly path: string; readonly bytes: Uint8Array; readonly key: Uint8Array; readonly user: string }

async function openFile(world: Parts<'now' | 'files'>, { path, bytes, key, user }: File): Promise<Found> {
  const header = openAuthHeader(key, bytes)
  if (header.kind !== 'header') return { ...header, detail: `${path}: ${header.detail}` }
  if (header.expiresAt <= world.now()) {
    world.files.destroy(path)
    return { kind: 'expired', detail: 'what was kept for the user is too old' }
  }
  const opened = await openAuthBody(key, header.body, header.expiresAt)
  if (opened.kind !== 'entry') return { ...opened, detail: `${path}: ${opened.detail}` }
  if (opened.entry.user !== user)
    return { kind: 'tampered', detail: `${path}: it was sealed for another user and moved here` }
  const writtenAt = opened.entry.createdAt ?? world.files.stat(path)?.modifiedAt ?? 0
  return { kind: 'entry', entry: opened.entry, writtenAt }
}

function hitOf(
  { entry, writtenAt }: Found & { kind: 'entry' },
  user: LoginName,
  now: number,
  ttl = Number.POSITIVE_INFINITY,
): CachedGrant | NoCachedGrant {
  if (!entry.authorized) return { kind: 'miss', detail: 'what was kept for the user is a refusal' }
  // An administrator who shortens auth_cache_ttl means the cached entries, too.
  const ageSeconds = ageOf(writtenAt, now)
  if (Number.isFinite(ageSeconds) && ageSeconds > ttl)
    return { kind: 'expired', detail: 'what was kept for the user is older than auth_cache_ttl' }
  const { gecos, shell, home } = entry
  return {
    kind: 'hit',
    authorization: {
      kind: 'granted',
      user,
      groups: entry.groups.slice(0, mostGroups),
      sudoAllowed: entry.sudoAllowed,
      attributes: { ...(gecos && { gecos }), ...(shell && { shell }), ...(home && { home }) },
    },
    ageSeconds,
    expiresAt: Math.min(entry.expiresAt, writtenAt + ttl),
    fingerprints: [...(entry.fingerprints ?? [])].filter(([, until]) => until > now).map(([one]) => one),
  }
}

function merged(
  before: ReadonlyMap<Fingerprint, number> | undefined,
  accepted: Fingerprint | undefined,
  { now, until }: { readonly now: number; readonly until: number },
): ReadonlyMap<Fingerprint, number> {
  const living = [...(before ?? [])].filter(([one, end]) => end > now && one !== accepted)
  const all = accepted === undefined ? living : [...living, [accepted, until] as const]
  return new Map(all.slice(-keptFingerprints))
}

const entryOf = (
  { user, groups, sudoAllowed, attributes }: Granted,
  { fingerprints, ...life }: Required<Pick<AuthEntry, 'expiresAt' | 'createdAt' | 'fingerprints'>>,
): AuthEntry => ({
  user,
  authorized: true,
  sudoAllowed,
  sudoNopasswd: false,
  groups,
  managedGroups: [],
  gecos: attributes.gecos ?? '',
  shell: attributes.shell ?? '',
  home: attributes.home ?? '',
  ...life,
  ...(fingerprints.size > 0 ? { fingerprints } : {}),
})

/** How often the cache is asked for one user: the C implementation's counter files, in its place. */
export const openCacheLimits = (world: Parts<'now' | 'files'>, config: Config): Lockouts =>
  openLockouts(
    world,
    {
      ...config,
      rate_limit_enabled: config.cache_rate_limit_enabled,
      rate_limit_max_attempts: config.cache_rate_limit_max_attempts,
      rate_limit_initial_lockout: config.cache_rate_limit_lockout_sec,
      rate_limit_max_lockout: config.cache_rate_limit_max_lockout_sec,
      rate_limit_backoff_mult: 2,
    },
    `${config.auth_cache_dir}/ratelimit`,
  )
