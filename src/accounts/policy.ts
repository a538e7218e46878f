// May this user exist on this host, and as what? The portal proposes; the registry and the local files have the last
// word.

import { type LoginName, parseGroupName, parseLoginName } from '../base/names.ts'
import { sanitizeGecos, validHome, validShell } from './passwd-fields-format.ts'
import type { RegistryUser } from './registry-format.ts'
import type { RegistryView } from './registry-index.ts'
import { isWithin, type SubordinateRange } from './subordinate-ids-format.ts'
import { firstFreeUid, parsePortalUid, type UidRange } from './uid.ts'

/** The portal's wish for the entry; the attributes are unchecked. */
export type WantedEntry = {
  readonly uid?: unknown
  readonly gecos?: unknown
  readonly home?: unknown
  readonly shell?: unknown
  readonly sudo?: boolean
  readonly groups?: readonly string[]
  /** Also a retired user: after proof, or by an administrator. A name alone brings no user back. */
  readonly revive?: boolean
  /** This uid or none. */
  readonly insist?: boolean
  /** Of service-accounts.conf: ids that the administrator chose are taken as they are, or refused. */
  readonly service?: { readonly uid: number | undefined; readonly gid: number | undefined }
}
export type EntryRules = {
  readonly range: UidRange
  readonly approvedShells: readonly string[]
  readonly homePrefixes: readonly string[]
  readonly homeBase: string
  readonly defaultShell: string
}
export type EntryFacts = {
  readonly name: string
  readonly wanted: WantedEntry
  readonly registry: RegistryView
  /** Names and ids of every account and group that is not ours (/etc/passwd, /etc/group, foreign export lines). */
  readonly localPasswd: ReadonlyMap<string, number>
  readonly localGroup: ReadonlyMap<string, number>
  /** Ids that users take inside their own namespaces: a user there would be another one here. */
  readonly subordinate?: readonly Pick<SubordinateRange, 'first' | 'count'>[]
  /** Uids that NSS gave sshd for users who log in for the first time, with their names. */
  readonly promised?: ReadonlyMap<number, string>
  /** An account of /etc/passwd that the C implementation made for this user. */
  readonly adoptable?: RegistryUser | undefined
  readonly rules: EntryRules
  readonly now: number
}
type EntryRefusal =
  | 'bad-name'
  | 'no-free-uid'
  | 'uid-taken'
  | 'group-name-taken'
  | 'id-taken'
  | 'ids-differ'
  | 'service-name'
  | 'retired'
export type EntryVerdict =
  | { readonly kind: 'keep' | 'update' | 'create'; readonly record: RegistryUser }
  | { readonly kind: 'refused'; readonly why: 'local-account' | EntryRefusal }

/** The refusal in words, with the remedy. */
export const refusalText = (why: EntryRefusal, user: LoginName): string =>
  ({
    'bad-name': `"${user}" is not a name this host accepts`,
    'no-free-uid': `no uid between min_uid and max_uid is free for ${user}; widen the range`,
    'uid-taken': `that uid is taken, reserved, or not between min_uid and max_uid; choose another for ${user}`,
    'id-taken': `the uid or gid that service-accounts.conf names for ${user} belongs to somebody else; choose another`,
    'ids-differ': `${user} has another uid or gid here than service-accounts.conf names; ids never change, so correct the file`,
    retired: `${user} was removed here and comes back after a proof, or by: ob nss add ${user}`,
    'service-name': `${user} was a service account here; its uid and files go to nobody else`,
    'group-name-taken': `a group named ${user} exists already; rename it, or add the account by hand`,
  })[why]

const groupsOf = (wanted: WantedEntry): readonly string[] =>
  [...new Set((wanted.groups ?? []).filter((group) => parseGroupName(group) !== undefined))].sort()

const gecosOf = (wanted: WantedEntry, otherwise: string): string =>
  typeof wanted.gecos === 'string' ? sanitizeGecos(wanted.gecos) : otherwise

function shellOf(wanted: WantedEntry, rules: EntryRules, otherwise: string): string {
  const shell = wanted.shell ?? otherwise
  return typeof shell === 'string' && validShell(shell, rules.approvedShells) ? shell : rules.defaultShell
}

// A home that is, holds or lies in another user's would hand over that user's files.
function homeOf(name: LoginName, facts: EntryFacts): string {
  const { homeBase, homePrefixes } = facts.rules
  const { home } = facts.wanted
  const usual = `${homeBase}/${name}`
  if (typeof home !== 'string' || !validHome(home, homePrefixes)) return usual
  const isAnothers =
    !facts.wanted.service &&
    home.startsWith(`${homeBase}/`) &&
    !home.slice(homeBase.length + 1).includes('/') &&
    home !== usual
  if (home === usual || isAnothers) return usual
  const clashes = [...facts.registry.homes()].some(
    ([other, theirs]) => other !== name && (`${theirs}/`.startsWith(`${home}/`) || home.startsWith(`${theirs}/`)),
  )
  return clashes ? usual : home
}

/** The uid that NSS gave sshd for a user who had none yet, if it did. */
export const reservedFor = (name: string, { promised }: Pick<EntryFacts, 'promised'>): number | undefined =>
  promised?.entries().find(([, holder]) => holder === name)?.[0]

