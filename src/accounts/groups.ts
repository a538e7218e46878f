// Which shared groups a user is in on this host: those of the portal that the administrator named, and the right to
// sudo. Nothing else, whatever the portal says.

import { parseGroupName } from '../base/names.ts'
import type { RegistryUser } from './registry-format.ts'

export const sudoGroup = 'open-bastion-sudo'

/** sudoers asks its members for no password: service accounts, which have none. */
export const nopasswdGroup = 'open-bastion-nopasswd'

export function sharedGroups(
  { sudo, groups, state, source }: Pick<RegistryUser, 'sudo' | 'groups' | 'state'> & Partial<RegistryUser>,
  allowed: readonly string[],
): readonly string[] {
  if (state !== 'active') return []
  if (source === 'service') return sudo ? [sudoGroup, ...groups.filter((group) => group === nopasswdGroup)] : []
  const ours = [sudoGroup, nopasswdGroup]
  const managed = groups.filter((group) => !ours.includes(group) && allowed.includes(group) && parseGroupName(group))
  return sudo ? [sudoGroup, ...managed] : managed
}
