// Introspected access tokens, cached for a few minutes. One-time tokens never come here.

import { olderThan, sweep } from '../base/expire-files.ts'
import { orElse } from '../base/fault.ts'
import type { LoginName } from '../base/names.ts'
import type { Secret } from '../base/secret.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import type { KeepingConfig } from '../secrets/derived-keys.ts'
import { openCacheKey } from '../secrets/sealed-directory.ts'
import { ivLength } from '../secrets/sealed-format.ts'
import {
  openTokenEntry,
  sealTokenEntry,
  tokenCacheFileName,
  tokenCacheLimit,
  tokenCacheSuffix,
} from './tokens-format.ts'

export type CachedToken =
  | { readonly kind: 'hit'; readonly authorized: boolean; readonly expiresAt: number }
  | { readonly kind: 'miss' | 'expired' | 'tampered' | 'unreadable'; readonly detail: string }

export type TokenCache = {
  /** Keeps an answer for cache_ttl at most, and not longer than the token itself lives. */
  readonly store: (
    token: Secret,
    user: LoginName,
    answer: { readonly authorized: boolean; readonly tokenExpiresAt?: number | undefined },
  ) => Promise<void>
  readonly lookup: (token: Secret, user: LoginName) => Promise<CachedToken>
  readonly forget: (token: Secret, user: LoginName) => boolean
  /** Forgets all entries of a user, who may have had many tokens. Returns their number. */
  readonly forgetUser: (user: LoginName) => Promise<number>
}

export type TokenCacheConfig = KeepingConfig & Pick<Config, 'cache_dir' | 'cache_ttl'>

export const tokenSalt = '.cache_salt'

export function openTokenCache(
  world: Parts<'now' | 'random' | 'files' | 'keyring'>,
  config: TokenCacheConfig,
): TokenCache {
  const directory = config.cache_dir
  const keys = openCacheKey(world, config, { directory, saltName: tokenSalt })
  const fileOf = (token: Secret, user: LoginName): string => `${directory}/${tokenCacheFileName(token.expose(), user)}`
  const isOld = olderThan(world, config.cache_ttl)
  const read = (path: string) => world.files.readTrusted(path, { limit: tokenCacheLimit, secret: true })
  const find = async (path: string, user: LoginName): Promise<CachedToken> => {
    const bytes = read(path)
    if (!bytes) return { kind: 'miss', detail: 'nothing is kept about the token' }
    const key = await keys.find()
    if (!key) return { kind: 'unreadable', detail: `${path}: ${directory}/${tokenSalt} is missing or too short` }
    const opened = await openTokenEntry(key, bytes)
    if (opened.kind !== 'entry') return { ...opened, detail: `${path}: ${opened.detail}` }
    const { entry } = opened
    if (entry.user !== user) return { kind: 'tampered', detail: `${path}: it was sealed for another user` }
    if (entry.expiresAt > world.now()) return { kind: 'hit', authorized: entry.authorized, expiresAt: entry.expiresAt }
    world.files.remove(path)
    return { kind: 'expired', detail: 'what was kept about the token is too old' }
  }
  return {
    store: async (token, user, { authorized, tokenExpiresAt = Number.POSITIVE_INFINITY }) => {
      const now = Math.floor(world.now())
      const expiresAt = Math.min(now + config.cache_ttl, Math.floor(tokenExpiresAt))
      if (expiresAt <= now) return
      const key = await keys.make()
      sweep(world, directory, (path, facts) => path.endsWith(tokenCacheSuffix) && isOld(path, facts))
      const sealed = await sealTokenEntry(key, { user, expiresAt, authorized }, world.random(ivLength))
      world.files.writeAtomic(fileOf(token, user), sealed, { mode: 0o600 })
    },
    lookup: async (token, user) => {
      return orElse(
        () => find(fileOf(token, user), user),
        (fault) => ({ kind: 'unreadable', detail: fault.message }),
      )
    },
    forget: (token, user) => world.files.destroy(fileOf(token, user)),
    forgetUser: async (user) => {
      const key = await keys.find()
      let count = 0
      for (const name of key ? (world.files.list(directory) ?? []) : []) {
        if (!name.endsWith(tokenCacheSuffix)) continue
        const path = `${directory}/${name}`
        const bytes = read(path)
        const opened = key && bytes && (await openTokenEntry(key, bytes))
        if (opened?.kind === 'entry' && opened.entry.user === user && world.files.destroy(path)) count++
      }
      return count
    },
  }
}
