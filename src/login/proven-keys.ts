// The key that a connection was proven with, for the sudo that comes later: the portal is asked with it, so a
// certificate that was revoked meanwhile sudoes no more. Root's record, one file a connection, as long as its sshd
// lives.
import { connectionOf } from '../accounts/uid-reservations.ts'
import { decodeUtf8, hex, sha256 } from '../base/bytes.ts'
import { sweep } from '../base/expire-files.ts'
import { type Fingerprint, type LoginName, parseFingerprint } from '../base/names.ts'
import { paths } from '../base/paths.ts'
import type { Parts } from '../base/world.ts'

export type ProvenKeys = {
  /** No fingerprint: the connection was proven by something else. */
  readonly note: (user: LoginName, fingerprint: Fingerprint | undefined) => void
  readonly of: (user: LoginName) => Fingerprint | undefined
  /** Removes those of connections that ended; for a timer. */
  readonly tidy: () => void
}

export function openProvenKeys(world: Parts<'now' | 'files' | 'connectionSeed'>): ProvenKeys {
  // No name holds a colon.
  const fileOf = (user: LoginName): string => {
    const seed = world.connectionSeed()
    return `${paths.provenKeys}/${user}:${connectionOf(seed)}:${hex(sha256(seed)).slice(0, 32)}`
  }
  const isOver = (path: string): boolean => {
    const pid = path.split(':')[1]
    return pid !== undefined && world.files.stat(`/proc/${pid}`) === undefined
  }
  const read = (path: string): string | undefined => {
    const bytes = world.files.readTrusted(path, { limit: 128, secret: true })
    return bytes && decodeUtf8(bytes)?.trim()
  }
  return {
    note: (user, fingerprint) => {
      world.files.makeDirectory(paths.provenKeys, 0o700)
      sweep(world, paths.provenKeys, isOver)
      world.files.writeAtomic(fileOf(user), `${fingerprint ?? ''}\n`, { mode: 0o600 })
    },
    tidy: () => sweep(world, paths.provenKeys, isOver, 'early'),
    of: (user) => {
      const own = read(fileOf(user))
      if (own !== undefined) return parseFingerprint(own)
      // A program that left its connection (tmux, nohup, or on purpose): the last key the user proved here.
      const others = (world.files.list(paths.provenKeys) ?? [])
        .filter((name) => name.startsWith(`${user}:`))
        .map((name) => `${paths.provenKeys}/${name}`)
        .map((path) => ({
          at: world.files.stat(path)?.modifiedAt ?? 0,
          fingerprint: parseFingerprint(read(path) ?? ''),
        }))
        .filter(({ fingerprint }) => fingerprint !== undefined)
        .sort((one, other) => other.at - one.at)
      return others[0]?.fingerprint
    },
  }
}
