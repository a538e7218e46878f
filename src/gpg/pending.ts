// Challenges that wait for their answer, one file for each program that asks.
import { decodeUtf8, hex, sha256 } from '../base/bytes.ts'
import { olderThan, sweep } from '../base/expire-files.ts'
import { Fault } from '../base/fault.ts'
import { paths } from '../base/paths.ts'
import type { Parts } from '../base/world.ts'
import { formatPending, type Pending, parsePending, parseUptime } from './pending-format.ts'

type Needs = Parts<'files' | 'now' | 'callerSeed'>

export type PendingStore = {
  /** Replaces what waited for the same program. */
  readonly put: (pending: Pending) => void
  /** The record, which is gone afterwards: one try, whatever comes of it. */
  readonly take: () => Pending | undefined
  readonly uptime: () => number
}

/** No challenge waits longer (gpg_timeout); the files of logins that were given up are removed after that. */
const forgottenSeconds = 3_600

export function openPending(world: Needs): PendingStore {
  const file = `${paths.gpgPending}/${hex(sha256(world.callerSeed())).slice(0, 32)}`
  return {
    put: (pending) => {
      world.files.makeDirectory(paths.gpgPending, 0o700)
      sweep(world, paths.gpgPending, olderThan(world, forgottenSeconds))
      world.files.writeAtomic(file, formatPending(pending), { mode: 0o600 })
    },
    take: () => {
      const bytes = world.files.readTrusted(file, { limit: 8192, secret: true })
      // Whoever removes it may answer it; a second process that read it too may not.
      if (!bytes || !world.files.remove(file)) return undefined
      return parsePending(decodeUtf8(bytes) ?? '')
    },
    uptime: () => {
      const text = decodeUtf8(world.files.read('/proc/uptime', 128) ?? new Uint8Array()) ?? ''
      const uptime = parseUptime(text)
      if (uptime === undefined) throw new Fault('/proc/uptime cannot be read, so no challenge can be given an end')
      return uptime
    },
  }
}
