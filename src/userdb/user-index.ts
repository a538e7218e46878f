// The registry in memory, for `ob serve`. It follows the files: a changed journal is read at once, a changed users.json
// in slices, so that no lookup waits for a hundred thousand users.

import { readForeign } from '../accounts/extrausers.ts'
import { sharedGroups } from '../accounts/groups.ts'
import { readIds } from '../accounts/passwd-format.ts'
import { openRegistry, stampOf } from '../accounts/registry.ts'
import { type RegistryUser, readUser } from '../accounts/registry-format.ts'
import { type Change, parseJournal } from '../accounts/registry-journal-format.ts'
import { decodeUtf8 } from '../base/bytes.ts'
import { paths } from '../base/paths.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import type { UserIndex } from './protocol.ts'
import { isVisibleGroup, type LocalIds, visibleUser } from './visibility-policy.ts'

export type LiveUserIndex = UserIndex & {
  /** Notices what changed on the disk since the last call. */
  readonly follow: () => void
  /** Ends when everything was read once. */
  readonly ready: () => Promise<void>
  /** Known to the registry, retired users included, or to the files of this host. */
  readonly isTaken: (name: string) => boolean
  readonly isOwned: (id: number) => boolean
  /** The portal user with this uid, wherever this host keeps its accounts. */
  readonly portalUser: (uid: number) => string | undefined
}

type Content = {
  readonly users: Map<string, RegistryUser>
  readonly groups: Map<string, number>
  readonly owners: Map<number, string>
  readonly members: Map<string, Set<string>>
}

const empty = (): Content => ({ users: new Map(), groups: new Map(), owners: new Map(), members: new Map() })

const sliceBytes = 128 << 10

/** Read in less than a millisecond: then there is no moment in which a new user is missing. */
const isSmall = (world: Parts<'files'>): boolean => (world.files.stat(paths.registry)?.size ?? 0) < 96 << 10

