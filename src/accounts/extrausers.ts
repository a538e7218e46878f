// The files of libnss-extrausers. That library stops at the first malformed line and ignores a last line without a
// newline, so a file is either known to be whole, and then one line is appended or exchanged, or written anew.
import { decodeBytewise, decodeUtf8 } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { paths } from '../base/paths.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import { nopasswdGroup, sharedGroups, sudoGroup } from './groups.ts'
import {
  findPasswd,
  formatGroupLine,
  formatPasswdLine,
  formatShadowLine,
  mergeExport,
  parseGroup,
  readIds,
} from './passwd-format.ts'
import { stampOf } from './registry.ts'
import type { Registry, RegistryUser } from './registry-format.ts'

/** Names and ids in the export files that are not ours. */
export type Foreign = {
  readonly passwd: ReadonlyMap<string, number>
  readonly group: ReadonlyMap<string, number>
}

export type Change = {
  readonly name: string
  readonly before: RegistryUser | undefined
  readonly after: RegistryUser
  /** Shared groups of this host with their gids, as they are now. */
  readonly groups: (name: string) => number | undefined
}

type File = 'passwd' | 'group' | 'shadow'
const files = ['group', 'shadow', 'passwd'] as const
const pathOf = (file: File): string => `${paths.extrausers}/${file}`
const sizeLimit = 1 << 28

const isExporting = (config: Config): boolean => config.create_user_target === 'extrausers'

/** Sizes and times of the files, the registry and the policy; equal until one of them changes. */
function stampNow(world: Parts<'files'>, config: Config, registry: string): string {
  const policy = `${config.create_user_target} ${config.allowed_managed_groups.join()}`
  const isAll = config.create_user_target === 'passwd'
  // Groups that are there already, and adopted accounts, are in the files of the host.
  const local = isAll ? ['passwd', 'shadow', 'group', 'gshadow'] : ['passwd', 'group']
  const stamps = [...files.map(pathOf), ...local.map((file) => `/etc/${file}`)].map((path) => stampOf(world, path))
  return [registry, policy, ...stamps].join(' ')
}

/**
 * The foreign entries, when the files still are what the last export left: then they say what the registry says.
 * A process that died between the registry and the export, or an editor, breaks the seal.
 */
export function readSeal(world: Parts<'files'>, config: Config, registry: string): Foreign | undefined {
  const bytes = world.files.readTrusted(paths.seal, { limit: 1 << 24, secret: false })
  const text = bytes && decodeUtf8(bytes)
  if (text === undefined) return undefined
  try {
    const { stamp, passwd, group } = JSON.parse(text) as Record<string, unknown>
    if (stamp !== stampNow(world, config, registry)) return undefined
    return { passwd: new Map(passwd as [string, number][]), group: new Map(group as [string, number][]) }
  } catch {
    return undefined
  }
}

export function writeSeal(world: Parts<'files'>, config: Config, registry: string, foreign: Foreign): void {
  const stamp = stampNow(world, config, registry)
  const seal = { stamp, passwd: [...foreign.passwd], group: [...foreign.group] }
  world.files.writeAtomic(paths.seal, `${JSON.stringify(seal)}\n`, { mode: 0o644 })
}

/** A file of the system. chfn(1) lets every user put bytes that are not UTF-8 into /etc/passwd. */
export const readForeign = (world: Parts<'files'>, path: string): string => {
  const bytes = world.files.read(path, sizeLimit)
  return bytes ? decodeBytewise(bytes) : ''
}

/** Entries of other people in the export files, found by reading all of them. */
export function readForeignEntries(world: Parts<'files'>, registry: Registry): Foreign {
  const foreign = (file: 'passwd' | 'group') =>
    new Map(
      [...readIds(readForeign(world, pathOf(file)))].filter(
        ([name]) => !registry.users.has(name) && !registry.groups.has(name),
      ),
    )
  return { passwd: foreign('passwd'), group: foreign('group') }
}

