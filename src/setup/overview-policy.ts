// What `ob` alone says at a terminal: the state of this host in five lines, and the one command that comes next. ASCII,
// so that it looks the same in the C locale.
import { duration, printable } from '../base/text.ts'
import type { Journal } from './journal-format.ts'

export type HostState = {
  readonly host: string
  readonly version: string
  /** Others cannot read what there is to say. */
  readonly isRoot: boolean
  readonly setUp:
    | {
        readonly state: Journal['state']
        readonly mode: string
        readonly secondsLeft: number
        /** Whose login will confirm it at the end of that time. */
        readonly confirmedBy?: string | undefined
      }
    | undefined
  /** What the configuration says, or why it cannot be read; undefined where there is none. */
  readonly configuration:
    | { readonly kind: 'read'; readonly portal: string | undefined }
    | { readonly kind: 'broken'; readonly problem: string }
    | undefined
  readonly isEnrolled: boolean
  readonly isRefused: boolean
  /** Of the last heartbeat since boot. */
  readonly beat: { readonly result: string; readonly secondsAgo: number } | undefined
  /** The last line of the audit log. */
  readonly last: { readonly user: string; readonly isIn: boolean; readonly secondsAgo: number } | undefined
}

export type Overview = {
  readonly lines: readonly string[]
  readonly next: { readonly command: string; readonly why: string }
}

export function overviewOf(state: HostState): Overview {
  const { host, version, beat, last } = state
  const rows: readonly (readonly [string, string])[] = [
    ['set-up', setUpText(state)],
    ['portal', portalText(state)],
    ['renewal', beat ? `${beat.result}, ${duration(beat.secondsAgo)} ago` : 'none since boot'],
    [
      'last',
      last ? `${last.user} ${last.isIn ? 'was let in' : 'was refused'} ${duration(last.secondsAgo)} ago` : 'nobody',
    ],
  ]
  const lines = [`ob ${version} on ${host}`, ...rows.map(([name, text]) => `${name.padEnd(8)} ${text}`)]
  return { lines: state.isRoot ? lines : lines.slice(0, 1), next: nextOf(state) }
}

function setUpText({ setUp, configuration }: HostState): string {
  if (!setUp || setUp.state === 'undone') return configuration ? 'by hand, not by ob setup' : 'none'
  if (setUp.state === 'applying') return `mode ${setUp.mode}, interrupted`
  if (setUp.state === 'confirmed') return `mode ${setUp.mode}, confirmed`
  if (setUp.confirmedBy !== undefined) return `mode ${setUp.mode}, stays: ${setUp.confirmedBy} logged in`
  return `mode ${setUp.mode}, goes back in ${duration(setUp.secondsLeft)}`
}

function portalText({ configuration, isEnrolled, isRefused }: HostState): string {
  if (configuration?.kind !== 'read') return 'unknown'
  if (configuration.portal === undefined) return 'none; web login or keys only'
  return `${isRefused ? 'refused by' : isEnrolled ? 'enrolled at' : 'not enrolled at'} ${configuration.portal}`
}

/** One command; the first that is needed. */
function nextOf({ isRoot, setUp, configuration, isEnrolled, isRefused, beat }: HostState): Overview['next'] {
  if (!isRoot) return { command: 'sudo ob', why: 'only root may read the state' }
  if (setUp?.state === 'applying') return { command: 'ob setup undo', why: 'puts back what was interrupted' }
  if (setUp?.state === 'applied') {
    const why = setUp.confirmedBy === undefined ? 'or log in from elsewhere' : 'or wait: that login confirms'
    return { command: 'ob setup confirm', why }
  }
  if (!configuration) return { command: 'ob setup --help', why: 'sets up, with a way back' }
  if (configuration.kind === 'broken') return { command: 'ob doctor', why: configuration.problem }
  if (isRefused) return { command: 'ob enroll --force', why: 'the portal refused this host' }
  if (configuration.portal !== undefined && !isEnrolled)
    return { command: 'ob enroll', why: 'the portal must know this host' }
  if (beat && beat.result !== 'ok') return { command: 'ob doctor', why: 'the last renewal went wrong' }
  return { command: 'ob status', why: 'says more; ob help lists all' }
}

const toAscii = (line: string): string => printable(line).replace(/[^ -~]/g, '?')

/** No wider than the terminal: nothing wraps. */
export function formatOverview({ lines, next }: Overview, columns: number): string {
  const fit = (text: string): string => (text.length <= columns ? text : `${text.slice(0, columns - 2)}..`)
  const shown = [...lines, `next     ${next.command}`, `         ${next.why}`]
  return `${shown.map((line) => fit(toAscii(line))).join('\n')}\n`
}
