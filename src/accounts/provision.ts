// Accounts on this host: the registry of uids, its export for NSS, and the home. What a login of a known user does here
// does not depend on how many users there are.

import { orElse } from '../base/fault.ts'
import type { LoginName } from '../base/names.ts'
import { paths } from '../base/paths.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import { adoptable, publishMemberships } from './adopt.ts'
import {
  exportAll,
  exportOne,
  extendedGroups,
  type Foreign,
  mayBeLocal,
  readForeign,
  readForeignEntries,
  readSeal,
  writeSeal,
} from './extrausers.ts'
import { sharedGroups, sudoGroup } from './groups.ts'
import { publishLocal } from './local-files.ts'
import { readIds } from './passwd-format.ts'
import { decideEntry, type EntryVerdict, refusalText, type WantedEntry } from './policy.ts'
import { openRegistry, type RegistryStore } from './registry.ts'
import type { Registry, RegistryUser } from './registry-format.ts'
import type { RegistryView } from './registry-index.ts'
import type { Change } from './registry-journal-format.ts'
import { parseSubordinateIds } from './subordinate-ids-format.ts'
import { firstFreeUid, isReservedUid } from './uid.ts'
import { connectionOf, holders, readReservations } from './uid-reservations.ts'

export type Accounts = {
  /** The entry of this user: unchanged, updated or made; with a home when asked for. */
  readonly provision: (user: LoginName, wanted: WantedEntry, home: boolean) => Promise<Provisioned>
  /** The answer that provision would give; nothing is made or written. */
  readonly preview: (user: LoginName, wanted: WantedEntry) => Promise<Provisioned>
  /** Whether sshd got this uid when it looked the user up at the beginning of the connection. */
  readonly matchesReservation: (user: LoginName, entry: Provisioned & { kind: 'ready' }) => boolean
  readonly registry: () => Registry
  /** Writes the export files anew; true when one changed. */
  readonly sync: () => Promise<boolean>
  /** The user is exported no more; name and uid stay taken. Undefined when there is no such user. */
  readonly retire: (user: LoginName) => Promise<RegistryUser | undefined>
  /** The disagreements, in words; changes nothing. */
  readonly verify: () => Promise<readonly string[]>
}

export type Provisioned =
  | { readonly kind: 'ready'; readonly record: RegistryUser; readonly made: boolean; readonly detail: string }
  | { readonly kind: 'local'; readonly detail: string }
  | { readonly kind: 'impossible'; readonly detail: string }

type Host = { readonly world: Parts<'now' | 'files'>; readonly config: Config; readonly store: RegistryStore }

export function openAccounts(
  world: Parts<'now' | 'connectionSeed' | 'timeout' | 'files' | 'spawn'>,
  config: Config,
): Accounts {
  const host: Host = { world, config, store: openRegistry(world) }
  const underLock = <T>(work: () => T): Promise<T> => {
    world.files.makeDirectory(paths.state, 0o711)
    return world.files.withLock(paths.registryLock, work)
  }
  return {
    registry: host.store.whole,
    provision: async (user, wanted, home) => {
      const foreign = readSeal(world, config, host.store.stamp())
      const elsewhere = new Map<string, number>()
      let verdict = await judgeEverywhere(world, host, { foreign, elsewhere }, { user, wanted })
      const made = verdict.kind === 'create'
      // Without the seal a process may have died between the registry and its export.
      const isSettled = verdict.kind === 'keep' || (verdict.kind === 'refused' && verdict.why === 'local-account')
      if (!isSettled || (!foreign && verdict.kind !== 'refused'))
        verdict = await underLock(() => record(host, elsewhere, user, wanted))
      if (verdict.kind === 'refused') return refusal(verdict.why, user, elsewhere.get(user))
      const homeMade = home && makeHome(world, config, verdict.record)
      const detail = `uid ${verdict.record.uid}${homeMade ? `, home ${verdict.record.home} made` : ''}`
      return { kind: 'ready', record: verdict.record, made, detail }
    },
    preview: async (user, wanted) => {
      const foreign = readSeal(world, config, host.store.stamp())
      const verdict = await judgeEverywhere(world, host, { foreign, elsewhere: new Map() }, { user, wanted })
      if (verdict.kind === 'refused') return refusal(verdict.why, user)
      const made = verdict.kind === 'create'
      const detail = `uid ${verdict.record.uid}${made ? ', made at the first login' : ''}`
      return { kind: 'ready', record: verdict.record, made, detail }
    },
    matchesReservation: (user, { record, made }) => {
      const promises = readReservations(world)
      if (promises === undefined) return true
      const connection = connectionOf(world.connectionSeed())
      const promise = promises.find((one) => one.name === user && one.connection === connection)
      return promise === undefined ? !made : promise.uid === record.uid
    },
    sync: () =>
      underLock(() => {
        host.store.fold()
        return publish(host).changed
      }),
    retire: (user) => underLock(() => retire(host, user)),
    verify: async () => (await import('./consistency.ts')).verifyAccounts(world, config),
  }
}

