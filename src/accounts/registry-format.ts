// users.json: who has which uid on this host, for ever. A damaged registry is a fault: guessing would hand out a uid
// twice. It is written with one user a line, in order, so that registry-lines.ts finds one without reading the rest.
import { utf8 } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { type GroupName, type LoginName, parseGroupName, parseLoginName } from '../base/names.ts'
import { usualGid } from './adopt-policy.ts'
import { isReservedUid } from './uid.ts'

export type RegistryUser = {
  readonly uid: number
  readonly gid: number
  readonly gecos: string
  readonly home: string
  readonly shell: string
  readonly sudo: boolean
  readonly groups: readonly string[]
  /** `adopted`: the C implementation made the account, and its line is in /etc/passwd. */
  readonly source: 'portal' | 'administrator' | 'service' | 'adopted'
  /** Epoch seconds. */
  readonly createdAt: number
  /** A retired user is exported no more but keeps the uid. */
  readonly state: 'active' | 'retired'
  /** Members this version does not know; written back as they were. */
  readonly more?: Readonly<Record<string, unknown>>
}
export type Registry = {
  readonly users: ReadonlyMap<string, RegistryUser>
  readonly groups: ReadonlyMap<string, number>
  readonly more?: Readonly<Record<string, unknown>>
}

export const emptyRegistry: Registry = { users: new Map(), groups: new Map() }

function broken(what: string): never {
  throw new Fault(`users.json: ${what}`, { hint: 'put back the last good copy of users.json; uids depend on it' })
}

type Members = Readonly<Record<string, unknown>>
const isObject = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

// Object.fromEntries defines members, so that a user named __proto__ is a member like any other.
const without = (members: Members, known: readonly string[]): { more?: Members } => {
  const strangers = Object.entries(members).filter(([key]) => !known.includes(key))
  return strangers.length === 0 ? {} : { more: Object.fromEntries(strangers) }
}

const isId = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && !isReservedUid(value)

const isField = (value: unknown): value is string =>
  typeof value === 'string' && value.isWellFormed() && !/[:\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(value)

const isPath = (value: unknown): value is string => isField(value) && value.startsWith('/')

const userMembers = ['uid', 'gid', 'gecos', 'home', 'shell', 'sudo', 'groups', 'source', 'createdAt', 'state']

/** The record of one user, or a Fault that names what is wrong in it. */
export function readUser(name: string, value: unknown): RegistryUser {
  if (!isObject(value)) return broken(`${name} is not an object`)
  const { uid, gid, gecos, home, shell, sudo, groups, source, createdAt, state } = value as Record<string, unknown>
  if (!isId(uid)) return broken(`the uid of ${name} is missing or reserved`)
  if (!isId(gid) && !(gid === usualGid && (source === 'adopted' || source === 'service')))
    return broken(`the gid of ${name} is missing or reserved`)
  if (!isField(gecos)) return broken(`the gecos of ${name} is missing or cannot be exported`)
  if (!isPath(home)) return broken(`the home of ${name} is missing or cannot be exported`)
  if (!isPath(shell)) return broken(`the shell of ${name} is missing or cannot be exported`)
  if (typeof sudo !== 'boolean') return broken(`sudo of ${name} is neither true nor false`)
  if (!Array.isArray(groups) || !groups.every((group) => typeof group === 'string' && parseGroupName(group))) {
    return broken(`the groups of ${name} are not a list of group names`)
  }
  if (source !== 'portal' && source !== 'administrator' && source !== 'service' && source !== 'adopted')
    return broken(`the source of ${name} is unknown`)
  if (typeof createdAt !== 'number' || createdAt < 0) return broken(`createdAt of ${name} is not an instant`)
  if (state !== 'active' && state !== 'retired') return broken(`the state of ${name} is unknown`)
  return {
    uid,
    gid: gid as number,
    gecos,
    home,
    shell,
    sudo,
    // Every group was seen to be a string above.
    groups: groups as readonly string[],
    source,
    createdAt,
    state,
    ...without(value, userMembers),
  }
}

function readUsers(value: unknown): ReadonlyMap<LoginName, RegistryUser> {
  if (!isObject(value)) return broken('users is not an object')
  const owners = new Map<number, string>()
  const users = new Map<LoginName, RegistryUser>()
  for (const [key, member] of Object.entries(value)) {
    const name = parseLoginName(key)
    if (name === undefined || name === 'root') return broken(`${JSON.stringify(key)} is not a user name`)
    const user = readUser(name, member)
    const owner = owners.get(user.uid)
    if (owner !== undefined) return broken(`${owner} and ${name} share uid ${user.uid}`)
    owners.set(user.uid, name)
    users.set(name, user)
  }
  return users
}

function readGroups(value: unknown, users: ReadonlyMap<LoginName, RegistryUser>): ReadonlyMap<GroupName, number> {
  if (!isObject(value)) return broken('groups is not an object')
  const owners = new Map<number, string>([...users].map(([name, user]) => [user.gid, name]))
  const groups = new Map<GroupName, number>()
  for (const [key, gid] of Object.entries(value)) {
    const name = parseGroupName(key)
    if (name === undefined) return broken(`${JSON.stringify(key)} is not a group name`)
    if (!isId(gid)) return broken(`the gid of group ${name} is reserved or no number`)
    const owner = owners.get(gid)
    if (owner !== undefined) return broken(`${owner} and group ${name} share gid ${gid}`)
    owners.set(gid, name)
    groups.set(name, gid)
  }
  return groups
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return broken('not JSON')
  }
}

