// One-time tokens are one-time here too: the first process that creates the file owns the token.
import { hex, sha256 } from '../bytes.ts'
import { paths } from '../paths.ts'
import type { Secret } from '../secret.ts'
import type { World } from '../world.ts'

export type Claims = {
  readonly take: (token: Secret) => 'won' | 'lost'
  readonly release: (token: Secret) => void
}

/** Longer than any portal lets a one-time token live (an hour by default). */
const keptSeconds = 86_400
const sweepEverySeconds = 3_600

export function openClaims(world: World): Claims {
  const fileOf = (token: Secret): string => `${paths.claims}/${hex(sha256(token.expose()))}`
  return {
    take: (token) => {
      world.files.makeDirectory(paths.claims, 0o700)
      sweep(world)
      return world.files.createExclusive(fileOf(token), '', 0o600) ? 'won' : 'lost'
    },
    release: (token) => void world.files.remove(fileOf(token)),
  }
}

// Once an hour one login lists the directory; all others find their file by name.
function sweep(world: World): void {
  const marker = `${paths.claims}/.swept`
  const now = world.now()
  const swept = world.files.stat(marker)
  if (swept && Math.abs(now - swept.modifiedAt) < sweepEverySeconds) return
  world.files.writeAtomic(marker, '', { mode: 0o600 })
  for (const name of world.files.list(paths.claims) ?? []) {
    const path = `${paths.claims}/${name}`
    const facts = world.files.stat(path)
    if (facts && now - facts.modifiedAt > keptSeconds) world.files.remove(path)
  }
}
