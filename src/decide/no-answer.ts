// What becomes of a decision when the portal says nothing usable.
import type { NoAnswer } from '../formats/replies.ts'
import { type Outcome, unavailable } from '../outcome.ts'

/** How a missing answer ends a decision that cannot do without it. */
export function noAnswer(reply: NoAnswer): Outcome {
  switch (reply.kind) {
    case 'unreachable':
      return unavailable('portal-unreachable')
    case 'garbled':
      return unavailable('portal-garbled')
    case 'refuses-host':
      return unavailable('portal-refuses-host')
  }
}
