// Which sessions of a user are open, by notes that root left when they began. So nothing has to run with the user's
// environment when one ends: a note names the process that every phase of a connection descends from, and the session
// is over when that process is.
import { connectionOf } from '../accounts/uid-reservations.ts'
import { decodeBytewise, decodeUtf8, hex, sha256 } from '../base/bytes.ts'
import type { LoginName } from '../base/names.ts'
import { paths } from '../base/paths.ts'
import type { Parts } from '../base/world.ts'

export type OpenSessions = {
  readonly began: (user: LoginName) => void
  /** Whether a session of this user ended since the last call; its notes are removed. */
  readonly takeEnded: (user: LoginName) => boolean
}

/** Notes with the text of the connection (boot, process, when it started); no name holds a colon. */
export function openOpenSessions(world: Parts<'files' | 'connectionSeed'>): OpenSessions {
  const seedOf = (path: string): string => {
    const bytes = world.files.readTrusted(path, { limit: 256, secret: true })
    return (bytes && decodeUtf8(bytes)?.trim()) ?? ''
  }
  return {
    began: (user) => {
      const seed = world.connectionSeed()
      world.files.makeDirectory(paths.openSessions, 0o700)
      world.files.writeAtomic(`${paths.openSessions}/${user}:${hex(sha256(seed)).slice(0, 32)}`, `${seed}\n`, {
        mode: 0o600,
      })
    },
    takeEnded: (user) => {
      const ended = (world.files.list(paths.openSessions) ?? [])
        .filter((name) => name.startsWith(`${user}:`))
        .map((name) => `${paths.openSessions}/${name}`)
        .filter((path) => !isRunning(world, seedOf(path)))
      for (const path of ended) world.files.remove(path)
      return ended.length > 0
    },
  }
}

/** Whether the very process still runs: its number may have been given to another one since (proc_pid_stat(5)). */
function isRunning(world: Parts<'files'>, seed: string): boolean {
  const pid = connectionOf(seed)
  const bytes = Number.isSafeInteger(pid) ? world.files.read(`/proc/${pid}/stat`, 4096) : undefined
  if (!bytes) return false
  const text = decodeBytewise(bytes)
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return fields[19] === seed.split(' ')[2] && !/^[ZX]$/.test(fields[0] ?? '')
}
