// Who is logged in to this host: from logind, or from utmp where no logind runs.
import { decodeUtf8 } from '../base/bytes.ts'

export type Session = {
  readonly user: string
  /** Where from; empty for a session at the machine. */
  readonly from: string
  readonly tty: string
  /** Epoch seconds. */
  readonly since: number | null
}

/** Other programs wrote these values: only short plain text is passed on. */
const plain = (text: string): string => text.slice(0, 256).replace(/[^ -~]/g, '?')

/** The session ids of `loginctl list-sessions --no-legend`: the first word of each line, in every version. */
export const parseSessionIds = (text: string): readonly string[] =>
  text.split('\n').flatMap((line) => /^\s*([A-Za-z0-9]{1,32})\s/.exec(`${line} `)?.[1] ?? [])

export const sessionProperties = ['Name', 'RemoteHost', 'TTY', 'Display', 'Class', 'State', 'TimestampMonotonic']

/**
 * The blocks of `loginctl show-session ID… -p …`. Printed times depend on the time zone, so the age is taken
 * from the monotonic clock. Only sessions of people, and none that is ending.
 */
export function parseLogindSessions(text: string, clock: { now: number; uptime: number }): readonly Session[] {
  return text.split(/\n\s*\n/).flatMap((block) => {
    const pairs = block.split('\n').map((line): [string, string] => {
      const split = line.indexOf('=')
      return [line.slice(0, Math.max(0, split)), line.slice(split + 1).trim()]
    })
    const { Name, RemoteHost = '', TTY, Display, Class, State, TimestampMonotonic } = Object.fromEntries(pairs)
    if (!Name || Class !== 'user' || State === 'closing') return []
    const begun = Number(TimestampMonotonic) / 1e6
    const since = begun > 0 && begun <= clock.uptime ? Math.round(clock.now - clock.uptime + begun) : null
    return [{ user: plain(Name), from: plain(RemoteHost), tty: plain(TTY || Display || ''), since }]
  })
}

const USER_PROCESS = 7
const newestType = 9

type Layout = { readonly size: number; readonly instant: number; readonly wide: boolean }

// utmp(5): glibc has 32-bit times on x86-64, and 64-bit ones on arm64.
const layouts: readonly Layout[] = [
  { size: 384, instant: 340, wide: false },
  { size: 400, instant: 344, wide: true },
]

/** The records of a logged-in user with the process that holds the session. */
export function parseUtmp(bytes: Uint8Array): readonly (Session & { readonly pid: number })[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const fits = ({ size }: Layout): boolean => {
    if (bytes.length % size !== 0) return false
    for (let at = 0; at < bytes.length; at += size) if (view.getInt16(at, true) > newestType) return false
    return true
  }
  const layout = layouts.find(fits)
  if (!layout) return []
  const text = (start: number, length: number): string => {
    const field = bytes.subarray(start, start + length)
    const end = field.indexOf(0)
    return plain(decodeUtf8(end < 0 ? field : field.subarray(0, end)) ?? '')
  }
  const sessions: (Session & { readonly pid: number })[] = []
  for (let at = 0; at < bytes.length; at += layout.size) {
    if (view.getInt16(at, true) !== USER_PROCESS) continue
    const instant = at + layout.instant
    const since = layout.wide ? Number(view.getBigInt64(instant, true)) : view.getInt32(instant, true)
    const [tty, user, from] = [text(at + 8, 32), text(at + 44, 32), text(at + 76, 256)]
    if (user !== '')
      sessions.push({ user, from, tty, since: since > 0 ? since : null, pid: view.getInt32(at + 4, true) })
  }
  return sessions
}