/** The registry, or a Fault that names what is wrong in it. */
export function parseRegistry(text: string): Registry {
  const value = readJson(text)
  if (!isObject(value)) return broken('not an object')
  const { version, users: userList, groups: groupList = {} } = value as Record<string, unknown>
  if (version !== 1) return broken('version is not 1; a newer program wrote it')
  const users = readUsers(userList)
  const groups = readGroups(groupList, users)
  return { users, groups, ...without(value, ['version', 'users', 'groups', 'owners', 'span']) }
}

const sorted = <T>(map: ReadonlyMap<string, T>): readonly (readonly [string, T])[] =>
  [...map].sort(([a], [b]) => (a < b ? -1 : 1))

/** The record as it is written in users.json and its journal. */
export function userObject(user: RegistryUser): Members {
  const { more, ...known } = user
  const members = userMembers.map((key) => [key, (known as Members)[key]] as const)
  return Object.fromEntries([...members, ...Object.entries(more ?? {})])
}

/** Fixed width, so that the order of the texts is the order of the numbers. */
export const ownerKey = (id: number): string => String(id).padStart(10, '0')

const line = (key: string, value: unknown): string => `${JSON.stringify(key)}:${JSON.stringify(value)}`

/** Where the sections of the file begin and end: users, groups, owners, and this list itself. */
const spanOf = (parts: readonly string[]): readonly number[] => {
  let offset = 0
  const edges: number[] = []
  for (const part of parts) {
    edges.push(offset)
    offset += utf8(part).length
  }
  return [edges[1]!, edges[2]! - 1, edges[3]!, edges[4]!, edges[5]!, edges[6]! - 1, edges[7]!]
}

/** The text of users.json: names in order, one way to write each registry. */
export function formatRegistry(registry: Registry): string {
  const users = sorted(registry.users).map(([name, user]) => line(name, userObject(user)))
  const groups = JSON.stringify(Object.fromEntries(sorted(registry.groups)))
  const more = Object.entries(registry.more ?? {}).map(([key, value]) => `,\n${line(key, value)}`)
  return formatSections({ users, groups, owners: ownersOf(registry), more: more.join('') })
}

export type Sections = {
  /** `"name":{…}` and `"0000010000":"name"`, in the order of the names. */
  readonly users: readonly string[]
  readonly owners: readonly string[]
  /** JSON. */
  readonly groups: string
  /** Empty, or further members, each after a comma. */
  readonly more: string
}

export function formatSections({ users, groups, owners, more }: Sections): string {
  const parts = [
    '{"version":1,"users":{\n',
    `${users.join(',\n')}\n`,
    '},\n"groups":',
    groups,
    ',\n"owners":{\n',
    `${owners.join(',\n')}\n`,
    `}${more},\n`,
  ]
  return `${parts.join('')}"span":${JSON.stringify(spanOf([...parts, '']))}}\n`
}

function ownersOf({ users, groups }: Registry): readonly string[] {
  const owners = new Map<string, string>()
  for (const [name, { uid, gid }] of users) owners.set(ownerKey(uid), name).set(ownerKey(gid), name)
  for (const [name, gid] of groups) owners.set(ownerKey(gid), name)
  return sorted(owners).map(([id, name]) => line(id, name))
}
