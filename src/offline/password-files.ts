// The files of offline passwords: sealed entries in the cache directory, and for each a sealed generation number in the
// state directory, so that restoring an old entry neither unlocks it nor brings it back.

import type { JsonObject } from '../base/json.ts'
import { paths } from '../base/paths.ts'
import type { Parts } from '../base/world.ts'
import { ivLength } from '../secrets/sealed-format.ts'
import {
  changedMembers,
  generationFileName,
  type OfflinePassword,
  openGeneration,
  openPassword,
  type PasswordChange,
  passwordFileName,
  passwordLimit,
  sealGeneration,
  sealPassword,
} from './password-format.ts'
import { isCurrent, nextGeneration } from './password-policy.ts'

export type OpenedEntry =
  | { readonly kind: 'entry'; readonly credential: OfflinePassword }
  | { readonly kind: 'unknown' | 'expired' | 'unreadable' | 'invalid' | 'io'; readonly detail: string }

export type PasswordFiles = {
  /** Faults when the file cannot be trusted or read. */
  readonly open: (key: Uint8Array, user: string) => Promise<OpenedEntry>
  readonly write: (key: Uint8Array, user: string, members: JsonObject) => Promise<void>
  readonly change: (key: Uint8Array, before: OfflinePassword, change: PasswordChange) => Promise<void>
  /** Why an entry that opens does not count, if it does not. */
  readonly doubt: (key: Uint8Array, credential: OfflinePassword) => Promise<string | undefined>
  readonly generation: (key: Uint8Array, user: string) => Promise<number | undefined>
  readonly setGeneration: (key: Uint8Array, user: string, generation: number) => Promise<void>
  readonly isThere: (user: string) => boolean
  /** True when there was one. */
  readonly destroy: (user: string) => boolean
  /** Runs this under the lock of the user's entry. */
  readonly alone: <T>(user: string, work: () => Promise<T>) => Promise<T>
}

export function openPasswordFiles(world: Parts<'now' | 'random' | 'files'>, directory: string): PasswordFiles {
  const fileOf = (user: string): string => `${directory}/${passwordFileName(user)}`
  const generationOf = (user: string): string => `${paths.generations}/${generationFileName(user)}`
  const trusted = (path: string, limit: number) => world.files.readTrusted(path, { limit, secret: true })
  const write = async (key: Uint8Array, user: string, members: JsonObject): Promise<void> =>
    world.files.writeAtomic(fileOf(user), await sealPassword(key, members, world.random(ivLength)), { mode: 0o600 })
  const setGeneration = async (key: Uint8Array, user: string, generation: number): Promise<void> => {
    world.files.makeDirectory(paths.generations, 0o700)
    const sealed = await sealGeneration(key, { user, generation }, world.random(ivLength))
    world.files.writeAtomic(generationOf(user), sealed, { mode: 0o600 })
  }
  const recorded = async (key: Uint8Array, user: string): Promise<number | 'absent' | 'broken'> => {
    const bytes = trusted(generationOf(user), 1024)
    return bytes ? ((await openGeneration(key, bytes, user)) ?? 'broken') : 'absent'
  }
  const doubt = async (key: Uint8Array, credential: OfflinePassword): Promise<string | undefined> => {
    const { user, generation } = credential
    const known = await recorded(key, user)
    if (known === 'broken') return `${generationOf(user)} does not open`
    if (known === 'absent') return generation === undefined ? undefined : `${generationOf(user)} is gone`
    return isCurrent(credential, known) ? undefined : 'an old copy was put in its place'
  }
  return {
    open: async (key, user) => {
      const path = fileOf(user)
      const bytes = trusted(path, passwordLimit)
      if (!bytes) return { kind: 'unknown', detail: 'no password is kept for the user' }
      const opened = await openPassword(key, bytes)
      if (opened.kind !== 'credential')
        return opened.kind === 'malformed'
          ? { kind: 'invalid', detail: `${path} is not a kept password` }
          : { kind: 'unreadable', detail: `${path} does not open: ${otherKey}` }
      const { credential } = opened
      if (credential.user !== user) return { kind: 'invalid', detail: `${path} was sealed for another user` }
      const doubtful = await doubt(key, credential)
      if (doubtful !== undefined) return { kind: 'invalid', detail: `${path}: ${doubtful}` }
      if (credential.expiresAt > world.now()) return { kind: 'entry', credential }
      world.files.destroy(path)
      return { kind: 'expired', detail: 'the password kept for the user is too old' }
    },
    doubt,
    write,
    change: async (key, before, change) => {
      const same =
        change.failedAttempts === before.failedAttempts &&
        (change.lockedUntil ?? before.lockedUntil) === before.lockedUntil &&
        before.generation !== undefined
      const generation = same ? before.generation : nextGeneration(before, world.now())
      await write(key, before.user, changedMembers(before.members, { ...change, generation }))
      if (!same) await setGeneration(key, before.user, generation)
    },
    generation: async (key, user) => {
      const known = await recorded(key, user)
      return typeof known === 'number' ? known : undefined
    },
    setGeneration,
    isThere: (user) => world.files.stat(fileOf(user)) !== undefined,
    destroy: (user) => world.files.destroy(fileOf(user)),
    alone: (user, work) => {
      world.files.makeDirectory(directory, 0o700)
      // As many locks as there are beginnings of names: clients choose the names.
      return world.files.withLock(`${directory}/.lock-${passwordFileName(user).slice(0, 2)}`, work, waitSeconds)
    },
  }
}

/** Argon2 runs under the lock, a fraction of a second each time; a process that is stopped there holds it for good. */
const waitSeconds = 2

const otherKey = 'it was changed, or the key file, the machine-id or the salt was'
