// A World of plain values: files are a map, time is a number, chance counts up. No spies: tests look at what is left
// behind.
import { concat, decodeBytewise } from '../../src/base/bytes.ts'
import { Fault } from '../../src/base/fault.ts'
import type { FileFacts, Files, World } from '../../src/base/world.ts'

export type FakeFile = { data: Uint8Array; mode: number; uid: number; gid: number; modifiedAt: number }

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
  /** None unless a test hands one over: then hash-wasm does the work. */
  readonly argon2?: World['argon2']
}

const bytes = (data: Uint8Array | string): Uint8Array<ArrayBuffer> =>
  typeof data === 'string' ? new TextEncoder().encode(data) : Uint8Array.from(data)

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
    monotonic: () => 0,
    random: (length) => Uint8Array.from({ length }, () => counter++ & 0xff),
    hostname: () => 'host1',
    userId: 0,
    connectionSeed: () => 'boot 100 200',
    callerSeed: () => 'boot 300 400',
    deadline: new AbortController().signal,
    timeout: (seconds) => AbortSignal.timeout(seconds * 1000),
    interrupted: () => new AbortController().signal,
    probeTcp: async () => (options.fetch ? undefined : 'ECONNREFUSED'),
    fetch: async (url, init) => {
      if (!options.fetch) throw Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })
      return options.fetch(new Request(url, init))
    },
    sleep: async (seconds) => {
      slept.seconds += seconds
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

type Store = {
  readonly disk: Map<string, FakeFile>
  readonly homes: Map<string, { uid: number; gid: number }>
  readonly clock: { now: number }
  readonly broken: (path: string) => string | undefined
}

function fakeFiles({ disk, homes, clock, broken }: Store): Files {
  const change = (path: string): void => {
    const cause = broken(path)
    if (cause !== undefined) throw new Fault(`cannot write ${path}: ${cause}`)
  }
  const put = (path: string, data: Uint8Array | string, mode: number, uid = 0, gid = 0): void => {
    disk.set(path, { data: bytes(data), mode, uid, gid, modifiedAt: clock.now })
  }
  const read = (path: string): Uint8Array<ArrayBuffer> | undefined => {
    const file = disk.get(path)
    return file && bytes(file.data)
  }
  // Whoever holds a lock is waited for, as flock(2) does.
  const locks = new Map<string, Promise<unknown>>()
  return {
    read,
    readEnd: read,
    readTrusted: (path, { secret }) => {
      const file = disk.get(path)
      if (file && file.uid !== 0) throw new Fault(`${path} belongs to uid ${file.uid}`)
      if (file && (file.mode & (secret ? 0o077 : 0o022)) !== 0) throw new Fault(`${path} is open to others`)
      return read(path)
    },
    readTrustedParts: (path, { secret }, work) => {
      const file = disk.get(path)
      if (!file) return undefined
      if (file.uid !== 0) throw new Fault(`${path} belongs to uid ${file.uid}`)
      if ((file.mode & (secret ? 0o077 : 0o022)) !== 0) throw new Fault(`${path} is open to others`)
      return work({
        size: file.data.length,
        read: (offset, length) => bytes(file.data.subarray(offset, offset + length)),
      })
    },
    readOwned: (path, { uid, limit }) => {
      const file = disk.get(path)
      if (file && file.uid !== uid && file.uid !== 0) throw new Fault(`${path} belongs to uid ${file.uid}`)
      if (file && file.data.length > limit) throw new Fault(`${path} is larger than ${limit} bytes`)
      return read(path)
    },
    stat: (path) => factsOf(disk.get(path)) ?? directoryFacts(disk, path),
    list: (path) => {
      const names = [...disk.keys()]
        .filter((name) => name.startsWith(`${path}/`))
        .map((name) => name.slice(path.length + 1))
      return names.length > 0 ? names.filter((name) => !name.includes('/')) : undefined
    },
    writeAtomic: (path, data, { mode, uid, gid }) => {
      change(path)
      put(path, data, mode, uid, gid)
    },
    createExclusive: (path, data, mode) => {
      change(path)
      if (disk.has(path)) return false
      put(path, data, mode)
      return true
    },
    append: (path, data, mode) => {
      change(path)
      put(path, new TextDecoder().decode(disk.get(path)?.data) + data, mode)
    },
    extend: (path, at, data, { mode, uid, gid }) => {
      change(path)
      const kept = disk.get(path)?.data.subarray(0, at) ?? new Uint8Array()
      put(path, concat(kept, bytes(data)), mode, uid, gid)
    },
    remove: (path) => {
      if (!disk.has(path)) return false
      change(path)
      return disk.delete(path)
    },
    destroy: (path) => {
      if (!disk.has(path)) return false
      change(path)
      return disk.delete(path)
    },
    makeDirectory: () => undefined,
    withLock: (path, work) => {
      const before = locks.get(path) ?? Promise.resolve()
      const mine = before.then(() => work())
      const over = mine.catch(() => undefined)
      locks.set(path, over)
      return mine
    },
    editAccounts: (edit) => {
      const text = (name: string) => decodeBytewise(disk.get(`/etc/${name}`)?.data ?? new Uint8Array())
      const before = { passwd: text('passwd'), shadow: text('shadow'), group: text('group'), gshadow: text('gshadow') }
      const after = edit(before)
      const changed = Object.entries(after).filter(([name]) => after[name as keyof typeof after] !== text(name))
      for (const [name] of changed) change(`/etc/${name}`)
      for (const [name, whole] of changed)
        put(
          `/etc/${name}`,
          Uint8Array.from(whole, (letter) => letter.charCodeAt(0)),
          0o644,
        )
      return changed.length > 0
    },
    makeHome: ({ path, uid, gid }) => {
      change(path)
      if (homes.has(path)) return false
      homes.set(path, { uid, gid })
      return true
    },
  }
}

function factsOf(file: FakeFile | undefined): FileFacts | undefined {
  if (!file) return undefined
  const { mode, uid, gid, modifiedAt, data } = file
  return { kind: 'file', mode, uid, gid, size: data.length, modifiedAt }
}

/** A directory is there when something is in it. */
function directoryFacts(disk: ReadonlyMap<string, FakeFile>, path: string): FileFacts | undefined {
  const isThere = [...disk.keys()].some((name) => name.startsWith(`${path}/`))
  return isThere ? { kind: 'directory', mode: 0o755, uid: 0, gid: 0, size: 0, modifiedAt: 0 } : undefined
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