export function openUserIndex(world: Parts<'sleep' | 'files' | 'syslog'>, config: Config): LiveUserIndex {
  let content = empty()
  let locals = readLocals(world)
  let base = ''
  let journalStamp = ''
  let loading: Promise<void> | undefined
  const add = (to: Content, change: Change): void => {
    if ('group' in change) {
      to.groups.set(change.group, change.gid)
      to.owners.set(change.gid, change.group)
      return
    }
    const { user, record } = change
    const before = to.users.get(user)
    for (const group of before ? sharedGroups(before, config.allowed_managed_groups) : [])
      to.members.get(group)?.delete(user)
    for (const group of sharedGroups(record, config.allowed_managed_groups))
      to.members.set(group, (to.members.get(group) ?? new Set()).add(user))
    to.users.set(user, record)
    to.owners.set(record.uid, user).set(record.gid, user)
  }
  const readJournal = (to: Content): void => {
    journalStamp = stampOf(world, paths.journal)
    const bytes = world.files.readTrusted(paths.journal, { limit: 1 << 28, secret: false })
    const text = bytes && decodeUtf8(bytes.subarray(0, bytes.lastIndexOf(10) + 1))
    for (const change of parseJournal(text ?? '')) add(to, change)
  }
  const load = async (): Promise<void> => {
    for (;;) {
      const next = empty()
      base = stampOf(world, paths.registry)
      const complete = await readBase(world, (change) => add(next, change))
      if (complete && base === stampOf(world, paths.registry)) {
        readJournal(next)
        content = next
        return
      }
    }
  }
  const loadAtOnce = (): void => {
    const next = empty()
    base = stampOf(world, paths.registry)
    readForeignLayout(world, (change) => add(next, change))
    journalStamp = stampOf(world, paths.journal)
    content = next
  }
  const reload = (): Promise<void> => {
    loading ??= load().finally(() => {
      loading = undefined
    })
    return loading
  }
  const { uid, gid, own } = visible(() => ({ content, locals, config }))
  return {
    ready: reload,
    follow: () => {
      if (locals.stamp !== localStamp(world)) locals = readLocals(world)
      if (base !== stampOf(world, paths.registry)) {
        if (!loading && isSmall(world)) return loadAtOnce()
        reload().catch((error: unknown) => world.syslog('err', `the registry cannot be read: ${messageOf(error)}`))
        base = stampOf(world, paths.registry)
      } else if (journalStamp !== stampOf(world, paths.journal)) readJournal(content)
    },
    isTaken: (name) =>
      content.users.has(name) || content.groups.has(name) || locals.users.has(name) || locals.groups.has(name),
    isOwned: (id) => content.owners.has(id) || locals.uids.has(id) || locals.gids.has(id),
    portalUser: (id) => {
      if (config.create_user_target !== 'passwd') return uid(id)
      const name = content.owners.get(id)
      const user = name === undefined ? undefined : content.users.get(name)
      return user?.uid === id && user.state === 'active' && locals.uids.has(id) ? name : undefined
    },
    user: own,
    nameOfUid: uid,
    group: (name) => {
      const found = content.groups.get(name) ?? own(name)?.gid
      return found !== undefined && isVisibleGroup(name, found, locals) ? found : undefined
    },
    nameOfGid: gid,
    groupsOf: (name) => {
      const user = content.users.get(name)
      if (!user || !own(name)) return []
      const known = (group: string) => content.groups.has(group) || locals.groups.has(group)
      return sharedGroups(user, config.allowed_managed_groups).filter((group) => known(group))
    },
    membersOf: (group) => [...(content.members.get(group) ?? [])].filter((name) => own(name) !== undefined),
    users: function* () {
      for (const name of content.users.keys()) if (own(name)) yield name
    },
    groups: function* () {
      for (const [name, gid] of content.groups) if (isVisibleGroup(name, gid, locals)) yield name
      for (const name of content.users.keys()) if (own(name) && !locals.groups.has(name)) yield name
    },
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : 'unknown error')

type Locals = LocalIds & { readonly stamp: string }

const localStamp = (world: Parts<'files'>): string => `${stampOf(world, '/etc/passwd')} ${stampOf(world, '/etc/group')}`

function readLocals(world: Parts<'files'>): Locals {
  const stamp = localStamp(world)
  const users = readIds(readForeign(world, '/etc/passwd'))
  const groups = readIds(readForeign(world, '/etc/group'))
  const uids = new Set(users.values())
  return { stamp, users: new Set(users.keys()), groups: new Set(groups.keys()), uids, gids: new Set(groups.values()) }
}

/** The registry through the eyes of the visibility policy. */
function visible(now: () => { readonly content: Content; readonly locals: Locals; readonly config: Config }) {
  const own = (name: string) => {
    const { content, locals, config } = now()
    return visibleUser(name, content.users.get(name), { locals, rules: config })
  }
  const uid = (id: number): string | undefined => {
    const name = now().content.owners.get(id)
    return name !== undefined && own(name)?.uid === id ? name : undefined
  }
  const gid = (id: number): string | undefined => {
    const { content, locals } = now()
    const name = content.owners.get(id)
    if (name === undefined || !isVisibleGroup(name, id, locals)) return undefined
    return content.groups.get(name) === id || own(name)?.gid === id ? name : undefined
  }
  return { own, uid, gid }
}

/** Reads users.json line by line; false when it changed on the way. */
async function readBase(world: Parts<'sleep' | 'files'>, add: (change: Change) => void): Promise<boolean> {
  const stamp = stampOf(world, paths.registry)
  if (stamp === '-') return true
  let rest: Uint8Array = new Uint8Array()
  let section: 'head' | 'users' | 'groups' | 'done' = 'head'
  for (let offset = 0; section !== 'done'; offset += sliceBytes) {
    const rules = { limit: 1 << 30, secret: false }
    const bytes = world.files.readTrustedParts(paths.registry, rules, (file) => file.read(offset, sliceBytes))
    if (!bytes || stampOf(world, paths.registry) !== stamp) return false
    const whole = new Uint8Array(rest.length + bytes.length)
    whole.set(rest)
    whole.set(bytes, rest.length)
    const end = whole.lastIndexOf(10) + 1
    rest = whole.subarray(end)
    let lines = 0
    for (const line of new TextDecoder().decode(whole.subarray(0, end)).split('\n')) {
      if (section === 'head') {
        if (line !== '{"version":1,"users":{') return readForeignLayout(world, add)
        section = 'users'
      } else if (section === 'users') {
        if (line === '},') section = 'groups'
        else if (line !== '') for (const [user, value] of membersOf(line)) add({ user, record: readUser(user, value) })
      } else if (section === 'groups') {
        for (const [, value] of membersOf(line)) for (const [group, gid] of entriesOf(value)) add({ group, gid })
        section = 'done'
      }
      if (++lines % 100 === 0) await world.sleep(0)
    }
    if (bytes.length < sliceBytes) break
  }
  return section === 'done'
}

const membersOf = (line: string): readonly (readonly [string, unknown])[] =>
  Object.entries(JSON.parse(`{${line.replace(/,$/, '')}}`) as object)

const entriesOf = (value: unknown): readonly (readonly [string, number])[] =>
  Object.entries(value as Record<string, number>)

/** A registry that was edited by hand is read as a whole. */
function readForeignLayout(world: Parts<'files'>, add: (change: Change) => void): boolean {
  const { users, groups } = openRegistry(world).whole()
  for (const [user, record] of users) add({ user, record })
  for (const [group, gid] of groups) add({ group, gid })
  return true
}
