// What a decision ends with. A fault is not an outcome: it is thrown (fault.ts).
import type { Reason } from './reason.ts'

export type Outcome =
  | { readonly kind: 'allowed'; readonly reason: Reason }
  | { readonly kind: 'denied'; readonly reason: Reason }
  | { readonly kind: 'unavailable'; readonly reason: Reason }

export const allowed = (reason: Reason): Outcome => ({ kind: 'allowed', reason })
export const denied = (reason: Reason): Outcome => ({ kind: 'denied', reason })
export const unavailable = (reason: Reason): Outcome => ({ kind: 'unavailable', reason })
