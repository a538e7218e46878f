// One-time tokens are one-time here too: the first process that creates the file owns the token.
import { hex, sha256 } from '../base/bytes.ts'
import { olderThan, sweep } from '../base/expire-files.ts'
import { paths } from '../base/paths.ts'
import type { Secret } from '../base/secret.ts'
import type { Parts } from '../base/world.ts'

export type UsedTokens = {
  readonly take: (token: Secret) => 'won' | 'lost'
  readonly release: (token: Secret) => void
  /** Removes what is too old; for a timer. */
  readonly tidy: () => void
}

/** Longer than any portal lets a one-time token live (an hour by default). */
const keptSeconds = 86_400

export function openUsedTokens(world: Parts<'now' | 'files'>): UsedTokens {
  const fileOf = (token: Secret): string => `${paths.usedTokens}/${hex(sha256(token.expose()))}`
  return {
    take: (token) => {
      world.files.makeDirectory(paths.usedTokens, 0o700)
      sweep(world, paths.usedTokens, olderThan(world, keptSeconds))
      return world.files.createExclusive(fileOf(token), '', 0o600) ? 'won' : 'lost'
    },
    tidy: () => sweep(world, paths.usedTokens, olderThan(world, keptSeconds), 'early'),
    release: (token) => void world.files.remove(fileOf(token)),
  }
}
