// The answers that count while the portal is unreachable: the cache, its limiter and the force_online file together.

import type { Fingerprint, LoginName } from '../base/names.ts'
import type { Parts } from '../base/world.ts'
import { type Config, groupOf } from '../config/load.ts'
import type { Granted } from '../portal-client/reply-format.ts'
import { forcedOnline } from './force-online.ts'
import { secondsToKeep } from './freshness.ts'
import { openAuthCache, openCacheLimits } from './grants.ts'
import type { Cached } from './policy.ts'

export type Offline = {
  readonly forceOnline: (user: LoginName) => 'listed' | 'free'
  /** Every use counts against the limiter; a hit starts the count anew. */
  readonly lookup: (user: LoginName) => Promise<Cached>
  /** Keeps the answer as long as the portal and the configuration allow; forgets an older one when they do not. */
  readonly keep: (authorization: Granted, fingerprint: Fingerprint | undefined) => Promise<void>
  readonly forget: (user: LoginName) => void
}

export function openOffline(
  world: Parts<'now' | 'random' | 'hostname' | 'files' | 'keyring'>,
  config: Config,
): Offline {
  const cache = openAuthCache(world, config)
  const limits = openCacheLimits(world, config)
  const nameOf = (user: LoginName) => ({ user, host: world.hostname(), group: groupOf(config) })
  return {
    forceOnline: (user) => forcedOnline(world, config, user),
    lookup: async (user) => {
      const { secondsLeft } = await limits.left(user)
      if (secondsLeft > 0) return { kind: 'limited', detail: `the cache may be asked again in ${secondsLeft} s` }
      const found = await cache.lookup(nameOf(user))
      if (found.kind === 'hit') limits.clear(user)
      else if (config.cache_rate_limit_enabled) await limits.count(user)
      return found
    },
    keep: async (authorization, fingerprint) => {
      const name = nameOf(authorization.user)
      const seconds = secondsToKeep(config.auth_cache_ttl, authorization.offlineSeconds)
      if (seconds === undefined) return void cache.forget(name)
      try {
        await cache.store(name, { authorization, fingerprint, seconds })
      } catch (error) {
        // On a full disk the older answer would stay, and allow a right that the portal has withdrawn.
        const older = await cache.lookup(name)
        if (older.kind === 'hit' && allowsMore(older.authorization, authorization)) cache.forget(name)
        throw error
      }
    },
    forget: (user) => void cache.forget(nameOf(user)),
  }
}

const allowsMore = (older: Granted, newer: Granted): boolean =>
  (older.sudoAllowed && !newer.sudoAllowed) || older.groups.some((group) => !newer.groups.includes(group))
