// What becomes of a decision when the portal says nothing usable.

import { type Outcome, unavailable } from '../base/outcome.ts'
import type { NoAnswer } from './reply-format.ts'

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
