// The real World. This file, its neighbours (disk, home, network, ancestry, libc) and ob.ts are the only ones that
// touch the machine.
import { readFileSync, readSync, writeSync } from 'node:fs'
import type { Exit, NativeArgon2, SpawnOptions, SyslogPriority, Terminal, World } from '../src/world.ts'
import { connectionSeed } from './ancestry.ts'
import { disk } from './disk.ts'
import { keyring } from './keyring.ts'
import { sendDatagram } from './libc.ts'
import { knock, tlsFetch } from './network.ts'
import { processes, readProc } from './proc.ts'

const known: readonly string[] = [
  'PAM_TYPE',
  'PAM_USER',
  'PAM_RUSER',
  'PAM_RHOST',
  'PAM_TTY',
  'PAM_SERVICE',
  'SSH_AUTH_INFO_0',
  'SSH_CONNECTION',
  'NOTIFY_SOCKET',
  'NO_COLOR',
  'TERM',
]

export type Environment = {
  readonly values: Readonly<Record<string, string>>
  readonly duplicates: readonly string[]
}

/**
 * The allow-listed environment, read from the kernel because a map cannot show duplicates. pam_exec appends its own
 * PAM_* after the ones a user may have smuggled in, so the last occurrence is the true one.
 */
export function takeEnvironment(): Environment {
  const values: Record<string, string> = {}
  const duplicates: string[] = []
  for (const item of readFileSync('/proc/self/environ', 'utf8').split('\0')) {
    const split = item.indexOf('=')
    const name = item.slice(0, split)
    if (split < 1 || !known.includes(name)) continue
    if (name in values) duplicates.push(name)
    values[name] = item.slice(split + 1)
  }
  // What is left would steer the runtime: proxies, certificate checks, verbose fetching.
  for (const name of Object.keys(process.env)) delete process.env[name]
  return { values, duplicates }
}

export function system(environment: Environment, deadline: AbortSignal): World {
  const userId = process.geteuid?.() ?? -1
  return {
    env: environment.values,
    duplicates: environment.duplicates,
    now: () => Date.now() / 1000,
    monotonic: () => performance.now(),
    random: (length) => crypto.getRandomValues(new Uint8Array(length)),
    hostname: () => readProc('/proc/sys/kernel/hostname').trim(),
    userId,
    connectionSeed: () => seedOrRandom(),
    deadline,
    limit: (seconds) => AbortSignal.any([deadline, AbortSignal.timeout(seconds * 1000)]),
    interrupted,
    fetch: tlsFetch,
    knock,
    sleep: (seconds) => Bun.sleep(seconds * 1000),
    files: disk(deadline),
    keyring,
    argon2,
    processes,
    spawn,
    stdin: (limit) => readInput(limit),
    hiddenInput: async (prompt, limit) =>
      (await import('./hidden-input.ts')).readHidden(prompt, limit) ?? readInput(limit),
    stdout: (text) => writeText(1, text),
    stderr: (text) => writeText(2, text),
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

function seedOrRandom(): string {
  try {
    return connectionSeed(process.ppid)
  } catch {
    // /proc may be hidden from an unprivileged caller (hidepid); then the id is unique but shared with nobody.
    return crypto.randomUUID()
  }
}

function readInput(limit: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(limit)
  let length = 0
  while (length < limit) {
    const count = readSync(0, bytes, length, limit - length, null)
    if (count === 0) break
    length += count
  }
  return bytes.subarray(0, length)
}

/** Writes everything before returning; process.stdout would lose what a pipe has not taken yet. */
export function writeText(descriptor: number, text: string): void {
  const bytes = new TextEncoder().encode(text)
  for (let offset = 0; offset < bytes.length; ) {
    try {
      offset += writeSync(descriptor, bytes, offset)
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') Bun.sleepSync(1)
      else return // a reader that went away wants no more text
    }
  }
}

function spawn(argv: readonly string[], options: SpawnOptions = {}): Promise<Exit> {
  const { promise, resolve, reject } = Promise.withResolvers<Exit>()
  run(argv, options).then(resolve, reject)
  options.signal?.addEventListener('abort', () => resolve({ code: 137, stdout: '', stderr: '' }), { once: true })
  return promise
}

async function run(argv: readonly string[], options: SpawnOptions): Promise<Exit> {
  const child = start(argv, options)
  // As a shell says it (sh(1), exit status).
  if (!child) return { code: 127, stdout: '', stderr: `${argv[0]}: not found` }
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ])
  return { code, stdout, stderr }
}

function start(argv: readonly string[], { stdin, signal, limit }: SpawnOptions) {
  try {
    return Bun.spawn([...argv], {
      cwd: '/',
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
      stdin: typeof stdin === 'string' ? new TextEncoder().encode(stdin) : (stdin ?? 'ignore'),
      stdout: 'pipe',
      stderr: 'pipe',
      killSignal: 'SIGKILL',
      ...(signal === undefined ? {} : { signal }),
      ...(limit === undefined ? {} : { maxBuffer: limit }),
    })
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const LOG_AUTH = 4 << 3
const priorities: Record<SyslogPriority, number> = { err: 3, warning: 4, notice: 5, info: 6, debug: 7 }

function syslog(priority: SyslogPriority, text: string): void {
  // RFC 3164 §4.1.2, the day padded with a space; in UTC, because the first look at the local time zone takes 7 ms.
  const [, month, day, time] = /^\d+-(\d+)-(\d+)T([\d:]+)/.exec(new Date().toISOString()) ?? []
  const stamp = `${months[Number(month) - 1]} ${day?.replace(/^0/, ' ')} ${time}`
  sendDatagram(
    '/dev/log',
    new TextEncoder().encode(`<${LOG_AUTH | priorities[priority]}>${stamp} ob[${process.pid}]: ${text}`),
  )
}

function terminal(environment: Environment): Terminal | undefined {
  const { isatty } = require('node:tty') as typeof import('node:tty')
  if (!isatty(1)) return undefined
  const colour = environment.values['NO_COLOR'] === undefined && environment.values['TERM'] !== 'dumb'
  return { columns: Math.max(process.stdout.columns ?? 80, 20), colour }
}
