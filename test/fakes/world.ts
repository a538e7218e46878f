// A World of plain values: files are a map, time is a number, chance counts up. No spies: tests look at what is left
// behind.
import type { World } from '../../src/base/world.ts'
import { bytes, type FakeFile, fakeFiles } from './files.ts'

export type { FakeFile } from './files.ts'

export type FakeWorld = World & {
  readonly disk: Map<string, FakeFile>
  readonly homes: Map<string, { uid: number; gid: number }>
  /** What the kernel's keyring holds. */
  readonly kept: Map<string, Uint8Array>
  readonly printed: { out: string; err: string }
  readonly logged: string[]
  readonly clock: { now: number }
  readonly slept: { seconds: number }
  /** Process id to uid; whoever is signalled is gone. */
  readonly running: Map<number, number>
}

export type Options = {
  readonly env?: Readonly<Record<string, string>>
  readonly duplicates?: readonly string[]
  readonly files?: Readonly<Record<string, string>>
  readonly stdin?: Uint8Array | string
  readonly now?: number
  readonly fetch?: (request: Request) => Response | Promise<Response>
  readonly spawn?: (argv: readonly string[]) => { code: number; stdout?: string; stderr?: string }
  /** Paths whose change fails, with the cause, as a full or read-only disk does. */
  readonly broken?: (path: string) => string | undefined
  /** false: the kernel keeps no keys, as in many containers. */
  readonly keyring?: boolean
  /** Never passes unless a test hands one over. */
  readonly deadline?: AbortSignal
  /** None unless a test hands one over: then hash-wasm does the work. */
  readonly argon2?: World['argon2']
}

export function fakeWorld(options: Options = {}): FakeWorld {
  const clock = { now: options.now ?? 1_800_000_000 }
  const disk = new Map<string, FakeFile>()
  for (const [path, data] of Object.entries(options.files ?? {}))
    disk.set(path, { data: bytes(data), mode: 0o600, uid: 0, gid: 0, modifiedAt: clock.now })
  const homes = new Map<string, { uid: number; gid: number }>()
  const kept = new Map<string, Uint8Array>()
  const printed = { out: '', err: '' }
  const logged: string[] = []
  const slept = { seconds: 0 }
  const processes = new Map<number, number>()
  let counter = 0
  return {
    disk,
    homes,
    kept,
    printed,
    logged,
    clock,
    slept,
    running: processes,
    env: options.env ?? {},
    duplicates: options.duplicates ?? [],
    now: () => clock.now,
    monotonic: steady(clock),
    random: (length) => Uint8Array.from({ length }, () => counter++ & 0xff),
    hostname: () => 'host1',
    userId: 0,
    connectionSeed: () => 'boot 100 200',
    callerSeed: () => 'boot 300 400',
    deadline: options.deadline ?? new AbortController().signal,
    timeout: (seconds) => AbortSignal.timeout(seconds * 1000),
    interrupted: () => new AbortController().signal,
    probeTcp: async () => (options.fetch ? undefined : 'ECONNREFUSED'),
    fetch: async (url, init) => {
      if (!options.fetch) throw Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })
      return options.fetch(new Request(url, init))
    },
    sleep: async (seconds) => {
      slept.seconds += seconds
      clock.now += seconds
    },
    files: fakeFiles({ disk, homes, clock, broken: options.broken ?? (() => undefined) }),
    processes: {
      ofUsers: (isOne) => [...processes].filter(([, owner]) => isOne(owner)).map(([pid]) => pid),
      ofUser: (uid) => [...processes].filter(([, owner]) => owner === uid).map(([pid]) => pid),
      signal: (pid) => void processes.delete(pid),
    },
    keyring: {
      find: (description) => {
        const payload = kept.get(description)
        return payload && bytes(payload)
      },
      keep: (description, payload) => {
        if (options.keyring === false) return false
        kept.set(description, bytes(payload))
        return true
      },
      forget: (description) => {
        kept.delete(description)
        return true
      },
    },
    argon2: options.argon2,
    spawn: async (argv) => ({ code: 127, stdout: '', stderr: '', ...options.spawn?.(argv) }),
    stdin: (limit) => bytes(options.stdin ?? '').subarray(0, limit),
    hiddenInput: async (_prompt, limit) => bytes(options.stdin ?? '').subarray(0, limit),
    stdout: (text) => {
      printed.out += text
    },
    stderr: (text) => {
      printed.err += text
    },
    syslog: (priority, text) => {
      logged.push(`${priority} ${text}`)
    },
    terminal: undefined,
  }
}

/** Goes on with the clock, and stands still while that is set back. */
function steady(clock: { readonly now: number }): () => number {
  let [last, passed] = [clock.now, 0]
  return () => {
    passed += Math.max(0, clock.now - last) * 1000
    last = clock.now
    return passed
  }
}

/** The text of a file, or undefined. */
export const textOf = (world: FakeWorld, path: string): string | undefined => {
  const file = world.disk.get(path)
  return file && new TextDecoder().decode(file.data)
}

/** The audit lines written so far, as objects. */
export const audited = (world: FakeWorld): readonly Record<string, unknown>[] =>
  (textOf(world, '/var/log/open-bastion/audit.json') ?? '')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
