// Accounts on this host: the registry of uids, its export for libnss-extrausers, and the home.
import { decodeBytewise, decodeUtf8 } from '../bytes.ts'
import type { Config } from '../config/load.ts'
import { decideEntry, type EntryVerdict, type WantedEntry } from '../decide/entry.ts'
import { Fault } from '../fault.ts'
import {
  formatGroupLine,
  formatPasswdLine,
  formatShadowLine,
  mergeExport,
  parseGroup,
  readIds,
} from '../formats/passwd.ts'
import { emptyRegistry, formatRegistry, parseRegistry, type Registry, type RegistryUser } from '../formats/registry.ts'
import { firstFreeUid } from '../formats/uid.ts'
import type { LoginName } from '../names.ts'
import { paths } from '../paths.ts'
import type { World } from '../world.ts'

export type Accounts = {
  /** The entry of this user: kept, updated or made; with a home when asked for. */
  readonly provision: (user: LoginName, wanted: WantedEntry, home: boolean) => Promise<Provisioned>
  readonly registry: () => Registry
  /** Writes the export files anew; true when one changed. */
  readonly sync: () => Promise<boolean>
}

export type Provisioned =
  | { readonly kind: 'ready'; readonly record: RegistryUser; readonly made: boolean; readonly detail: string }
  | { readonly kind: 'local'; readonly detail: string }
  | { readonly kind: 'impossible'; readonly detail: string }

export const sudoGroup = 'open-bastion-sudo'

export function openAccounts(world: World, config: Config): Accounts {
  const registry = (): Registry => readRegistry(world)
  const underLock = <T>(work: () => T): Promise<T> => {
    world.files.makeDirectory(paths.state, 0o711)
    return world.files.withLock(paths.registryLock, work)
  }
  const provision = async (user: LoginName, wanted: WantedEntry, home: boolean): Promise<Provisioned> => {
    let verdict = judge(world, config, user, wanted)
    const made = verdict.kind === 'create'
    if (verdict.kind === 'create' || verdict.kind === 'update' || !isExported(world, user, verdict))
      verdict = await underLock(() => record(world, config, user, wanted))
    if (verdict.kind === 'refused') return refusal(verdict.why, user)
    const homeMade = home && makeHome(world, config, verdict.record)
    const detail = `uid ${verdict.record.uid}${homeMade ? `, home ${verdict.record.home} made` : ''}`
    return { kind: 'ready', record: verdict.record, made, detail }
  }
  return { provision, registry, sync: () => underLock(() => exportAll(world, config, readRegistry(world))) }
}

const refusal = (why: (EntryVerdict & { kind: 'refused' })['why'], user: LoginName): Provisioned => {
  if (why === 'local-account') return { kind: 'local', detail: `${user} is a local account; it is left alone` }
  const details = {
    'bad-name': `"${user}" is not a name this host accepts`,
    'no-free-uid': `no uid between min_uid and max_uid is free for ${user}; widen the range`,
    'group-name-taken': `a group named ${user} exists already; rename it, or add the account by hand`,
  }
  return { kind: 'impossible', detail: details[why] }
}

function judge(world: World, config: Config, user: LoginName, wanted: WantedEntry): EntryVerdict {
  const registry = readRegistry(world)
  return decideEntry({
    name: user,
    wanted,
    registry,
    localPasswd: foreignIds(world, 'passwd', registry),
    localGroup: foreignIds(world, 'group', registry),
    rules: {
      range: { min: config.min_uid, max: config.max_uid },
      approvedShells: config.approved_shells,
      homePrefixes: config.approved_home_prefixes,
      homeBase: config.create_user_home_base,
      defaultShell: config.create_user_shell,
    },
    now: world.now(),
  })
}

/** Judged again under the lock: two first logins at once must not take one uid. */
function record(world: World, config: Config, user: LoginName, wanted: WantedEntry): EntryVerdict {
  const verdict = judge(world, config, user, wanted)
  if (verdict.kind === 'refused') return verdict
  const registry = readRegistry(world)
  const next = { ...registry, users: new Map(registry.users).set(user, verdict.record) }
  // The registry first: an exported uid that nobody recorded could be given away again.
  if (verdict.kind !== 'keep') writeRegistry(world, next)
  exportAll(world, config, next)
  return verdict
}

function readRegistry(world: World): Registry {
  const bytes = world.files.readTrusted(paths.registry, { limit: 64 << 20, secret: false })
  if (!bytes) return emptyRegistry
  const text = decodeUtf8(bytes)
  if (text === undefined)
    throw new Fault(`${paths.registry} is not UTF-8`, { hint: 'put back the last good copy; uids depend on it' })
  return parseRegistry(text)
}

const writeRegistry = (world: World, registry: Registry): void =>
  world.files.writeAtomic(paths.registry, formatRegistry(registry), { mode: 0o644 })

const sizeLimit = 64 << 20

/** An export file. It is written again as a whole, so text that cannot be kept is a fault. */
function readText(world: World, path: string): string {
  const bytes = world.files.read(path, sizeLimit)
  const text = bytes ? decodeUtf8(bytes) : ''
  if (text === undefined) throw new Fault(`${path} is not UTF-8`, { hint: 'save it as UTF-8, then run: ob nss export' })
  return text
}

