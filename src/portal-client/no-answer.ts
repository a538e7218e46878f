// The outcome of a decision when the portal gives no usable answer.

import { type Outcome, unavailable } from '../base/outcome.ts'
import type { Reason } from '../base/reason.ts'
import type { NoAnswer, Outage } from './reply-format.ts'

export type OutageReason = 'portal-unreachable' | 'portal-out-of-order'

export const outageReason = ({ kind }: Outage): OutageReason => {
  switch (kind) {
    case 'unreachable':
      return 'portal-unreachable'
    case 'out-of-order':
      return 'portal-out-of-order'
  }
}

/** Whether this reason is an outage of the portal and nothing else. */
export const isOutage = (reason: Reason): reason is OutageReason =>
  reason === 'portal-unreachable' || reason === 'portal-out-of-order'

/** How a missing answer ends a decision that cannot do without it. */
export function noAnswer(reply: NoAnswer): Outcome {
  switch (reply.kind) {
    case 'unreachable':
    case 'out-of-order':
      return unavailable(outageReason(reply))
    case 'garbled':
      return unavailable('portal-garbled')
    case 'refuses-host':
      return unavailable('portal-refuses-host')
  }
}
