// How this host's enrollment stands: when to ask the portal again, and when an administrator has to act.

import { bad, type Finding, good, note } from '../base/finding.ts'
import { remedyFor } from '../base/remedy.ts'
import { duration } from '../base/text.ts'
import type { HeartbeatState } from './heartbeat-format.ts'
import type { TokenFile } from './server-token-format.ts'

/** The portal keeps a refresh token for so long after each heartbeat (its default for offline sessions). Seconds. */
export const refreshLifetime = 30 * 86_400
const lapseWarning = 7 * 86_400

/** Used when the portal names none; its own value is held within these bounds. Seconds. */
const interval = { usual: 300, shortest: 60, longest: 86_400 } as const

export const toleratedSkew = 60

export const intervalFrom = (asked: number | undefined): number =>
  asked === undefined || !Number.isFinite(asked)
    ? interval.usual
    : Math.min(interval.longest, Math.max(interval.shortest, Math.round(asked)))

/** Access tokens are renewed when they would not live through two more intervals. */
const renewalMargin = 2 * interval.usual

/** Whether the portal should hear of this host now. A timer fires a little early or late; a clock may be set back. */
export function isDue(state: HeartbeatState | undefined, tokens: TokenFile, now: number): boolean {
  if (state?.next === undefined || state.reportedAt === undefined || state.result !== 'ok') return true
  if (state.reportedAt > now || state.next > now + interval.longest) return true
  if (tokens.expiresAt !== undefined && tokens.expiresAt - now < renewalMargin) return true
  return now >= state.next - Math.min(30, (state.next - state.reportedAt) / 10)
}

/** When the portal last renewed the access token: the refresh token lives on from there. */
export function lastRenewalAt(state: HeartbeatState | undefined, tokens: TokenFile): number | undefined {
  const known = [state?.renewedAt, tokens.renewedAt, tokens.enrolledAt].filter((at) => at !== undefined)
  return known.length === 0 ? undefined : Math.max(...known)
}

/** Seconds until the portal forgets this host unless it hears of it. */
export function refreshLeft(state: HeartbeatState | undefined, tokens: TokenFile, now: number): number | undefined {
  const at = lastRenewalAt(state, tokens)
  // A clock that was set back must not promise more than the portal does.
  return at === undefined ? undefined : Math.min(refreshLifetime, at + refreshLifetime - now)
}

export const lapsesSoon = (left: number | undefined): boolean => left !== undefined && left < lapseWarning

export const clockRemedy = 'synchronise the clock, e.g. with systemd-timesyncd'

/**
 * This host's clock minus the portal's, in seconds, by the Date of an answer (RFC 9110 §6.6.1); undefined without one.
 */
export function skewOf(headers: Headers, now: number): number | undefined {
  const date = Date.parse(headers.get('date') ?? '')
  return Number.isNaN(date) ? undefined : Math.round(now - date / 1000)
}

/** That the clocks differ by more than is tolerated; undefined when they do not, or nobody knows. */
export function clockRemark(skew: number | undefined): string | undefined {
  if (skew === undefined || Math.abs(skew) <= toleratedSkew) return undefined
  return `the clock of this host is ${duration(Math.abs(skew))} ${skew > 0 ? 'ahead of' : 'behind'} the portal's`
}

export function judgeClock(skew: number | undefined): Finding {
  if (skew === undefined) return note('the portal did not tell its time')
  const remark = clockRemark(skew)
  if (remark !== undefined) return bad(remark, clockRemedy)
  return good(`the clock agrees with the portal's within ${Math.abs(Math.round(skew))} s`)
}

/** Two missed in a row may be an outage; more are a timer that does not run. */
const staleAfter = 4

const remedies = {
  unsaved: 'mend the disk, then run: ob heartbeat --once',
  'out-of-order': 'check portal_url and that the PAM plugin of the portal is active',
  garbled: 'check portal_url and that the PAM plugin of the portal is active',
  unreachable: 'check the network and the portal; ob heartbeat --once tries it',
} as const

function remedyOf({ result, detail }: HeartbeatState): string {
  if (result === 'refuses-host') return remedyFor('portal-refuses-host', detail) ?? ''
  if (result === 'untrusted') return remedyFor('portal-untrusted') ?? ''
  return result === 'ok' ? '' : remedies[result]
}

/** A timer, or a line for cron, sends the first heartbeat after a boot or an enrollment within so many seconds. */
const firstWithin = 360

/** The last heartbeat: what came of it, and whether it is fresh. `startedAt`: when this host was booted or enrolled. */
export function judgeHeartbeat(state: HeartbeatState | undefined, now: number, startedAt?: number): Finding {
  const isFirst = state === undefined || (state.result === 'ok' && state.reportedAt === undefined)
  if (isFirst && startedAt !== undefined && now - startedAt < firstWithin)
    return note(
      `no heartbeat yet, ${duration(now - startedAt)} after this host was booted or enrolled; the first is on its way`,
    )
  if (!state) return bad('no heartbeat since this host was booted', 'ob heartbeat')
  const age = now - state.at
  if (state.result !== 'ok') {
    const detail = state.detail === undefined ? '' : `: ${state.detail}`
    return bad(`the last heartbeat failed ${duration(age)} ago (${state.result})${detail}`, remedyOf(state))
  }
  if (state.reportedAt === undefined || state.next === undefined)
    return bad('a login renewed the token, but no heartbeat was sent since this host was booted', 'ob heartbeat')
  const overdue = now - state.reportedAt > staleAfter * (state.next - state.reportedAt)
  if (overdue)
    return bad(`the last heartbeat was ${duration(now - state.reportedAt)} ago`, 'systemctl status ob-heartbeat.timer')
  return good(`the last heartbeat was ${duration(now - state.reportedAt)} ago`)
}

/** The refresh token, which is this host's identity. */
export function judgeRefresh(state: HeartbeatState | undefined, tokens: TokenFile, now: number): Finding {
  if (!tokens.refreshToken)
    return bad('there is no refresh token: the enrollment ends with the access token', 'ob enroll --force')
  if (state?.result === 'refuses-host')
    return bad('the portal refuses the refresh token of this host', 'ob enroll --force')
  const left = refreshLeft(state, tokens, now)
  if (left === undefined) return note('the token file does not say when the portal last heard of this host')
  if (left <= 0)
    return bad(
      `the portal has not heard of this host for ${duration(refreshLifetime - left)} and may have forgotten it`,
      'ob heartbeat --once; when the portal refuses it: ob enroll --force',
    )
  const when = `the portal keeps this host for ${duration(left)} more`
  return lapsesSoon(left) ? bad(when, 'ob heartbeat --once') : good(when)
}

/** How the timer that sends heartbeats stands, as timer.ts found it. */
export type TimerState = 'armed' | 'until-reboot' | 'idle' | 'not-installed' | 'no-systemd'

export function judgeTimer(state: TimerState): Finding {
  const arm = 'systemctl enable --now ob-heartbeat.timer'
  switch (state) {
    case 'armed':
      return good('ob-heartbeat.timer is armed')
    case 'until-reboot':
      return bad('ob-heartbeat.timer runs, but nothing starts it after a reboot', arm)
    case 'idle':
      return bad('ob-heartbeat.timer does not run', arm)
    case 'not-installed':
      return note('ob-heartbeat.timer is not installed; something else has to run ob heartbeat every five minutes')
    case 'no-systemd':
      return note('no systemd runs here; something else has to run ob heartbeat every five minutes')
  }
}
