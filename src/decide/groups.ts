// Which shared groups a user is in on this host: those of the portal that the administrator named, and the right to
// sudo. Nothing else, whatever the portal says.
import type { RegistryUser } from '../formats/registry.ts'
import { parseGroupName } from '../names.ts'

export const sudoGroup = 'open-bastion-sudo'

export function sharedGroups(
  { sudo, groups, state }: Pick<RegistryUser, 'sudo' | 'groups' | 'state'>,
  allowed: readonly string[],
): readonly string[] {
  if (state !== 'active') return []
  const managed = groups.filter((group) => group !== sudoGroup && allowed.includes(group) && parseGroupName(group))
  return sudo ? [sudoGroup, ...managed] : managed
}
