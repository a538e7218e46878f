// The registry in /etc/passwd, /etc/shadow, /etc/group and /etc/gshadow, for create_user_target = passwd. Lines of
// other programs, passwords that were set, and members that are not ours stay.
import { decodeBytewise, utf8 } from '../base/bytes.ts'
import type { AccountFiles, Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import { nopasswdGroup, sharedGroups, sudoGroup } from './groups.ts'
import { formatGroupLine, formatPasswdLine, formatShadowLine } from './passwd-format.ts'
import type { Registry, RegistryUser } from './registry-format.ts'

/** Makes the files say what the registry says; true when one changed. */
export const publishLocal = (world: Parts<'files'>, config: Config, registry: Registry): boolean =>
  world.files.editAccounts((files) => editLocal(files, config, registry))

type Table = { readonly order: readonly string[]; readonly lines: Map<string, string> }

// The first line of a name is the one that counts; every line, malformed ones too, is kept in its place.
function tableOf(text: string): Table {
  const lines = new Map<string, string>()
  const order: string[] = []
  for (const [at, line] of text.replace(/\n$/, '').split('\n').entries()) {
    if (text === '') break
    const name = line.slice(0, Math.max(0, line.indexOf(':')))
    const key = name === '' || name.startsWith('#') || lines.has(name) ? `\n${at}` : name
    lines.set(key, line)
    order.push(key)
  }
  return { order, lines }
}

function textOf({ order, lines }: Table): string {
  const known = new Set(order)
  const added = [...lines.keys()].filter((key) => !known.has(key))
  return [...order, ...added].flatMap((key) => (lines.has(key) ? [`${lines.get(key)}\n`] : [])).join('')
}

const fieldsOf = (line: string | undefined): readonly string[] => line?.split(':') ?? []
const bytewise = (line: string): string => decodeBytewise(utf8(line))

export function editLocal(files: AccountFiles, config: Config, registry: Registry): AccountFiles {
  const passwd = tableOf(files.passwd)
  const shadow = tableOf(files.shadow)
  const group = tableOf(files.group)
  const gshadow = tableOf(files.gshadow)
  const isOurs = (name: string, { uid }: RegistryUser): boolean => {
    const line = passwd.lines.get(name)
    return line === undefined || Number(fieldsOf(line)[2]) === uid
  }
  const users = [...registry.users].filter(([name, user]) => isOurs(name, user))
  for (const [name, user] of users) {
    if (user.state === 'active') {
      passwd.lines.set(name, bytewise(formatPasswdLine({ name, ...user })))
      const changedAt = Math.floor(user.createdAt / 86_400)
      if (!shadow.lines.has(name)) shadow.lines.set(name, formatShadowLine({ name, changedAt }))
      if (!group.lines.has(name)) group.lines.set(name, formatGroupLine({ name, gid: user.gid, members: [] }))
      if (!gshadow.lines.has(name)) gshadow.lines.set(name, `${name}:!::`)
    } else if (passwd.lines.delete(name)) {
      shadow.lines.delete(name)
      if (Number(fieldsOf(group.lines.get(name))[2]) === user.gid && group.lines.delete(name))
        gshadow.lines.delete(name)
    }
  }
  const own = new Set(users.map(([name]) => name))
  for (const [name, members] of managed(users, registry, config)) {
    const gid = registry.groups.get(name)
    const line = group.lines.get(name) ?? (gid === undefined ? undefined : formatGroupLine({ name, gid, members: [] }))
    if (line === undefined) continue
    group.lines.set(name, withMembers(line, { own, members }))
    gshadow.lines.set(name, withMembers(gshadow.lines.get(name) ?? `${name}:!::`, { own, members }))
  }
  return { passwd: textOf(passwd), shadow: textOf(shadow), group: textOf(group), gshadow: textOf(gshadow) }
}

/**
 * The groups of users whose accounts stay as they are. They are in the same file: where nsswitch.conf has an initgroups
 * line, a user who is in one group of it is looked for nowhere else.
 */
export function editMemberships(
  files: AccountFiles,
  { allowed, gidOf }: { readonly allowed: readonly string[]; readonly gidOf: (group: string) => number | undefined },
  users: readonly (readonly [string, RegistryUser])[],
): AccountFiles {
  const group = tableOf(files.group)
  const gshadow = tableOf(files.gshadow)
  const own = new Set(users.map(([name]) => name))
  for (const name of new Set([sudoGroup, nopasswdGroup, ...allowed])) {
    const members = users.flatMap(([user, record]) => (sharedGroups(record, allowed).includes(name) ? [user] : []))
    const gid = members.length > 0 ? gidOf(name) : undefined
    const line = group.lines.get(name) ?? (gid === undefined ? undefined : formatGroupLine({ name, gid, members: [] }))
    if (line === undefined) continue
    const isNew = !group.lines.has(name) && files.gshadow !== ''
    group.lines.set(name, withMembers(line, { own, members }))
    const shadow = gshadow.lines.get(name) ?? (isNew ? `${name}:!::` : undefined)
    if (shadow !== undefined) gshadow.lines.set(name, withMembers(shadow, { own, members }))
  }
  return { ...files, group: textOf(group), gshadow: textOf(gshadow) }
}

/** Every group that this program fills, with its members. */
function managed(users: readonly (readonly [string, RegistryUser])[], registry: Registry, config: Config) {
  const names = [...registry.groups.keys(), ...config.allowed_managed_groups]
  const groups = new Map<string, string[]>(names.map((name) => [name, []]))
  for (const [name, user] of users)
    for (const one of sharedGroups(user, config.allowed_managed_groups)) groups.get(one)?.push(name)
  return groups
}

type Members = { readonly own: ReadonlySet<string>; readonly members: readonly string[] }

/** group(5) and gshadow(5) both have the members in the fourth field. */
function withMembers(line: string, { own, members }: Members): string {
  const fields = line.split(':')
  const present = (fields[3] ?? '').split(',').filter((name) => name !== '')
  const kept = present.filter((name) => !own.has(name) || members.includes(name))
  fields[3] = [...kept, ...members.filter((name) => !kept.includes(name))].join(',')
  return fields.join(':')
}
