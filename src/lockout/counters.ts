// Failure counters, one file a key, in upstream's format; every change under a lock.
import { decodeUtf8 } from '../base/bytes.ts'
import { olderThan, sweep } from '../base/expire-files.ts'
import { orElse } from '../base/fault.ts'
import type { FileFacts, Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import { afterFailure, clockAdjusted, failuresLeft, secondsLeft } from './policy.ts'
import { formatLockoutState, type LockoutState, lockoutFileName, parseLockoutState } from './state-format.ts'

export type Lockouts = {
  /** Seconds until this key may try again, 0 when it may now. */
  readonly left: (key: string) => Promise<{ readonly secondsLeft: number }>
  readonly count: (key: string) => Promise<void>
  readonly clear: (key: string) => void
  /** Removes counters that are over; for a timer. */
  readonly tidy: () => void
}

/** Counts for those that came when no more could be remembered; no name and no address is written like this. */
const others = '*:*'
const forgottenSeconds = 86_400
/** 256 MiB of a disk with blocks of 4 KiB. */
export const mostCounters = 65_536
/** A counter is changed in milliseconds. */
const waitSeconds = 1
/** The detail of a refusal because the counter's lock is held. */
const heldSeconds = 5

/** With `most`, this many keys are counted each by itself and all others together: clients choose the keys. */
export function openLockouts(
  world: Parts<'now' | 'files'>,
  config: Config,
  directory: string,
  most = Number.POSITIVE_INFINITY,
): Lockouts {
  const policy = {
    maxAttempts: config.rate_limit_max_attempts,
    initialLockout: config.rate_limit_initial_lockout,
    maxLockout: config.rate_limit_max_lockout,
    multiplier: config.rate_limit_backoff_mult,
  }
  const fileOf = (key: string): string => `${directory}/${lockoutFileName(key)}`
  const read = (key: string): LockoutState | undefined => {
    const bytes = world.files.read(fileOf(key), 1024)
    return bytes && parseLockoutState(decodeUtf8(bytes) ?? '')
  }
  const write = (key: string, state: LockoutState): void =>
    world.files.writeAtomic(fileOf(key), formatLockoutState(state), { mode: 0o600 })
  // As many locks as there are beginnings of names: a process that holds one delays few others.
  const lockOf = (key: string): string => `${directory}/.lock-${lockoutFileName(key).slice(0, 2)}`
  const locked = (key: string, work: () => void): Promise<void> => world.files.withLock(lockOf(key), work, waitSeconds)
  const adjust = (key: string): void => {
    const state = read(key)
    if (state) write(key, clockAdjusted(state, world.now()))
  }
  const isStale = (path: string, facts: FileFacts): boolean => {
    if (!path.endsWith('.state')) return path.includes('.state.tmp.') && olderThan(world, forgottenSeconds)(path, facts)
    const bytes = world.files.read(path, 1024)
    const state = bytes && parseLockoutState(decodeUtf8(bytes) ?? '')
    if (!state) return olderThan(world, forgottenSeconds)(path, facts)
    return secondsLeft(state, world.now()) === 0 && failuresLeft(state, policy, world.now()) === 0
  }
  const isFull = (): boolean =>
    most < Number.POSITIVE_INFINITY &&
    (world.files.list(directory) ?? []).filter((name) => name.endsWith('.state')).length >= most
  const keyFor = (key: string): string => (read(key) || !isFull() ? key : others)
  if (!config.rate_limit_enabled) return disabled
  return {
    left: async (wanted) => {
      const key = read(wanted) || most === Number.POSITIVE_INFINITY ? wanted : others
      // A failure that cannot be counted counts as a lock: the holder of the lock may be stopped, and by the very user.
      if (world.files.stat(lockOf(key)) && (await isHeld(locked(key, () => undefined))))
        return { secondsLeft: heldSeconds }
      const state = read(key)
      if (!state) return { secondsLeft: 0 }
      // The clock was set back: written down, or the lock would never end.
      if (clockAdjusted(state, world.now()) !== state) await locked(key, () => adjust(key))
      return { secondsLeft: secondsLeft(read(key), world.now()) }
    },
    count: (key) => {
      world.files.makeDirectory(directory, 0o700)
      const counted = keyFor(key)
      if (!read(counted)) makeRoom(world, directory)
      return locked(counted, () => {
        sweep(world, directory, isStale)
        write(counted, afterFailure(read(counted), policy, world.now()))
      })
    },
    clear: (key) => void world.files.remove(fileOf(key)),
    tidy: () => sweep(world, directory, isStale, 'early'),
  }
}

/**
 * A client may have very many addresses (an IPv6 /48 is 65 536 sources): the counters that were used longest
 * ago go, a sixteenth at a time.
 */
function makeRoom(world: Parts<'files'>, directory: string): void {
  const states = (world.files.list(directory) ?? []).filter((name) => name.endsWith('.state'))
  if (states.length < mostCounters) return
  const aged = states.map((name) => {
    const path = `${directory}/${name}`
    return { path, at: world.files.stat(path)?.modifiedAt ?? 0 }
  })
  aged.sort((one, other) => one.at - other.at)
  for (const { path } of aged.slice(0, mostCounters / 16)) world.files.remove(path)
}

const isHeld = (taken: Promise<void>): Promise<boolean> =>
  orElse(
    async () => {
      await taken
      return false
    },
    (fault) => {
      if (fault.kind !== 'busy') throw fault
      return true
    },
  )

const disabled: Lockouts = {
  left: async () => ({ secondsLeft: 0 }),
  count: async () => undefined,
  clear: () => undefined,
  tidy: () => undefined,
}