type Asked = { readonly user: LoginName; readonly wanted: WantedEntry }

/** The verdict, when other sources of NSS were asked about the name and about each uid that is tried. */
async function judgeEverywhere(
  world: Parts<'timeout' | 'spawn'>,
  host: Host,
  { foreign, elsewhere }: { readonly foreign: Foreign | undefined; readonly elsewhere: Map<string, number> },
  { user, wanted }: Asked,
): Promise<EntryVerdict> {
  const external = { foreign: foreign ?? nobody, elsewhere }
  let verdict = judge(host, external, user, wanted)
  for (let tries = 0; tries < 8 && verdict.kind === 'create'; tries++) {
    if (!(await findElsewhere(world, user, verdict.record.uid, elsewhere))) break
    verdict = judge(host, external, user, wanted)
  }
  return verdict
}

/**
 * Accounts of other sources of NSS (LDAP, sssd, systemd-homed) with this name or uid: they are no less taken than those
 * of /etc/passwd. True when there was one that was not known yet.
 */
async function findElsewhere(
  world: Parts<'timeout' | 'spawn'>,
  name: LoginName,
  uid: number,
  found: Map<string, number>,
): Promise<boolean> {
  const before = found.size
  const signal = world.timeout(nssSeconds)
  const { stdout } = await world.spawn(['getent', 'passwd', name, String(uid)], { signal, limit: 1 << 16 })
  for (const [other, id] of readIds(stdout)) if (other === name || id === uid) found.set(other, id)
  return found.size > before
}

/** A directory that does not answer refuses no login. Seconds. */
const nssSeconds = 3

const nobody: Foreign = { passwd: new Map(), group: new Map() }

const refusal = (why: (EntryVerdict & { kind: 'refused' })['why'], user: LoginName, uid?: number): Provisioned => {
  // nss-systemd and directories have accounts of services, too.
  if (why === 'local-account' && uid !== undefined && isReservedUid(uid))
    return { kind: 'impossible', detail: `${user} is an account of a service in another source of NSS (uid ${uid})` }
  if (why === 'local-account')
    return { kind: 'local', detail: `${user} is an account of this host or of another source of NSS; it is left alone` }
  return { kind: 'impossible', detail: refusalText(why, user) }
}

/** Names and ids that are not ours. */
type ExternalIds = { readonly foreign: Foreign; readonly elsewhere: ReadonlyMap<string, number> }

function localIds({ world, config }: Host, { foreign, elsewhere }: ExternalIds, view: RegistryView) {
  const isOurs = (name: string, id: number): boolean =>
    view.group(name) === id || [view.user(name)?.uid, view.user(name)?.gid].includes(id)
  const read = (file: 'passwd' | 'group'): ReadonlyMap<string, number> => {
    const ids = new Map(readIds(readForeign(world, `/etc/${file}`)))
    const isAll = config.create_user_target === 'passwd'
    const isLocalOurs = (user: RegistryUser | undefined): boolean => isAll || (user !== undefined && mayBeLocal(user))
    for (const [name, id] of ids) if (isOurs(name, id) && isLocalOurs(view.user(name))) ids.delete(name)
    for (const [name, id] of foreign[file])
      if (view.user(name) === undefined && view.group(name) === undefined)
        ids.set(ids.has(name) ? `${name}:${id}` : name, id)
    if (file === 'passwd') for (const [name, id] of elsewhere) ids.set(name, id)
    return ids
  }
  return { passwd: read('passwd'), group: read('group') }
}

/** SUB_UID_MIN of login.defs(5), as distributions set it: a range of uids below it meets none. */
const firstSubordinateUid = 100_000

const subordinateOf = (world: Parts<'files'>) =>
  ['/etc/subuid', '/etc/subgid'].flatMap((file) => parseSubordinateIds(readForeign(world, file)))

function judge(host: Host, looked: ExternalIds, user: LoginName, wanted: WantedEntry): EntryVerdict {
  const { world, config } = host
  return host.store.view((registry) => {
    const local = localIds(host, looked, registry)
    return decideEntry({
      name: user,
      wanted,
      registry,
      localPasswd: local.passwd,
      localGroup: local.group,
      adoptable: local.passwd.has(user)
        ? adoptable(world, config, user, { isService: wanted.service !== undefined })
        : undefined,
      subordinate: config.max_uid < firstSubordinateUid ? [] : subordinateOf(world),
      promised: holders(readReservations(world) ?? []),
      rules: {
        range: { min: config.min_uid, max: config.max_uid },
        approvedShells: config.approved_shells,
        homePrefixes: config.approved_home_prefixes,
        homeBase: config.create_user_home_base,
        defaultShell: config.create_user_shell,
      },
      now: world.now(),
    })
  })
}

