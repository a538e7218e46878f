// The side of `ob serve`: users of ob proxy cannot read this host's token, so a process of root's asks the portal for
// them, about the user that the kernel says is calling and about nobody else.
import { personText, type Reason } from '../base/reason.ts'
import type { Parts } from '../base/world.ts'
import { openQuestions, type Questions } from '../userdb/one-question.ts'
import type { LiveUserIndex } from '../userdb/user-index.ts'
import { formatQuestion, formatVouchReply, parseVouchCall, parseVouchReply, type VouchReply } from './vouch-format.ts'

export const hopLimits = {
  message: 4 << 10,
  connections: 512,
  connectionsOfOne: 200,
  connectionsOfStrangers: 16,
  questionsOfOne: 200,
  processes: 4,
  waiting: 500,
  /** A script that goes to a hundred hosts at once is usual on a bastion. */
  burst: 300,
  secondsPerQuestion: 0.5,
  sources: 4096,
  text: 16 << 10,
} as const

type HopParts = {
  readonly world: Parts<'now' | 'spawn' | 'syslog'>
  readonly directory: Pick<LiveUserIndex, 'follow' | 'portalUser'>
}

export const openHops = (parts: HopParts): Questions =>
  openQuestions(parts, {
    limits: hopLimits,
    parse: parseVouchCall,
    isOwn: () => true,
    decide: async (user, call) => {
      // It writes the log, so it is not ended with its caller. Its own deadline ends it.
      const argv = ['/proc/self/exe', 'vouch', user]
      const { stdout } = await parts.world.spawn(argv, { stdin: formatQuestion(call), limit: hopLimits.text })
      return formatVouchReply(parseVouchReply(stdout) ?? refusal(user, personText('fault')))
    },
    refuse: (reason) => formatVouchReply(refusal('', sentences[reason] ?? personText(reason))),
    forget: () => undefined,
  })

/** The same reasons are given to screen lockers, in words that fit there. */
const sentences: Partial<Record<Reason, string>> = {
  'not-your-name': 'The portal vouches for its own users, not for a local account.',
  'asked-too-often': 'Too many hops at once. Wait a moment.',
}

const refusal = (user: string, text: string): VouchReply => ({ user, kind: 'refused', text })
