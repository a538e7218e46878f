// The answer of a portal about an access token (RFC 7662 §2.2). Strict where it decides: an answer that lacks the
// members a login needs is garbled and says nothing.
import * as v from 'valibot'
import type { NoAnswer } from './reply-format.ts'

export type ActiveToken = {
  readonly kind: 'active'
  /** Whose token it is, as the portal writes it. */
  readonly subject: string
  /** The application it was given to. */
  readonly client: string
  readonly scopes: readonly string[]
  /** Absent means bearer (RFC 6750). */
  readonly bearer: boolean
  readonly secondsLeft: number
  readonly detail: string
}

export type Introspection = ActiveToken | { readonly kind: 'inactive' } | NoAnswer

const text = v.pipe(v.string(), v.maxLength(4096))

// Made when an answer is read: only hosts that ask for this pay for it.
const active = () =>
  v.object({
    active: v.literal(true),
    sub: v.pipe(text, v.minLength(1)),
    exp: v.pipe(v.number(), v.integer(), v.minValue(1)),
    client_id: v.optional(text, ''),
    scope: v.optional(text, ''),
    token_type: v.optional(text, 'bearer'),
  })

/** The body of a 200 answer to POST /oauth2/introspect; `now` in epoch seconds. */
export function parseIntrospection(json: unknown, now: number): Introspection {
  const yes = v.safeParse(active(), json)
  if (yes.success) {
    const { sub, exp, client_id: client, scope, token_type } = yes.output
    const secondsLeft = Math.floor(exp - now)
    const about = `client ${client || '(unnamed)'}, scope ${scope || '(none)'}`
    return {
      kind: 'active',
      subject: sub,
      client,
      scopes: scope.split(' ').filter((word) => word !== ''),
      bearer: token_type.toLowerCase() === 'bearer',
      secondsLeft,
      detail: `${token_type} token of ${about}, ${secondsLeft} s left`,
    }
  }
  if (v.is(v.object({ active: v.literal(false) }), json)) return { kind: 'inactive' }
  return { kind: 'garbled', detail: 'no usable "active", "sub" and "exp" in the answer to the introspection' }
}