/** An export file. It is written again as a whole, so text that cannot be written back is a fault. */
function readText(world: Parts<'files'>, path: string): string {
  const bytes = world.files.read(path, sizeLimit)
  const text = bytes ? decodeUtf8(bytes) : ''
  if (text === undefined) throw new Fault(`${path} is not UTF-8`, { hint: 'save it as UTF-8, then run: ob nss export' })
  return text
}

const passwdLine = (name: string, user: RegistryUser): string => formatPasswdLine({ name, ...user })
const shadowLine = (name: string, user: RegistryUser): string =>
  formatShadowLine({ name, changedAt: Math.floor(user.createdAt / 86_400) })
const ownGroupLine = (name: string, user: RegistryUser): string => formatGroupLine({ name, gid: user.gid, members: [] })

/** libnss-extrausers looks at no group with a lower gid (its s_config.h). */
const leastGid = 500

/**
 * Groups of this host that libnss-extrausers can extend: it has a line with the same name and gid, and NSS adds up what
 * it finds about a user.
 */
export const extendedGroups = (world: Parts<'files'>, config: Config): ReadonlyMap<string, number> => {
  const gids = readIds(readForeign(world, '/etc/group'))
  const names = [sudoGroup, nopasswdGroup, ...config.allowed_managed_groups]
  return new Map(
    names.flatMap((name) => {
      const gid = gids.get(name)
      return gid === undefined || gid < leastGid ? [] : [[name, gid] as const]
    }),
  )
}

/** An account of the registry whose line may be in /etc/passwd: it was adopted, perhaps as one for a program. */
export const mayBeLocal = ({ source }: RegistryUser): boolean => source === 'adopted' || source === 'service'

/** Such an account is in /etc/passwd, as long as it is there. */
const isElsewhere = (world: Parts<'files'>, name: string, user: RegistryUser): boolean =>
  mayBeLocal(user) && findPasswd(readForeign(world, '/etc/passwd'), name)?.uid === user.uid

/** Makes the files say what the registry says; true when one changed. */
export function exportAll(world: Parts<'files'>, config: Config, registry: Registry): boolean {
  const active = isExporting(config) ? [...registry.users].filter(([, user]) => user.state === 'active') : []
  const local = active.some(([, user]) => mayBeLocal(user)) ? readIds(readForeign(world, '/etc/passwd')) : new Map()
  const own = active.filter(([name, user]) => !mayBeLocal(user) || local.get(name) !== user.uid)
  const extended = extendedGroups(world, config)
  const members = new Map<string, string[]>()
  for (const [name, user] of active)
    for (const group of sharedGroups(user, config.allowed_managed_groups)) {
      const list = members.get(group)
      if (list) list.push(name)
      else members.set(group, [name])
    }
  const gids = new Map([...registry.groups, ...extended])
  const shared = [...(isExporting(config) ? gids : [])].map(
    ([name, gid]) => [name, formatGroupLine({ name, gid, members: (members.get(name) ?? []).sort() })] as const,
  )
  const linesOf = (format: (name: string, user: RegistryUser) => string) =>
    own.map(([name, user]) => [name, format(name, user)] as const)
  const users = new Set(registry.users.keys())
  const groups = new Set([...registry.users.keys(), ...gids.keys()])
  // Groups and shadow first: a user who can be looked up must be complete.
  const changes = [
    writeExport(world, 'group', new Map([...linesOf(ownGroupLine), ...shared]), groups),
    writeExport(world, 'shadow', new Map(linesOf(shadowLine)), users),
    writeExport(world, 'passwd', new Map(linesOf(passwdLine)), users),
  ]
  return changes.includes(true)
}

function writeExport(
  world: Parts<'files'>,
  file: File,
  managed: ReadonlyMap<string, string>,
  ownedNames: ReadonlySet<string>,
): boolean {
  const path = pathOf(file)
  const text = readText(world, path)
  const existing = withoutTornLine(text, managed)
  const merged = mergeExport({ file, existing, managed, ownedNames })
  if ('malformed' in merged)
    throw new Fault(`${path} line ${merged.malformed.line} is malformed and hides every line after it`, {
      hint: 'correct or remove that line, then run: ob nss export',
    })
  if (merged.text === text) return false
  world.files.makeDirectory(paths.extrausers, 0o755)
  world.files.writeAtomic(path, merged.text, optionsOf(world, file))
  return true
}