/** Judged again under the lock: two first logins at once must not take one uid. */
function record(
  host: Host,
  elsewhere: ReadonlyMap<string, number>,
  user: LoginName,
  wanted: WantedEntry,
): EntryVerdict {
  const { world, config, store } = host
  const foreign = readSeal(world, config, store.stamp()) ?? publish(host).foreign
  const verdict = judge(host, { foreign, elsewhere }, user, wanted)
  if (verdict.kind === 'create' || verdict.kind === 'update') apply(host, foreign, user, verdict.record)
  return verdict
}

function retire(host: Host, user: LoginName): RegistryUser | undefined {
  const { world, config, store } = host
  const known = store.view((view) => view.user(user))
  if (known?.state !== 'active') return known
  const retired: RegistryUser = { ...known, state: 'retired' }
  apply(host, readSeal(world, config, store.stamp()) ?? publish(host).foreign, user, retired)
  return retired
}

/** Records one change and exports it; the export is known to be whole. */
function apply(host: Host, foreign: Foreign, name: LoginName, after: RegistryUser): void {
  const { world, config, store } = host
  const before = store.view((view) => view.user(name))
  const groups = missingGroups(host, foreign, sharedGroups(after, config.allowed_managed_groups))
  const changes: readonly Change[] = [...groups.map(([group, gid]) => ({ group, gid })), { user: name, record: after }]
  // The registry first: an exported uid without a record could be given to another user.
  store.record(changes)
  if (config.create_user_target === 'passwd') publishLocal(world, config, store.whole())
  else
    store.view((view) => {
      const groups = (group: string) => extendedGroups(world, config).get(group) ?? view.group(group)
      exportOne(world, config, { name, before, after, groups })
    })
  seal(host, foreign, [[name, after]])
}

/** Exports everything, and returns the entries in the files that are not ours. */
function publish(host: Host): { readonly foreign: Foreign; readonly changed: boolean } {
  const { world, config, store } = host
  const registry = store.whole()
  const foreign = readForeignEntries(world, registry)
  const wanted = new Set([sudoGroup])
  for (const user of registry.users.values())
    for (const group of sharedGroups(user, config.allowed_managed_groups)) wanted.add(group)
  const groups = missingGroups(host, foreign, [...wanted])
  if (groups.length > 0) store.record(groups.map(([group, gid]) => ({ group, gid })))
  const complete = groups.length > 0 ? store.whole() : registry
  const exported = exportAll(world, config, complete)
  const changed = config.create_user_target === 'passwd' && publishLocal(world, config, complete)
  const isJoined = seal(host, foreign, [...complete.users])
  return { foreign, changed: exported || changed || isJoined }
}

/**
 * The groups of adopted accounts, which are in /etc/group; true when one changed. Where that cannot be written, nobody
 * is refused: without the seal the next login tries again.
 */
function seal({ world, config, store }: Host, foreign: Foreign, users: readonly (readonly [string, RegistryUser])[]) {
  const isAll = config.create_user_target === 'passwd'
  const isJoined = orElse(
    () => !isAll && publishMemberships(world, config, users, (name) => store.view((view) => view.group(name))),
    () => undefined,
  )
  if (isJoined !== undefined) writeSeal(world, config, store.stamp(), foreign)
  return isJoined ?? false
}

/** A gid for each shared group that neither the registry nor this host has. Names of users are theirs. */
function missingGroups(host: Host, foreign: Foreign, names: readonly string[]): readonly (readonly [string, number])[] {
  const { world, config, store } = host
  return store.view((view) => {
    const missing = names.filter((name) => view.group(name) === undefined && view.user(name) === undefined)
    if (missing.length === 0) return []
    const local = localIds(host, { foreign, elsewhere: new Map() }, view)
    const extended = extendedGroups(world, config)
    const taken = new Set([...local.passwd.values(), ...local.group.values()])
    for (const { uid } of readReservations(world) ?? []) taken.add(uid)
    return missing.flatMap((name) => {
      // Its gid is too low for libnss-extrausers: sudo compares names, so that a second gid of that name does.
      const isOutOfReach = name === sudoGroup && config.create_user_target === 'extrausers' && !extended.has(name)
      if (local.group.has(name) && !isOutOfReach) return []
      const range = { min: config.min_uid, max: config.max_uid }
      const gid = firstFreeUid(name, range, (id) => taken.has(id) || view.owner(id) !== undefined)
      if (gid === undefined) return []
      taken.add(gid)
      return [[name, gid] as const]
    })
  })
}

function makeHome(world: Parts<'files'>, config: Config, record: RegistryUser): boolean {
  const { uid, gid, home } = record
  return world.files.makeHome({ path: home, skeleton: config.create_user_skel, uid, gid, mode: 0o700 })
}
