// Whose keys a challenge is for, and whether the policy lets that user answer. The same work for every name, so that
// the time does not tell who has a key.
import { utf8 } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import type { LoginName } from '../base/names.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import type { Recipient } from './ask.ts'
import type { Engine } from './engine.ts'
import { type KeyFile, keyFile, readKeyFile } from './key-store.ts'
import { readUserFile, type UserFile } from './user-file.ts'

type Needs = Parts<'files' | 'spawn' | 'deadline' | 'now'> & { readonly engine: Engine }
type Policy = Pick<Config, 'gpg_users' | 'gpg_groups'>
type Sources = Policy & Pick<Config, 'gpg_user_files' | 'gpg_signing_key'>

export async function readRecipient(world: Needs, config: Sources, user: LoginName | undefined): Promise<Recipient> {
  const groups = config.gpg_groups === undefined ? [] : await groupsOf(world, user)
  if (!user) return { file: undefined, permitted: false }
  const permitted = isPermitted(config, user, groups)
  const file = readKeyFile(world, user)
  if (file || !config.gpg_user_files) return { file, permitted }
  return { file: undefined, permitted, ...(await readOwnFile(world, config, user)) }
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

/** In place of a file of root's: nobody asks what the user trusts, so a file that says notrust counts for nothing. */
async function readOwnFile(
  world: Needs,
  config: Sources,
  user: LoginName,
): Promise<{ readonly file?: KeyFile; readonly note?: string }> {
  const own = await orRefused(() => readUserFile(world, user))
  if (own.kind === 'absent') return {}
  if (own.kind === 'refused') return { note: own.problem }
  if (!own.file.isTrusted) return { note: '~/.auth_gpg says notrust; run: ob gpg import' }
  // The person relies on a signature that this host would not make.
  if (own.file.signAs !== undefined && config.gpg_signing_key === undefined)
    return { note: '~/.auth_gpg wants signed challenges; run: ob gpg signing-key' }
  return { file: keyFile(utf8(world.engine.armor(own.keys))) }
}

/** What is wrong in a home is no fault of the host: its owner sees a challenge like everybody, and the log says why. */
async function orRefused(work: () => Promise<UserFile>): Promise<UserFile> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    return { kind: 'refused', problem: error.message }
  }
}
