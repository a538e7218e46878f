// Access tokens that the portal called active a moment ago, so that not every connection asks again.

import type { LoginName } from '../base/names.ts'
import type { Secret } from '../base/secret.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import { openOpenSessions } from './open-sessions.ts'
import { openTokenCache } from './tokens.ts'

export type KnownTokens = {
  readonly recall: (user: LoginName, token: Secret) => Promise<'active' | 'unknown'>
  readonly keep: (user: LoginName, token: Secret, secondsLeft: number) => Promise<void>
  /** At the beginning of a session: cache_invalidate_on_logout acts when it is over. */
  readonly sessionBegan: (user: LoginName) => void
  /** At the end of a session, when cache_invalidate_on_logout says so. */
  readonly forgetUser: (user: LoginName) => Promise<void>
}

export function openKnownTokens(
  world: Parts<'now' | 'random' | 'files' | 'keyring' | 'connectionSeed'>,
  config: Config,
): KnownTokens {
  const cache = openTokenCache(world, config)
  const sessions = openOpenSessions(world)
  return {
    // A damaged entry counts as absent: the portal is asked.
    recall: async (user, token) => {
      // The stacks run nothing at a logout: what a session that is over left behind is forgotten before it is used.
      if (config.cache_invalidate_on_logout && sessions.takeEnded(user)) await cache.forgetUser(user)
      const found = await cache.lookup(token, user)
      return found.kind === 'hit' && found.authorized ? 'active' : 'unknown'
    },
    keep: (user, token, secondsLeft) =>
      cache.store(token, user, { authorized: true, tokenExpiresAt: Math.floor(world.now() + secondsLeft) }),
    sessionBegan: (user) => {
      if (config.cache_enabled && config.cache_invalidate_on_logout) sessions.began(user)
    },
    forgetUser: async (user) => {
      if (config.cache_invalidate_on_logout) await cache.forgetUser(user)
    },
  }
}
