// Which entries of the registry the user database may show. They were checked when they were written; but files can be
// edited, and nss-systemd believes every answer, uid 0 too.
import { validHome, validShell } from '../accounts/passwd-fields-format.ts'
import type { RegistryUser } from '../accounts/registry-format.ts'
import { isReservedUid } from '../accounts/uid.ts'
import type { Config } from '../config/load.ts'

/** Names and ids in the files of this host. They win over the registry. */
export type LocalIds = {
  readonly users: ReadonlySet<string>
  readonly groups: ReadonlySet<string>
  readonly uids: ReadonlySet<number>
  readonly gids: ReadonlySet<number>
}

export type Rules = Pick<
  Config,
  'min_uid' | 'max_uid' | 'approved_home_prefixes' | 'approved_shells' | 'create_user_home_base' | 'create_user_shell'
>

/** The entry that the database may show of this user; undefined when none. */
export function visibleUser(
  name: string,
  user: RegistryUser | undefined,
  { locals, rules }: { readonly locals: LocalIds; readonly rules: Rules },
): RegistryUser | undefined {
  if (user?.state !== 'active' || locals.users.has(name) || locals.uids.has(user.uid)) return undefined
  if (isReservedUid(user.uid) || isReservedUid(user.gid)) return undefined
  if (user.source !== 'portal') return user
  if (user.uid < rules.min_uid || user.uid > rules.max_uid) return undefined
  if (!validHome(user.home, [...rules.approved_home_prefixes, rules.create_user_home_base])) return undefined
  return validShell(user.shell, rules.approved_shells) ? user : { ...user, shell: rules.create_user_shell }
}

/** Whether the database may show a group of this name and gid. */
export const isVisibleGroup = (name: string, gid: number, locals: LocalIds): boolean =>
  !locals.groups.has(name) && !locals.gids.has(gid)
