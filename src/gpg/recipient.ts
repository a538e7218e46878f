// Whose keys a challenge is for, and whether the policy lets that user answer. The same work for every name, so that
// the time does not tell who has a key.
import type { LoginName } from '../base/names.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import type { Recipient } from './ask.ts'
import { readKeyFile } from './key-store.ts'

type Needs = Parts<'files' | 'spawn' | 'deadline'>
type Policy = Pick<Config, 'gpg_users' | 'gpg_groups'>

export async function readRecipient(world: Needs, config: Policy, user: LoginName | undefined): Promise<Recipient> {
  const groups = config.gpg_groups === undefined ? [] : await groupsOf(world, user)
  if (!user) return { file: undefined, permitted: false }
  return { file: readKeyFile(world, user), permitted: isPermitted(config, user, groups) }
}

/** Neither list: everybody whom root gave a key file. */
export function isPermitted({ gpg_users, gpg_groups }: Policy, user: string, groups: readonly string[]): boolean {
  if (gpg_users === undefined && gpg_groups === undefined) return true
  return gpg_users?.includes(user) === true || gpg_groups?.some((group) => groups.includes(group)) === true
}

/** id(1) asks NSS, which knows the groups of local accounts and of exported ones. */
async function groupsOf(world: Needs, user: LoginName | undefined): Promise<readonly string[]> {
  const { code, stdout } = await world.spawn(['id', '-nG', '--', user ?? 'nobody'], { signal: world.deadline })
  return user && code === 0 ? stdout.trim().split(/\s+/) : []
}
