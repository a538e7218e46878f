// The arguments of ssh(1), scp(1), sftp(1) and rsync(1), as far as it takes to know where they go. Nothing is judged
// here: what is passed on is what was given.
import type { Problem } from '../ssh/wire.ts'

export type SshArguments = {
  /** Before the destination, and after it; ssh takes options in both places. */
  readonly options: readonly string[]
  /** As it was given, without a port. */
  readonly destination: string
  readonly command: readonly string[]
}

/** ssh.c: the options that take a value. */
const withValue = new Set('BbcDEeFIiJLlmOopPQRSWw')
const withoutValue = new Set('1246AaCfGgKkMNnqsTtVvXxYy')

/** How many of the arguments are options, as getopt(3) reads them; undefined for one that ssh does not have. */
function countOptions(args: readonly string[], values = withValue, flags = withoutValue): number | undefined {
  let at = 0
  for (; at < args.length; at++) {
    const arg = args[at]!
    if (arg === '--') return at + 1
    if (!/^-./.test(arg)) return at
    const letters = [...arg.slice(1)]
    const first = letters.findIndex((letter) => values.has(letter))
    if (letters.slice(0, first < 0 ? undefined : first).some((letter) => !flags.has(letter))) return undefined
    if (first === letters.length - 1) at++
  }
  return at
}

export function parseSshArguments(args: readonly string[]): SshArguments | Problem {
  const before = countOptions(args)
  if (before === undefined) return { problem: 'an option that ssh does not have' }
  const given = args[before]
  if (given === undefined) return { problem: 'no host' }
  const rest = args.slice(before + 1)
  const after = args[before - 1] === '--' ? 0 : countOptions(rest)
  if (after === undefined) return { problem: 'an option that ssh does not have' }
  const options = [...args.slice(0, before), ...rest.slice(0, after)].filter((arg) => arg !== '--')
  const { destination, port } = splitPort(given)
  const place = port === undefined ? options : ['-p', port, ...options]
  return { options: place, destination, command: rest.slice(after) }
}

/** `[user@]host:port` and `[user@][address]:port`; ssh itself takes a port only with -p or in an address (URI). */
export function splitPort(text: string): { readonly destination: string; readonly port: string | undefined } {
  if (text.startsWith('ssh://')) return { destination: text, port: undefined }
  const match = /^((?:[^@]+@)?)(?:\[([^\]]+)\]|([^:@[\]]+))(?::(\d{1,5}))?$/.exec(text)
  if (!match) return { destination: text, port: undefined }
  const [, user = '', bracketed, plain, port] = match
  return { destination: `${user}${bracketed ?? plain}`, port }
}

export type Tool = 'scp' | 'sftp' | 'rsync'

const toolValues: Readonly<Record<Tool, string>> = {
  scp: 'cDFiJloPSX',
  sftp: 'BbcDFiJloPRSsX',
  rsync: 'BefMT',
}

/** Words that are no options, and no values of options of one letter. */
function operands(tool: Tool, args: readonly string[]): readonly string[] {
  const found: string[] = []
  for (let at = 0; at < args.length; at++) {
    const arg = args[at]!
    if (arg === '--') return [...found, ...args.slice(at + 1)]
    if (!/^-./.test(arg)) found.push(arg)
    else if (!arg.startsWith('--')) {
      const letters = arg.slice(1)
      const first = [...letters].findIndex((letter) => toolValues[tool].includes(letter))
      if (first === letters.length - 1) at++
    }
  }
  return found
}

const remote = /^(?:(?:scp|sftp):\/\/)?((?:[^@/:]+@)?(?:\[[0-9A-Fa-f:.%]+\]|[^@/:[\]]+))(?::|\/|$)/

/** The `[user@]host` that the arguments name; one alone, because a hop is to one host. */
export function findDestination(tool: Tool, args: readonly string[]): string | Problem {
  const words = operands(tool, args)
  const candidates = tool === 'sftp' ? words.slice(0, 1) : words.filter((word) => isRemote(tool, word))
  const places = new Set(candidates.map((word) => splitPort(remote.exec(word)?.[1] ?? '').destination))
  const [place, ...more] = places
  if (place === undefined || place === '') return { problem: 'no host in these arguments' }
  return more.length > 0 ? { problem: 'more than one host in these arguments' } : place
}

// scp(1): a colon before any slash. rsync(1) takes a double colon for its own daemon, which is not ssh.
const isRemote = (tool: Tool, word: string): boolean => {
  if (tool === 'rsync' && /^[^/]*::/.test(word)) return false
  return /^scp:\/\//.test(word) || /^(?:[^@/:]+@)?(?:\[[^\]]+\]|[^/:[\]]+):/.test(word)
}
