// The C implementation's failure counter: one line of four decimal numbers. Either program can go on where the other
// stopped.
import { hex, sha256 } from '../base/bytes.ts'

export type LockoutState = {
  readonly failureCount: number
  /** Epoch seconds; 0 when there is no lock. */
  readonly lockedUntil: number
  readonly lastFailureAt: number
  readonly firstFailureAt: number
}

// Upstream reads the count into an int and the instants into 64 bits.
const largestCount = 2 ** 31 - 2

/** The state, or undefined for a file that neither program wrote: it counts as no file. */
export function parseLockoutState(text: string): LockoutState | undefined {
  const match = /^(\d{1,10}) (\d{1,15}) (\d{1,15}) (\d{1,15})\n$/.exec(text)
  if (match === null) return undefined
  const [failureCount, lockedUntil, lastFailureAt, firstFailureAt] = match.slice(1).map(Number)
  if (failureCount! > largestCount) return undefined
  const state = {
    failureCount: failureCount!,
    lockedUntil: lockedUntil!,
    lastFailureAt: lastFailureAt!,
    firstFailureAt: firstFailureAt!,
  }
  return formatLockoutState(state) === text ? state : undefined
}

export function formatLockoutState(state: LockoutState): string {
  const instants = [state.lockedUntil, state.lastFailureAt, state.firstFailureAt].map((at) =>
    Math.max(0, Math.floor(at)),
  )
  return `${[Math.min(largestCount, Math.max(0, Math.floor(state.failureCount))), ...instants].join(' ')}\n`
}

/** Failures are counted for a user and where they come from. */
export const lockoutKey = (user: string, rhost: string | undefined): string =>
  `${user}:${rhost ? sourceOf(rhost) : 'local'}`

// The owner of one IPv6 address has its whole /64 (RFC 6177), so that is one source. Upstream counts each address.
function sourceOf(rhost: string): string {
  const mapped = /^::ffff:(\d+(?:\.\d+){3})$/i.exec(rhost)
  if (mapped) return mapped[1]!
  if (!/^[0-9a-f.]*:[0-9a-f:.]*(?:%.*)?$/i.test(rhost)) return rhost
  const [head = '', tail] = rhost.replace(/%.*/, '').split('::')
  const [left, right] = [head, tail ?? ''].map((half) => half.split(':').filter((group) => group !== ''))
  const missing = tail === undefined ? 0 : Math.max(0, 8 - left!.length - right!.length)
  const groups = [...left!, ...Array<string>(missing).fill('0'), ...right!]
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`
}

export const lockoutFileName = (key: string): string => `${hex(sha256(key)).slice(0, 32)}.state`
