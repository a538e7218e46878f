// Screen lockers run PAM as their user, who may read neither the configuration nor the token of this host. ob serve
// decides for them: only about the user whom the kernel names as the caller, and not too often.
import { personText, type Reason } from '../base/reason.ts'
import type { Parts } from '../base/world.ts'
import { openQuestions, type Questions } from './one-question.ts'
import { formatUnlockReply, parseUnlockCall, type UnlockReply } from './unlock-format.ts'
import type { LiveUserIndex } from './user-index.ts'

export const unlockLimits = {
  message: 4 << 10,
  connections: 128,
  connectionsOfOne: 4,
  connectionsOfStrangers: 16,
  questionsOfOne: 2,
  /** With Argon2id a decision takes 110 MiB. */
  processes: 3,
  waiting: 64,
  burst: 10,
  secondsPerQuestion: 3,
  sources: 4096,
  text: 1024,
} as const

type UnlockParts = {
  readonly world: Parts<'now' | 'spawn' | 'syslog'>
  readonly directory: Pick<LiveUserIndex, 'follow' | 'portalUser'>
}

export const openUnlock = (parts: UnlockParts): Questions =>
  openQuestions(parts, {
    limits: unlockLimits,
    parse: parseUnlockCall,
    isOwn: (user, call) => user === call.user,
    decide: async (user, call) => {
      const { world } = parts
      // The decision goes on without its caller: it counts failures and writes the log. It has a deadline of its own.
      const argv = ['/proc/self/exe', 'unlock', user, call.phase]
      const { code, stdout } = await world.spawn(argv, { stdin: call.answer, limit: unlockLimits.text * 4 })
      const allowed = code === 0
      world.syslog('info', `${user} asked to unlock a screen (${call.phase}): ${allowed ? 'allowed' : 'refused'}`)
      return formatUnlockReply({ allowed, text: stdout.slice(0, unlockLimits.text) })
    },
    refuse: (reason) => formatUnlockReply(no(reason)),
    forget: (call) => void call.answer.fill(0),
  })

const no = (reason: Reason): UnlockReply => ({ allowed: false, text: `${personText(reason)}\n` })
