// io.systemd.UserDatabase on a socket, without the socket: bytes in, bytes out. Answers come from memory; a caller who
// stalls, floods or breaks the protocol loses its own connection only.

import { concat } from '../base/bytes.ts'
import { buckets, counter } from '../base/rate-limit.ts'
import type { Peer } from '../base/world.ts'
import { type FirstLoginParts, openFirstTimeUsers } from './first-logins.ts'
import { limits } from './limits.ts'
import { answer } from './protocol.ts'
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

export type UserdbParts = FirstLoginParts

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
