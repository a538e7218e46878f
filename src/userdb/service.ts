// io.systemd.UserDatabase on a socket, without the socket: bytes in, bytes out. Answers come from memory; a caller who
// stalls, floods or breaks the protocol loses its own connection only.

import { firstFreeUid } from '../accounts/uid.ts'
import { readReservations, reservationPath, type UidReservation } from '../accounts/uid-reservations.ts'
import { concat } from '../base/bytes.ts'
import { parseLoginName } from '../base/names.ts'
import { paths } from '../base/paths.ts'
import { buckets, counter } from '../base/rate-limit.ts'
import type { Parts, Peer, PeerProcesses } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import { answer, type FirstTimeUsers } from './protocol.ts'
import type { LiveUserIndex } from './user-index.ts'
import type { UserFields } from './user-record-format.ts'
import { type Call, formatError, formatReply, parseCall, splitMessages } from './varlink-format.ts'

export type Conversation = {
  /** The bytes to send, and whether the connection ends after them. */
  readonly receive: (bytes: Uint8Array<ArrayBuffer>) => Spoken
  readonly end: () => void
}
export type Spoken = { readonly send: Iterable<Uint8Array>; readonly close: boolean }

export type Userdb = {
  /** Undefined: this caller has too many connections already. */
  readonly open: (peer: Peer) => Conversation | undefined
  /** Once a second: notices changes and forgets expired entries. */
  readonly tick: () => void
  /** Known users whom a caller asked about, oldest first; the portal is due to be asked about each. */
  readonly takeStale: () => string | undefined
}

export type UserdbParts = {
  readonly world: Parts<'now' | 'files'>
  readonly config: Config
  readonly directory: LiveUserIndex
  readonly processes: PeerProcesses
}

export const limits = {
  message: 16 << 10,
  connections: 512,
  connectionsOfOne: 64,
  /** Of these connections only root gets the last ones: a user with subordinate uids (subuid(5)) is many. */
  connectionsOfRoot: 128,
  requestsInOneGo: 256,
  /** Requests of one uid that is not root: at once, and a second. */
  burst: 8000,
  rate: 4000,
  promises: 512,
  promiseSeconds: 300,
  /** New names from one address: at once, and seconds until one more. */
  namesAtOnce: 10,
  secondsPerName: 6,
  sources: 4096,
  refreshSeconds: 900,
  stale: 256,
} as const

export function openUserdb(parts: UserdbParts): Userdb {
  const { world, config, directory } = parts
  const callers = counter()
  const requests = buckets(world, { burst: limits.burst, rate: limits.rate, most: limits.sources })
  const newcomers = openFirstTimeUsers(parts)
  const refreshed = new Map<string, number>()
  const stale: string[] = []
  let connections = 0

  const respond = (peer: Peer, message: Uint8Array): Iterable<Uint8Array> | undefined => {
    const call = parseCall(message)
    if (!call) return undefined
    // An entry of a user may be a second old (tick()); a name that is missing, and groups, may have been written a
    // moment ago, by the very login that asks.
    if (!isKnown(call)) directory.follow()
    const question = { ...call, more: call.more && !call.oneway }
    const reply = answer(question, { directory, newcomers: newcomers.for(peer), enumerate: config.nss_enumerate })
    const name = call.parameters['userName']
    if (typeof name === 'string' && call.method.endsWith('.GetUserRecord')) noteInterest(name)
    if (call.oneway) return []
    return reply.kind === 'error' ? [formatError(reply.error, reply.parameters)] : replies(reply.records)
  }
  const isKnown = ({ method, parameters: { userName, uid } }: Call): boolean => {
    if (!method.endsWith('.GetUserRecord')) return false
    if (typeof userName === 'string') return directory.user(userName) !== undefined
    return typeof uid === 'number' && directory.nameOfUid(uid) !== undefined
  }
  const noteInterest = (name: string): void => {
    if (!directory.user(name) || world.now() - (refreshed.get(name) ?? 0) < limits.refreshSeconds) return
    if (stale.length >= limits.stale) return
    if (refreshed.size >= limits.sources) refreshed.clear()
    refreshed.set(name, world.now())
    stale.push(name)
  }
  const open = (peer: Peer): Conversation | undefined => {
    const most = peer.uid === 0 ? limits.connections : limits.connections - limits.connectionsOfRoot
    if (connections >= most || (peer.uid !== 0 && callers.of(peer.uid) >= limits.connectionsOfOne)) return undefined
    connections++
    callers.add(peer.uid)
    let received = new Uint8Array()
    let open = true
    return {
      receive: (bytes) => {
        const { messages, rest } = splitMessages(received.length === 0 ? bytes : concat(received, bytes))
        received = Uint8Array.from(rest)
        const tooLong = rest.length > limits.message || messages.some(({ length }) => length > limits.message)
        if (tooLong || messages.length > limits.requestsInOneGo) return hangUp
        const answers: Iterable<Uint8Array>[] = []
        for (const message of messages) {
          if (peer.uid !== 0 && !requests.take(String(peer.uid))) return { send: chain(answers), close: true }
          const spoken = respond(peer, message)
          if (!spoken) return { send: chain(answers), close: true }
          answers.push(spoken)
        }
        return { send: chain(answers), close: false }
      },
      end: () => {
        if (!open) return
        open = false
        connections--
        callers.remove(peer.uid)
      },
    }
  }
  const tick = (): void => {
    directory.follow()
    newcomers.expire()
  }
  return { open, tick, takeStale: () => stale.shift() }
}

const hangUp: Spoken = { send: [], close: true }

function* chain(parts: readonly Iterable<Uint8Array>[]): Iterable<Uint8Array> {
  for (const part of parts) yield* part
}

function* replies(records: Iterable<object>): Iterable<Uint8Array> {
  let waiting: object | undefined
  for (const record of records) {
    if (waiting) yield formatReply(waiting, true)
    waiting = record
  }
  if (waiting) yield formatReply(waiting, false)
}

type Held = UidReservation & { at: number }

/**
 * Unknown names, as sshd sees them: it decides once per connection whether a user exists. So sshd gets an entry, and
 * the portal decides. Only sshd sees these entries; they expire, and their number is bounded.
 */
function openFirstTimeUsers({ world, config, directory, processes }: UserdbParts) {
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
