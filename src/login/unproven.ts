// Marks a login that was authenticated while the portal was unreachable. A later phase of the same login that meets a
// portal which answers asks for another proof: a user who can stop this process from reaching the portal in one phase
// must not take the offline password into the next. Root's note, one file a connection or a sudo; it is not believed
// less with time.
import { hex, sha256 } from '../base/bytes.ts'
import { olderThan, sweep } from '../base/expire-files.ts'
import { isSsh } from '../base/pam-service.ts'
import { paths } from '../base/paths.ts'
import type { Parts } from '../base/world.ts'

export type OfflineProofs = {
  /** Throws where it cannot be written down: then the password does not count. */
  readonly mark: (service: string) => void
  readonly isMarked: (service: string) => boolean
  readonly clear: (service: string) => void
}

/** Longer than any program waits between two phases. */
const keptSeconds = 86_400

export function openOfflineProofs(world: Parts<'now' | 'files' | 'connectionSeed' | 'callerSeed'>): OfflineProofs {
  const fileOf = (service: string): string => {
    const seed = isSsh(service) ? world.connectionSeed() : world.callerSeed()
    return `${paths.offlineProofs}/${hex(sha256(seed)).slice(0, 32)}`
  }
  return {
    mark: (service) => {
      world.files.makeDirectory(paths.offlineProofs, 0o700)
      sweep(world, paths.offlineProofs, olderThan(world, keptSeconds))
      world.files.writeAtomic(fileOf(service), '', { mode: 0o600 })
    },
    isMarked: (service) => world.files.stat(fileOf(service)) !== undefined,
    clear: (service) => void world.files.remove(fileOf(service)),
  }
}
