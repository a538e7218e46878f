// Which accounts of /etc/passwd the C implementation made for portal users: they are adopted, so that their uid stays
// theirs and the portal's word about sudo and groups reaches them. The line in /etc/passwd stays.
import type { PasswdEntry } from './passwd-format.ts'
import { isReservedUid, type UidRange } from './uid.ts'

export type LocalUser = PasswdEntry & {
  /** The account never had a password: shadow(5) has ! or * and nothing behind it. */
  readonly isLocked: boolean
  /** Other names in /etc/passwd with this uid. */
  readonly sharedWith: readonly string[]
}

/** The usual primary group of portal users there (users). Every other reserved group means power. */
export const usualGid = 100

/** Why this is no account that the C implementation made, in words; undefined when it may be one. */
export function notAdoptable(user: LocalUser, range: UidRange): string | undefined {
  if (user.uid < range.min || user.uid > range.max || isReservedUid(user.uid))
    return `uid ${user.uid} is not between min_uid and max_uid`
  if (user.sharedWith.length > 0) return `uid ${user.uid} is ${user.sharedWith.join(', ')}, too`
  if (!user.isLocked) return 'the account has a password of its own, or had one, so it is a local one'
  if (user.gid !== usualGid && isReservedUid(user.gid)) return `its primary group ${user.gid} is a group of the system`
  if (!/^\/[^/]/.test(user.home) || !/^\/[^/]/.test(user.shell)) return 'its home or its shell is no absolute path'
  return undefined
}