function uidOf(name: LoginName, facts: EntryFacts): number | undefined {
  const { registry, localPasswd, localGroup, rules } = facts
  const local = new Set([...localPasswd.values(), ...localGroup.values()])
  const isOwned = (uid: number): boolean => {
    const holder = facts.promised?.get(uid)
    if (isWithin(uid, facts.subordinate ?? [])) return true
    return local.has(uid) || registry.owner(uid) !== undefined || (holder !== undefined && holder !== name)
  }
  const proposed = facts.wanted.service?.uid ?? parsePortalUid(facts.wanted.uid, rules.range)
  if (proposed !== undefined && !isOwned(proposed)) return proposed
  if (facts.wanted.insist) return undefined
  const promise = reservedFor(name, facts)
  if (promise !== undefined && !isOwned(promise)) return promise
  return firstFreeUid(name, rules.range, isOwned)
}

// A new user gets a group of the same name. These mean power wherever they exist, and some come with a package later:
// its installer would find "docker" there already, and hand its socket to one person.
const powerful: ReadonlySet<string> = new Set([
  ...['open-bastion-sudo', 'open-bastion-nopasswd', 'sudo', 'wheel', 'adm', 'disk', 'shadow', 'kmem', 'kvm', 'lxd'],
  ...['docker', 'podman', 'incus', 'incus-admin', 'libvirt', 'sgx', 'systemd-journal', 'wireshark', 'vboxusers'],
  ...[
    'lpadmin',
    'netdev',
    'video',
    'render',
    'input',
    'audio',
    'ssl-cert',
    'microk8s',
    'libvirt-qemu',
    'tss',
    'plugdev',
  ],
  ...[
    'staff',
    'backup',
    'operator',
    'tty',
    'dialout',
    'bluetooth',
    'crontab',
    'postdrop',
    'ssh',
    '_ssh',
    'sssd',
    'uucp',
  ],
])

function create(name: LoginName, facts: EntryFacts): EntryVerdict {
  if (powerful.has(name) || facts.localGroup.has(name) || facts.registry.group(name) !== undefined)
    return { kind: 'refused', why: 'group-name-taken' }
  const uid = uidOf(name, facts)
  if (uid === undefined) return { kind: 'refused', why: facts.wanted.insist ? 'uid-taken' : 'no-free-uid' }
  const { service } = facts.wanted
  const isFree = (id: number): boolean =>
    uidOf(name, { ...facts, wanted: { service: { uid: id, gid: undefined } } }) === id
  if ([service?.uid, service?.gid].some((id) => id !== undefined && !isFree(id)))
    return { kind: 'refused', why: 'id-taken' }
  const { wanted, rules } = facts
  const record: RegistryUser = {
    uid,
    gid: service?.gid ?? uid,
    gecos: gecosOf(wanted, ''),
    home: homeOf(name, facts),
    shell: shellOf(wanted, rules, rules.defaultShell),
    sudo: wanted.sudo ?? false,
    groups: groupsOf(wanted),
    source: service ? 'service' : 'portal',
    createdAt: Math.floor(facts.now),
    state: 'active',
  }
  return { kind: 'create', record }
}

// Uid, gid and home never change once files belong to them. What an administrator wrote is the administrator's.
function update(known: RegistryUser, facts: EntryFacts): EntryVerdict {
  const { wanted, rules } = facts
  const { service } = wanted
  if (known.state !== 'active' && !wanted.revive) return { kind: 'refused', why: 'retired' }
  if (known.source === 'service' && !service) return { kind: 'refused', why: 'service-name' }
  if ((service?.uid ?? known.uid) !== known.uid || (service?.gid ?? known.gid) !== known.gid)
    return { kind: 'refused', why: 'ids-differ' }
  const isOurs = known.source !== 'administrator' && known.source !== 'adopted'
  const record: RegistryUser = {
    ...known,
    gecos: isOurs ? gecosOf(wanted, known.gecos) : known.gecos,
    shell: isOurs ? shellOf(wanted, rules, known.shell) : known.shell,
    sudo: wanted.sudo ?? known.sudo,
    groups: wanted.groups === undefined ? known.groups : groupsOf(wanted),
    source: service ? 'service' : known.source,
    state: 'active',
  }
  const isSame =
    record.source === known.source &&
    record.gecos === known.gecos &&
    record.shell === known.shell &&
    record.sudo === known.sudo &&
    record.state === known.state &&
    record.groups.join() === known.groups.join()
  return isSame ? { kind: 'keep', record: known } : { kind: 'update', record }
}

/** sshd got the uid from /etc/passwd, so that nothing is made: the account only enters the registry. */
function adopt(known: RegistryUser | undefined, facts: EntryFacts): EntryVerdict {
  const found = facts.adoptable
  const { service } = facts.wanted
  const isTaken = found !== undefined && facts.registry.owner(found.uid) !== undefined
  if (!found || known || isTaken) return { kind: 'refused', why: 'local-account' }
  if ((service?.uid ?? found.uid) !== found.uid || (service?.gid ?? found.gid) !== found.gid)
    return { kind: 'refused', why: 'ids-differ' }
  const { sudo, groups } = facts.wanted
  const record: RegistryUser = {
    ...found,
    sudo: sudo ?? found.sudo,
    groups: groups ? groupsOf(facts.wanted) : found.groups,
    source: service ? 'service' : 'adopted',
  }
  return { kind: 'update', record }
}

/** Decides about this user's entry. Root and local accounts are never ours, whatever the portal says. */
export function decideEntry(facts: EntryFacts): EntryVerdict {
  const name = parseLoginName(facts.name)
  if (name === undefined) return { kind: 'refused', why: 'bad-name' }
  if (name === 'root') return { kind: 'refused', why: 'local-account' }
  const known = facts.registry.user(name)
  if (facts.localPasswd.has(name)) return adopt(known, facts)
  return known === undefined ? create(name, facts) : update(known, facts)
}
