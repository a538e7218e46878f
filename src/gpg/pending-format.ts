// The record of a challenge that waits for its answer: a file of root's in /run. The code itself is not in it.
import * as v from 'valibot'

export type Pending = {
  readonly user: string
  readonly service: string
  /** The ssh connection, or the program that asks. */
  readonly connection: string
  readonly codeHash: string
  /** SHA-256 of the key file that the challenge was encrypted to; absent for a decoy, whose code opens nothing. */
  readonly keysHash?: string | undefined
  /** Whether gpg_users and gpg_groups name the user. */
  readonly permitted: boolean
  /** Seconds since the host started: a clock that is set back gives nobody more time. */
  readonly expiresAt: number
  /** The portal was unreachable, and that is what this login counts on. */
  readonly breakGlass: boolean
  /** The process that shows the challenge in a browser, and the user that it runs as. */
  readonly page?: { readonly pid: number; readonly uid: number } | undefined
}

const whole = (least: number) => v.pipe(v.number(), v.integer(), v.minValue(least))
const digest = () => v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/))
const shape = () =>
  v.strictObject({
    user: v.string(),
    service: v.string(),
    connection: v.string(),
    codeHash: digest(),
    keysHash: v.optional(digest()),
    permitted: v.boolean(),
    expiresAt: v.pipe(v.number(), v.finite()),
    breakGlass: v.boolean(),
    page: v.optional(v.strictObject({ pid: whole(2), uid: whole(1) })),
  })

export const formatPending = (pending: Pending): string => `${JSON.stringify(pending)}\n`

export function parsePending(text: string): Pending | undefined {
  const read = v.safeParse(v.pipe(v.string(), v.parseJson(), shape()), text)
  return read.success ? read.output : undefined
}

/** /proc/uptime (proc_uptime(5)): seconds since the host started. */
export function parseUptime(text: string): number | undefined {
  const first = /^(\d{1,12}(?:\.\d{1,9})?) /.exec(text)?.[1]
  return first === undefined ? undefined : Number(first)
}