/** A file of the system. chfn(1) lets every user put bytes that are not UTF-8 into /etc/passwd. */
const readForeign = (world: World, path: string): string => {
  const bytes = world.files.read(path, sizeLimit)
  return bytes ? decodeBytewise(bytes) : ''
}

/** Names and ids that are not ours: local files, and lines other people keep in the export files. */
function foreignIds(world: World, database: 'passwd' | 'group', registry: Registry): ReadonlyMap<string, number> {
  const ids = new Map(readIds(readForeign(world, `/etc/${database}`)))
  for (const [name, id] of readIds(readForeign(world, `${paths.extrausers}/${database}`)))
    if (!registry.users.has(name) && !registry.groups.has(name)) ids.set(ids.has(name) ? `${name}:${id}` : name, id)
  return ids
}

/** Whether the export files say just this; a process may have died between the registry and its export. */
function isExported(world: World, user: LoginName, verdict: EntryVerdict): boolean {
  if (verdict.kind === 'refused') return true
  const { record } = verdict
  const passwd = readText(world, `${paths.extrausers}/passwd`)
  if (!`\n${passwd}`.includes(`\n${formatPasswdLine({ name: user, ...record })}\n`)) return false
  const group = parseGroup(readText(world, `${paths.extrausers}/group`)).lines
  return (
    record.sudo ===
    group.some((line) => line.kind === 'entry' && line.entry.name === sudoGroup && line.entry.members.includes(user))
  )
}

function exportAll(world: World, config: Config, registry: Registry): boolean {
  const complete = withSudoGroup(world, config, registry)
  if (complete !== registry) writeRegistry(world, complete)
  const active = [...complete.users].filter(([, user]) => user.state === 'active')
  const day = (user: RegistryUser): number => Math.floor(user.createdAt / 86_400)
  const passwd = active.map(([name, user]) => [name, formatPasswdLine({ name, ...user })] as const)
  const shadow = active.map(([name, user]) => [name, formatShadowLine({ name, changedAt: day(user) })] as const)
  const personal = active.map(([name, user]) => [name, formatGroupLine({ name, gid: user.gid, members: [] })] as const)
  const shared = [...complete.groups].map(
    ([name, gid]) => [name, formatGroupLine({ name, gid, members: membersOf(active, name) })] as const,
  )
  const users = new Set(complete.users.keys())
  const groups = new Set([...complete.users.keys(), ...complete.groups.keys()])
  // Groups and shadow first: a user who can be looked up must be complete.
  const changes = [
    writeExport(world, 'group', new Map([...personal, ...shared]), groups),
    writeExport(world, 'shadow', new Map(shadow), users),
    writeExport(world, 'passwd', new Map(passwd), users),
  ]
  return changes.includes(true)
}

const membersOf = (active: readonly (readonly [string, RegistryUser])[], group: string): string[] =>
  group === sudoGroup ? active.filter(([, user]) => user.sudo).map(([name]) => name) : []

function withSudoGroup(world: World, config: Config, registry: Registry): Registry {
  const local = foreignIds(world, 'group', registry)
  if (registry.groups.has(sudoGroup) || local.has(sudoGroup)) return registry
  const taken = new Set([...local.values(), ...foreignIds(world, 'passwd', registry).values()])
  for (const user of registry.users.values()) taken.add(user.uid).add(user.gid)
  const gid = firstFreeUid(sudoGroup, { min: config.min_uid, max: config.max_uid }, (id) => taken.has(id))
  return gid === undefined ? registry : { ...registry, groups: new Map(registry.groups).set(sudoGroup, gid) }
}

function writeExport(
  world: World,
  file: 'passwd' | 'group' | 'shadow',
  managed: ReadonlyMap<string, string>,
  ownedNames: ReadonlySet<string>,
): boolean {
  const path = `${paths.extrausers}/${file}`
  const existing = readText(world, path)
  const merged = mergeExport({ file, existing, managed, ownedNames })
  if ('malformed' in merged)
    throw new Fault(`${path} line ${merged.malformed.line} is malformed and hides every line after it`, {
      hint: 'correct or remove that line, then run: ob nss export',
    })
  if (merged.text === existing) return false
  world.files.makeDirectory(paths.extrausers, 0o755)
  world.files.writeAtomic(
    path,
    merged.text,
    file === 'shadow' ? { mode: 0o640, uid: 0, gid: shadowGroup(world) } : { mode: 0o644 },
  )
  return true
}

function shadowGroup(world: World): number {
  for (const line of parseGroup(readForeign(world, '/etc/group')).lines)
    if (line.kind === 'entry' && line.entry.name === 'shadow') return line.entry.gid
  return 0
}

function makeHome(world: World, config: Config, record: RegistryUser): boolean {
  const { uid, gid, home } = record
  return world.files.makeHome({ path: home, skeleton: config.create_user_skel, uid, gid, mode: 0o700 })
}
