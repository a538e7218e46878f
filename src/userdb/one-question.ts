// What `ob serve` lets portal users ask over a socket, one question a connection: it believes the kernel about who
// asks, decides a few at a time, and nobody can keep others waiting. Bytes in, bytes out; the socket is the caller's.
import { concat } from '../base/bytes.ts'
import { buckets, counter } from '../base/rate-limit.ts'
import type { Reason } from '../base/reason.ts'
import type { Parts, Peer } from '../base/world.ts'
import type { LiveUserIndex } from './user-index.ts'
import { splitMessages } from './varlink-format.ts'

export type Questions = {
  /** Undefined: this caller has too many connections already. */
  readonly open: (peer: Peer) => QuestionConversation | undefined
}

export type QuestionConversation = {
  /** The reply; or that the question is not complete yet, or that there will be none. */
  readonly receive: (bytes: Uint8Array<ArrayBuffer>) => Promise<Uint8Array> | 'more' | 'hang-up'
  /** The caller hung up: a question of it that still waits is not begun. */
  readonly end: () => void
}

export type QuestionLimits = {
  readonly message: number
  readonly connections: number
  readonly connectionsOfOne: number
  /** For all callers together who are no portal users: one user with subordinate uids (subuid(5)) is many callers. */
  readonly connectionsOfStrangers: number
  /** Questions of one user that are being decided or wait. */
  readonly questionsOfOne: number
  /** Decisions at a time: each is a process. */
  readonly processes: number
  readonly waiting: number
  /** Questions of one user: at once, and seconds until one more. */
  readonly burst: number
  readonly secondsPerQuestion: number
  readonly sources: number
}

export type QuestionKind<Call> = {
  readonly limits: QuestionLimits
  readonly parse: (message: Uint8Array) => Call | undefined
  /** Whether this user may ask this at all. */
  readonly isOwn: (user: string, call: Call) => boolean
  readonly decide: (user: string, call: Call) => Promise<Uint8Array>
  readonly refuse: (reason: Reason) => Uint8Array
  /** Wipes what should not stay in memory. */
  readonly forget: (call: Call) => void
}

type QuestionParts = {
  readonly world: Parts<'now'>
  readonly directory: Pick<LiveUserIndex, 'follow' | 'portalUser'>
}

export function openQuestions<Call>({ world, directory }: QuestionParts, kind: QuestionKind<Call>): Questions {
  const { limits } = kind
  const questions = buckets(world, {
    burst: limits.burst,
    rate: 1 / limits.secondsPerQuestion,
    most: limits.sources,
  })
  const turns = openTurns(limits.processes, limits.waiting)
  const callers = counter()
  const asking = counter()
  let connections = 0
  let strangers = 0

  const decideInTurn = async (user: string, call: Call, signal: AbortSignal): Promise<Uint8Array> => {
    if (!(await turns.take())) return kind.refuse('asked-too-often')
    try {
      if (signal.aborted) return kind.refuse('asked-too-often')
      return await kind.decide(user, call)
    } finally {
      turns.give()
    }
  }
  const decide = async (peer: Peer, call: Call, signal: AbortSignal): Promise<Uint8Array> => {
    directory.follow()
    const user = directory.portalUser(peer.uid)
    if (user === undefined || !kind.isOwn(user, call)) return kind.refuse('not-your-name')
    if (asking.of(peer.uid) >= limits.questionsOfOne || !questions.take(String(peer.uid)))
      return kind.refuse('asked-too-often')
    asking.add(peer.uid)
    try {
      return await decideInTurn(user, call, signal)
    } finally {
      asking.remove(peer.uid)
    }
  }
  const reply = async (peer: Peer, call: Call, signal: AbortSignal): Promise<Uint8Array> => {
    try {
      return await decide(peer, call, signal)
    } finally {
      kind.forget(call)
    }
  }
  return {
    open: (peer) => {
      if (connections >= limits.connections) return undefined
      if (callers.of(peer.uid) >= limits.connectionsOfOne) return undefined
      const isUnknownUser = directory.portalUser(peer.uid) === undefined
      if (isUnknownUser && strangers >= limits.connectionsOfStrangers) return undefined
      if (isUnknownUser) strangers++
      connections++
      callers.add(peer.uid)
      const gone = new AbortController()
      let received = new Uint8Array()
      let asked = false
      return {
        receive: (bytes) => {
          const { messages, rest } = splitMessages(concat(received, bytes))
          const [message] = messages
          // One question a connection.
          if (asked || messages.length > 1 || (message && rest.length > 0)) return 'hang-up'
          if ((message ?? rest).length > limits.message) return 'hang-up'
          received = Uint8Array.from(rest)
          if (!message) return 'more'
          asked = true
          const call = kind.parse(message)
          return call ? reply(peer, call, gone.signal) : 'hang-up'
        },
        end: () => {
          if (gone.signal.aborted) return
          gone.abort()
          connections--
          if (isUnknownUser) strangers--
          callers.remove(peer.uid)
        },
      }
    },
  }
}

/** A limited number at a time; the others wait in order, and a long queue is refused. */
export function openTurns(atOnce: number, mostWaiting: number) {
  const waiting: (() => void)[] = []
  let free = atOnce
  return {
    take: async (): Promise<boolean> => {
      if (free > 0) {
        free--
        return true
      }
      if (waiting.length >= mostWaiting) return false
      await new Promise<void>((resolve) => waiting.push(resolve))
      return true
    },
    give: (): void => {
      const next = waiting.shift()
      if (next) next()
      else free++
    },
  }
}