/** Without the beginning of a line of ours that a crash left at the end. */
function withoutTornLine(text: string, managed: ReadonlyMap<string, string>): string {
  const tail = text.slice(text.lastIndexOf('\n') + 1)
  const isTorn = tail !== '' && [...managed.values()].some((line) => line !== tail && line.startsWith(tail))
  return isTorn ? text.slice(0, text.length - tail.length) : text
}

const optionsOf = (world: Parts<'files'>, file: File) =>
  file === 'shadow' ? { mode: 0o640, uid: 0, gid: shadowGroup(world) } : { mode: 0o644 }

function shadowGroup(world: Parts<'files'>): number {
  for (const line of parseGroup(readForeign(world, '/etc/group')).lines)
    if (line.kind === 'entry' && line.entry.name === 'shadow') return line.entry.gid
  return 0
}

/** The changes that one user's change makes in the files, which are whole by the seal. */
export function exportOne(world: Parts<'files'>, config: Config, change: Change): void {
  if (!isExporting(config)) return
  const { name, before, after, groups } = change
  const was = before?.state === 'active' ? before : undefined
  const is = after.state === 'active' ? after : undefined
  const memberships = membershipEdits(config, { name, before: was, after: is, groups })
  if (isElsewhere(world, name, after)) {
    editExport(world, 'group', memberships)
    return
  }
  const edit = (format: (name: string, user: RegistryUser) => string): Edit => ({
    name,
    before: was && format(name, was),
    after: is && format(name, is),
  })
  editExport(world, 'group', [edit(ownGroupLine), ...memberships])
  editExport(world, 'shadow', [edit(shadowLine)])
  editExport(world, 'passwd', [edit(passwdLine)])
}

type Edit = {
  readonly name: string
  readonly before: string | undefined
  readonly after: string | undefined
  /** Given the present line. */
  readonly rewrite?: (line: string | undefined) => string
}

function membershipEdits(
  config: Config,
  { name, before, after, groups }: Omit<Change, 'after'> & { readonly after: RegistryUser | undefined },
): readonly Edit[] {
  const was = before ? sharedGroups(before, config.allowed_managed_groups) : []
  const is = after ? sharedGroups(after, config.allowed_managed_groups) : []
  const changed = [...new Set([...was, ...is])].filter((group) => was.includes(group) !== is.includes(group))
  return changed.flatMap((group) => {
    const gid = groups(group)
    if (gid === undefined) return []
    const rewrite = (line: string | undefined): string => {
      const others = (line?.split(':')[3] ?? '').split(',').filter((member) => member !== '' && member !== name)
      return formatGroupLine({ name: group, gid, members: (is.includes(group) ? [...others, name] : others).sort() })
    }
    return [{ name: group, before: '', after: undefined, rewrite }]
  })
}

function editExport(world: Parts<'files'>, file: File, edits: readonly Edit[]): void {
  const path = pathOf(file)
  const needed = edits.filter(({ before, after, rewrite }) => rewrite || before !== after)
  if (needed.length === 0) return
  const facts = world.files.stat(path)
  const additions = needed.map(({ before, after }) => (before === undefined ? after : undefined))
  if (facts && additions.every((line) => line !== undefined)) {
    world.files.extend(path, facts.size, additions.map((line) => `${line}\n`).join(''), optionsOf(world, file))
    return
  }
  let text = `\n${readText(world, path)}`
  for (const { name, after, rewrite } of needed) {
    const at = text.indexOf(`\n${name}:`) + 1
    const end = text.indexOf('\n', at)
    const found = at > 0 ? text.slice(at, end) : undefined
    const line = rewrite ? rewrite(found) : after
    const written = line === undefined ? '' : `${line}\n`
    text = found === undefined ? text + written : text.slice(0, at) + written + text.slice(end + 1)
  }
  world.files.makeDirectory(paths.extrausers, 0o755)
  world.files.writeAtomic(path, text.slice(1), optionsOf(world, file))
}
