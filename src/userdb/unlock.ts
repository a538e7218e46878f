// Screen lockers run PAM as their user, who may read neither the configuration nor the token of this host. ob serve
// decides for them: only about the user whom the kernel names as the caller, and not too often.
import { concat } from '../base/bytes.ts'
import { buckets, counter } from '../base/rate-limit.ts'
import { personText, type Reason } from '../base/reason.ts'
import type { Parts, Peer } from '../base/world.ts'
import { formatUnlockReply, parseUnlockCall, type UnlockCall, type UnlockReply } from './unlock-format.ts'
import type { LiveUserIndex } from './user-index.ts'
import { splitMessages } from './varlink-format.ts'

export type Unlock = {
  /** Undefined: this caller has too many connections already. */
  readonly open: (peer: Peer) => UnlockConversation | undefined
}

export type UnlockConversation = {
  /** The reply; or that the question is not complete yet, or that there will be none. */
  readonly receive: (bytes: Uint8Array<ArrayBuffer>) => Promise<Uint8Array> | 'more' | 'hang-up'
  /** The caller hung up: a question of it that still waits is not begun. */
  readonly end: () => void
}

export const unlockLimits = {
  message: 4 << 10,
  connections: 128,
  connectionsOfOne: 4,
  /** For all callers together who are no portal users: one user with subordinate uids (subuid(5)) is many callers. */
  connectionsOfStrangers: 16,
  /** Questions of one user that are being decided or wait. */
  questionsOfOne: 2,
  /** Decisions at a time: each is a process, and with Argon2id one of 110 MiB. */
  processes: 3,
  waiting: 64,
  /** Questions of one user: at once, and seconds until one more. */
  burst: 10,
  secondsPerQuestion: 3,
  sources: 4096,
  text: 1024,
} as const

type UnlockParts = {
  readonly world: Parts<'now' | 'spawn' | 'syslog'>
  readonly directory: Pick<LiveUserIndex, 'follow' | 'portalUser'>
}

export function openUnlock({ world, directory }: UnlockParts): Unlock {
  const { burst, secondsPerQuestion, sources } = unlockLimits
  const questions = buckets(world, { burst, rate: 1 / secondsPerQuestion, most: sources })
  const turns = openTurns(unlockLimits.processes, unlockLimits.waiting)
  const callers = counter()
  const asking = counter()
  let connections = 0
  let strangers = 0

  const decideInTurn = async (user: string, call: UnlockCall, signal: AbortSignal): Promise<UnlockReply> => {
    if (!(await turns.take())) return no('asked-too-often')
    try {
      if (signal.aborted) return no('asked-too-often')
      // The decision goes on without its caller: it counts failures and writes the log. It has a deadline of its own.
      const argv = ['/proc/self/exe', 'unlock', user, call.phase]
      const { code, stdout } = await world.spawn(argv, { stdin: call.answer, limit: unlockLimits.text * 4 })
      const allowed = code === 0
      world.syslog('info', `${user} asked to unlock a screen (${call.phase}): ${allowed ? 'allowed' : 'refused'}`)
      return { allowed, text: stdout.slice(0, unlockLimits.text) }
    } finally {
      turns.give()
    }
  }
  const decide = async (peer: Peer, call: UnlockCall, signal: AbortSignal): Promise<UnlockReply> => {
    directory.follow()
    const user = directory.portalUser(peer.uid)
    if (user === undefined || user !== call.user) return no('not-your-name')
    if (asking.of(peer.uid) >= unlockLimits.questionsOfOne || !questions.take(String(peer.uid)))
      return no('asked-too-often')
    asking.add(peer.uid)
    try {
      return await decideInTurn(user, call, signal)
    } finally {
      asking.remove(peer.uid)
    }
  }
  const reply = async (peer: Peer, call: UnlockCall, signal: AbortSignal): Promise<Uint8Array> => {
    const decision = await decide(peer, call, signal)
    call.answer.fill(0)
    return formatUnlockReply(decision)
  }
  return {
    open: (peer) => {
      if (connections >= unlockLimits.connections) return undefined
      if (callers.of(peer.uid) >= unlockLimits.connectionsOfOne) return undefined
      const isUnknownUser = directory.portalUser(peer.uid) === undefined
      if (isUnknownUser && strangers >= unlockLimits.connectionsOfStrangers) return undefined
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
          if ((message ?? rest).length > unlockLimits.message) return 'hang-up'
          received = Uint8Array.from(rest)
          if (!message) return 'more'
          asked = true
          const call = parseUnlockCall(message)
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

const no = (reason: Reason): UnlockReply => ({ allowed: false, text: `${personText(reason)}\n` })

/** A limited number at a time; the others wait in order, and a long queue is refused. */
function openTurns(atOnce: number, mostWaiting: number) {
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
