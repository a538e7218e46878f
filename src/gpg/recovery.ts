// One-time recovery codes, for the day on which a person has neither key nor portal. Hashes only, one file a user.
import { decodeUtf8, equalBytes, utf8 } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { type LoginName, parseLoginName } from '../base/names.ts'
import { paths } from '../base/paths.ts'
import type { Parts } from '../base/world.ts'
import { argon2SaltLength, formatVerifier, openArgon2, parseVerifier, usualCost } from '../offline/argon2.ts'
import { codeBytes, formatCode } from './challenge-format.ts'
import {
  formatRecoveryCode,
  formatRecoveryFile,
  howMany,
  parseRecoveryFile,
  type RecoveryCode,
  type RecoveryFile,
} from './recovery-format.ts'

type Needs = Parts<'files' | 'now' | 'random' | 'argon2'>

export type RecoveryCodes = {
  /** Ten new codes; those of before count no more. */
  readonly make: (user: LoginName) => Promise<readonly string[]>
  /** True for a code that was not spent, which is spent now. Takes as long for a user who has none. */
  readonly spend: (user: LoginName, code: RecoveryCode) => Promise<boolean>
  readonly left: (user: LoginName) => number | undefined
  readonly users: () => readonly LoginName[]
  readonly remove: (user: LoginName) => boolean
}

/** A code is looked up in milliseconds; a process that a user stopped below sudo holds the lock for good. */
const waitSeconds = 2

export function openRecoveryCodes(world: Needs): RecoveryCodes {
  const argon2 = openArgon2(world.argon2)
  const pathOf = (user: LoginName): string => `${paths.recovery}/${user}`
  const locked = <T>(work: () => T | Promise<T>): Promise<T> =>
    world.files.withLock(`${paths.recovery}/.lock`, work, waitSeconds)
  const read = (user: LoginName): RecoveryFile | undefined => {
    const bytes = world.files.readTrusted(pathOf(user), { limit: 8192, secret: true })
    if (!bytes) return undefined
    const file = parseRecoveryFile(decodeUtf8(bytes) ?? '')
    if (!file) throw new Fault(`${pathOf(user)} is no file of recovery codes`, { hint: `ob recovery make ${user}` })
    return file
  }
  const write = (user: LoginName, file: RecoveryFile): void =>
    world.files.writeAtomic(pathOf(user), formatRecoveryFile(file), { mode: 0o600 })

  return {
    make: async (user) => {
      const codes = Array.from({ length: howMany }, (_, number) => ({
        number,
        code: formatCode(world.random(codeBytes)),
      }))
      const left: Record<string, string> = {}
      for (const { number, code } of codes) {
        const salt = world.random(argon2SaltLength)
        const hash = await argon2(utf8(code), salt, usualCost)
        left[number] = formatVerifier({ cost: usualCost, salt, hash })
      }
      world.files.makeDirectory(paths.recovery, 0o700)
      await locked(() => write(user, { made: Math.floor(world.now()), left }))
      return codes.map(formatRecoveryCode)
    },
    spend: async (user, { number, code }) => {
      const file = read(user)
      const verifier = parseVerifier(file?.left[number] ?? '')
      const { cost, salt } = verifier ?? { cost: usualCost, salt: new Uint8Array(argon2SaltLength) }
      const hash = await argon2(utf8(code), salt, cost)
      if (!file || !verifier || !equalBytes(hash, verifier.hash)) return false
      return locked(() => {
        const now = read(user)
        if (!now || now.left[number] !== file.left[number]) return false
        const { [number]: _, ...left } = now.left
        // On the disk before anybody is let in: a code that cannot be crossed out does not count.
        write(user, { ...now, left })
        return true
      })
    },
    left: (user) => {
      const file = read(user)
      return file && Object.keys(file.left).length
    },
    users: () => (world.files.list(paths.recovery) ?? []).flatMap((name) => parseLoginName(name) ?? []).sort(),
    remove: (user) => world.files.destroy(pathOf(user)),
  }
}
