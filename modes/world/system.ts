// The real World, put together from its neighbours in this folder.

import { readFileSync, readSync, writeSync } from 'node:fs'
import { forTerminal } from '../../src/base/text.ts'
import type { NativeArgon2, Terminal, World } from '../../src/base/world.ts'
import { disk } from './files/disk.ts'
import { readUpTo } from './files/safe-path.ts'
import { probeTcp, tlsFetch } from './io/network.ts'
import { writeAll } from './io/output.ts'
import { syslog } from './io/syslog.ts'
import { connectionSeed, processSeed } from './process/connection-id.ts'
import { keyring } from './process/keyring.ts'
import { processes, readProc } from './process/proc.ts'
import { spawn } from './process/spawn.ts'

const known: readonly string[] = [
  'PAM_TYPE',
  'PAM_USER',
  'PAM_RUSER',
  'PAM_RHOST',
  'PAM_TTY',
  'PAM_SERVICE',
  'SSH_AUTH_INFO_0',
  'SSH_CONNECTION',
  // By way of sudo, from sshd: what a person asked for. sudo itself says who called it.
  'SSH_ORIGINAL_COMMAND',
  'OB_SHELL_COMMAND',
  'SUDO_USER',
  'LANG',
  'NOTIFY_SOCKET',
  'NO_COLOR',
  'TERM',
]

export type Environment = {
  readonly values: Readonly<Record<string, string>>
  readonly duplicates: readonly string[]
}

let inherited: readonly string[] = []

/** The whole environment as it came, for a program of the user's own that takes this one's place. */
export const inheritedEnvironment = (): readonly string[] => inherited

/**
 * The allow-listed environment, read from the kernel because a map cannot show duplicates. pam_exec appends its own
 * PAM_* after the ones a user may have smuggled in, so the last occurrence is the true one.
 */
export function takeEnvironment(): Environment {
  inherited = readFileSync('/proc/self/environ', 'utf8').split('\0').filter(Boolean)
  // The other variables would steer the runtime: proxies, certificate checks, verbose fetching.
  for (const name of Object.keys(process.env)) delete process.env[name]
  return allowListed(inherited)
}

/** The environment of another process, as it was when its program began. */
export const environmentOf = (pid: number): Environment =>
  allowListed(readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').filter(Boolean))

function allowListed(variables: readonly string[]): Environment {
  const values: Record<string, string> = {}
  const duplicates: string[] = []
  for (const item of variables) {
    const split = item.indexOf('=')
    const name = item.slice(0, split)
    if (split < 1 || !known.includes(name)) continue
    if (name in values) duplicates.push(name)
    values[name] = item.slice(split + 1)
  }
  return { values, duplicates }
}

/** The World of this process. Standard input is read already where its bytes are given. */
export function system(environment: Environment, deadline: AbortSignal, input?: Uint8Array<ArrayBuffer>): World {
  const userId = process.geteuid?.() ?? -1
  return {
    env: environment.values,
    duplicates: environment.duplicates,
    now: () => Date.now() / 1000,
    monotonic: () => performance.now(),
    random: (length) => crypto.getRandomValues(new Uint8Array(length)),
    hostname: () => readProc('/proc/sys/kernel/hostname').trim(),
    userId,
    connectionSeed: () => seedOrRandom(connectionSeed, process.ppid),
    callerSeed: () => seedOrRandom(processSeed, process.ppid),
    deadline,
    timeout: (seconds) => AbortSignal.any([deadline, AbortSignal.timeout(seconds * 1000)]),
    interrupted,
    fetch: tlsFetch,
    probeTcp,
    sleep: (seconds) => Bun.sleep(seconds * 1000),
    files: disk(deadline),
    keyring,
    argon2,
    processes,
    spawn,
    stdin: (limit) => input?.subarray(0, limit) ?? readInput(limit),
    hiddenInput: async (prompt, limit) =>
      (await import('./io/hidden-input.ts')).readHidden(prompt, limit) ?? readInput(limit),
    stdout: (text) => writeText(1, forTerminal(text)),
    stderr: (text) => writeText(2, forTerminal(text)),
    syslog,
    get terminal() {
      return terminal(environment)
    },
  }
}

// Loaded when a password is verified without the portal, and only then: node:crypto costs every other login too much.
export const argon2: NativeArgon2 = async (password, { salt, memory, passes, lanes, length }) => {
  const { argon2: native } = await import('node:crypto')
  const how = { message: password, nonce: salt, parallelism: lanes, tagLength: length, memory, passes }
  return new Promise((resolve, reject) =>
    native('argon2id', how, (error, hash) => (error ? reject(error) : resolve(Uint8Array.from(hash)))),
  )
}

function interrupted(): AbortSignal {
  const controller = new AbortController()
  process.once('SIGINT', () => controller.abort())
  return controller.signal
}

export function seedOrRandom(seedOf: (pid: number) => string, parent: number): string {
  try {
    return seedOf(parent)
  } catch {
    // /proc may be hidden from an unprivileged caller (hidepid); then the id is unique, and no other phase has it.
    return crypto.randomUUID()
  }
}

export const readInput = (limit: number): Uint8Array<ArrayBuffer> =>
  readUpTo(limit, (bytes, offset) => readSync(0, bytes, offset, limit - offset, null))

/** Writes everything before returning. */
export const writeText = (descriptor: number, text: string): void =>
  writeAll(text, (bytes) => writeSync(descriptor, bytes))

/** Whether a person reads what is printed. */
export const isTerminal = (): boolean => (require('node:tty') as typeof import('node:tty')).isatty(1)

/** Columns of the terminal that shows what is printed; 80 where that is no terminal. */
export const terminalColumns = (): number => (isTerminal() ? Math.max(process.stdout.columns || 80, 20) : 80)

function terminal(environment: Environment): Terminal | undefined {
  if (!isTerminal()) return undefined
  const colour = environment.values['NO_COLOR'] === undefined && environment.values['TERM'] !== 'dumb'
  const redraw = (text: string): void => writeText(2, `\r\u001b[K${forTerminal(text)}`)
  return { columns: terminalColumns(), colour, redraw }
}
