// First logins: sshd decides once per connection whether a user exists. So `ob serve` gives sshd an entry for an
// unknown name, and the portal decides whether that user gets in.
import { firstFreeUid } from '../accounts/uid.ts'
import { readReservations, reservationPath, type UidReservation } from '../accounts/uid-reservations.ts'
import { parseLoginName } from '../base/names.ts'
import { paths } from '../base/paths.ts'
import { buckets } from '../base/rate-limit.ts'
import type { Parts, Peer, PeerProcesses } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import { limits } from './limits.ts'
import type { FirstTimeUsers } from './protocol.ts'
import type { LiveUserIndex } from './user-index.ts'
import type { UserFields } from './user-record-format.ts'

export type FirstLoginParts = {
  readonly world: Parts<'now' | 'files'>
  readonly config: Config
  readonly directory: LiveUserIndex
  readonly processes: PeerProcesses
}

type Held = UidReservation & { at: number }

/**
 * Unknown names, as sshd sees them: it decides once per connection whether a user exists. So sshd gets an entry, and
 * the portal decides. Only sshd sees these entries; they expire, and their number is bounded.
 */
export function openFirstTimeUsers({ world, config, directory, processes }: FirstLoginParts) {
  const held = new Map<string, Held>()
  const names = buckets(world, { burst: limits.namesAtOnce, rate: 1 / limits.secondsPerName, most: limits.sources })
  for (const promise of readReservations(world) ?? []) held.set(keyOf(promise), { ...promise, at: world.now() })
  world.files.makeDirectory(paths.uidReservations, 0o700)

  const uidFor = (name: string): number | undefined => {
    const others = new Map<number, string>()
    for (const one of held.values()) {
      if (one.name === name) return one.uid
      others.set(one.uid, one.name)
    }
    const range = { min: config.min_uid, max: config.max_uid }
    return firstFreeUid(name, range, (uid) => directory.isOwned(uid) || others.has(uid))
  }
  const promise = (name: string, pid: number): UserFields | undefined => {
    const mine = held.get(keyOf({ name, connection: pid })) ?? held.get(keyOf({ name, connection: parentOf(pid) }))
    if (mine) {
      mine.at = world.now()
      return fieldsOf(name, mine.uid, config)
    }
    if (held.size >= limits.promises) releaseDead()
    if (held.size >= limits.promises || !names.take(processes.source(pid))) return undefined
    const uid = uidFor(name)
    if (uid === undefined) return undefined
    const made = { uid, name, connection: pid, at: world.now() }
    world.files.createExclusive(reservationPath(made), '', 0o600)
    held.set(keyOf(made), made)
    return fieldsOf(name, uid, config)
  }
  // Connections end sooner than promises: without this, a few hundred names tried and given up would fill the table.
  let releasedAt = 0
  const releaseDead = (): void => {
    if (world.now() - releasedAt < 1) return
    releasedAt = world.now()
    for (const [key, one] of held) if (!processes.isSshd(one.connection)) release(key, one)
  }
  const release = (key: string, one: Held): void => {
    held.delete(key)
    world.files.remove(reservationPath(one))
  }
  const parentOf = (pid: number): number => processes.parent(pid) ?? 0
  // With a long LoginGraceTime: the account was made by another connection meanwhile, and this one has another uid.
  const isStillBelieved = ({ name, uid, connection }: Held): boolean =>
    directory.isTaken(name) && directory.user(name)?.uid !== uid && processes.isSshd(connection)
  const isPossible = (name: string): boolean =>
    config.create_user && parseLoginName(name) !== undefined && name !== 'root' && !directory.isTaken(name)

  return {
    for: (peer: Peer): FirstTimeUsers => {
      const isSshd = (): boolean => peer.uid === 0 && processes.isSshd(peer.pid)
      return {
        byName: (name) => (isPossible(name) && isSshd() ? promise(name, peer.pid) : undefined),
        byId: (id) => {
          if (peer.uid !== 0) return undefined
          const one = held.values().find(({ uid }) => uid === id)
          if (!one || !isPossible(one.name) || !isSshd()) return undefined
          return { name: one.name, fields: fieldsOf(one.name, one.uid, config) }
        },
      }
    },
    expire: (): void => {
      for (const [key, one] of held) {
        if (world.now() - one.at < limits.promiseSeconds || isStillBelieved(one)) continue
        release(key, one)
      }
    },
  }
}

const keyOf = ({ name, connection }: Pick<UidReservation, 'name' | 'connection'>): string => `${connection}.${name}`

const fieldsOf = (name: string, uid: number, config: Config): UserFields => ({
  uid,
  gid: uid,
  gecos: '',
  home: `${config.create_user_home_base}/${name}`,
  shell: config.create_user_shell,
})
