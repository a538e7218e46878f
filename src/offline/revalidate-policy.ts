// Sessions that began while the portal was unreachable. When it answers again, it is asked about each user; when it
// does not answer although the network is there, an attacker may keep it from answering, and those sessions end.
import type { Authorization, UserInfo } from '../portal-client/reply-format.ts'

/** Whether anything of this round reached the portal. `down`: this host has no way out at all. */
export type Reach = 'portal' | 'silent' | 'down'

export type Outage = {
  /** Epoch seconds of the last round. */
  readonly roundAt: number
  /** Seconds without an answer of the portal while the network was there, since it last answered. */
  readonly silentSeconds: number
  /** Seconds without any network since then; reported, and never counted against a user. */
  readonly downSeconds: number
}

/** A round that comes late counts for at most this long: a suspended laptop asked nothing. Seconds. */
const longestRound = 180

/**
 * The state after this round. Being without a network stops the clock but does not turn it back, or pulling the plug
 * for a
 * moment would do.
 */
export function afterRound(before: Outage | undefined, reach: Reach, now: number): Outage {
  if (reach === 'portal' || !before) return { roundAt: now, silentSeconds: 0, downSeconds: 0 }
  const passed = Math.min(Math.max(0, now - before.roundAt), longestRound)
  const { silentSeconds, downSeconds } = before
  return reach === 'silent'
    ? { roundAt: now, silentSeconds: silentSeconds + passed, downSeconds }
    : { roundAt: now, silentSeconds, downSeconds: downSeconds + passed }
}

export const isOutageTooLong = (silence: Outage, maximum: number): boolean => silence.silentSeconds >= maximum

/** `unanswered`: no usable answer about the user, which counts as an outage. */
export type SessionVerdict = 'clear' | 'terminate' | 'unanswered'

/**
 * What becomes of a user's offline sessions now that the portal answers. An error ends nothing by itself; but it is no
 * word for the user either, so an attacker who stops one of the two questions causes an outage.
 */
export function judgeUser(info: UserInfo, authorization: Authorization | undefined): SessionVerdict {
  switch (info.kind) {
    case 'not-found':
      return 'terminate'
    case 'found':
      if (authorization?.kind === 'refused') return 'terminate'
      return authorization?.kind === 'granted' ? 'clear' : 'unanswered'
    case 'unreachable':
    case 'out-of-order':
    case 'garbled':
    case 'refuses-host':
      return 'unanswered'
  }
}
