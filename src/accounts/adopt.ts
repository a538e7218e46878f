// Accounts of /etc/passwd that are adopted: how they are read, and their memberships in the groups of /etc/group.
import { decodeUtf8 } from '../base/bytes.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import { type LocalUser, notAdoptable } from './adopt-policy.ts'
import { mayBeLocal, readForeign } from './extrausers.ts'
import { sudoGroup } from './groups.ts'
import { editMemberships } from './local-files.ts'
import { sanitizeGecos } from './passwd-fields-format.ts'
import { parseGroup, parsePasswd, readIds } from './passwd-format.ts'
import { openRegistry } from './registry.ts'
import type { RegistryUser } from './registry-format.ts'
import type { UidRange } from './uid.ts'

type AdoptConfig = Pick<Config, 'min_uid' | 'max_uid' | 'allowed_managed_groups'>

export type Candidate = { readonly user: LocalUser; readonly problem: string | undefined }

/** Every account of /etc/passwd with a uid for portal users, or the one of this name wherever its uid is. */
export function readCandidates(
  world: Parts<'files'>,
  config: AdoptConfig,
  name?: string,
  range: UidRange = { min: config.min_uid, max: config.max_uid },
): readonly Candidate[] {
  const entries = parsePasswd(readForeign(world, '/etc/passwd')).lines.flatMap((line) =>
    line.kind === 'entry' ? [line.entry] : [],
  )
  const locked = lockedNames(readForeign(world, '/etc/shadow'))
  const wanted = entries.filter((entry) =>
    name === undefined ? entry.uid >= range.min && entry.uid <= range.max : entry.name === name,
  )
  return wanted.map((entry) => {
    const sharedWith = entries.flatMap((other) => (other !== entry && other.uid === entry.uid ? [other.name] : []))
    const user = { ...entry, isLocked: locked.has(entry.name), sharedWith }
    const isTwice = entries.some((other) => other !== entry && other.name === entry.name)
    return { user, problem: isTwice ? 'the name is there twice' : notAdoptable(user, range) }
  })
}

const lockedNames = (shadow: string): ReadonlySet<string> =>
  new Set(
    shadow.split('\n').flatMap((line) => {
      const [name = '', password = ''] = line.split(':')
      // Behind a ! may stand a password that an administrator locked (passwd -l): that account was somebody's.
      return /^[!*]{1,2}$/.test(password) ? [name] : []
    }),
  )

/** Names of accounts that the C implementation made, as far as one can see, and that are in no registry yet. */
export function unadopted(world: Parts<'files'>, config: AdoptConfig): readonly string[] {
  const found = readCandidates(world, config).flatMap(({ user, problem }) => (problem === undefined ? [user.name] : []))
  if (found.length === 0) return []
  return openRegistry(world).view((view) => found.filter((name) => view.user(name) === undefined))
}

/** Accounts for programs have the uid that an administrator chose. */
const anyone: UidRange = { min: 1000, max: 65_534 }

/** The record of an account that the C implementation made; undefined for every other name. */
export function adoptable(
  world: Parts<'files' | 'now'>,
  config: AdoptConfig,
  name: string,
  { isService }: { readonly isService: boolean },
): RegistryUser | undefined {
  const now = world.now()
  const [candidate, second] = readCandidates(world, config, name, isService ? anyone : undefined)
  return candidate && !second && candidate.problem === undefined
    ? recordOf(world, config, candidate.user, now)
    : undefined
}

function recordOf(world: Parts<'files'>, config: AdoptConfig, user: LocalUser, now: number): RegistryUser {
  const { name, uid, gid, gecos, home, shell } = user
  const groups = parseGroup(readForeign(world, '/etc/group')).lines.flatMap((line) =>
    line.kind === 'entry' && line.entry.members.includes(name) ? [line.entry.name] : [],
  )
  return {
    ...{ uid, gid, home, shell },
    gecos: sanitizeGecos(decodeUtf8(Uint8Array.from(gecos, (letter) => letter.charCodeAt(0))) ?? ''),
    sudo: groups.includes(sudoGroup),
    groups: groups.filter((group) => config.allowed_managed_groups.includes(group)).sort(),
    source: 'adopted',
    createdAt: Math.floor(now),
    state: 'active',
  }
}

/** Makes the groups of /etc/group say what the registry says about these adopted users; true when one changed. */
export const publishMemberships = (
  world: Parts<'files'>,
  config: AdoptConfig,
  users: readonly (readonly [string, RegistryUser])[],
  gidOf: (group: string) => number | undefined,
): boolean => {
  if (!users.some(([, user]) => mayBeLocal(user))) return false
  const local = readIds(readForeign(world, '/etc/passwd'))
  const adopted = users.filter(([name, user]) => mayBeLocal(user) && local.get(name) === user.uid)
  return (
    adopted.length > 0 &&
    world.files.editAccounts((files) =>
      editMemberships(files, { allowed: config.allowed_managed_groups, gidOf }, adopted),
    )
  )
}
