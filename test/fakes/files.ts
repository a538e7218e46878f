// A disk of plain values. What it refuses is what the real disk refuses, by the real disk's own rules of trust; both
// pass test/modes/world/files/contract.test.ts.
import { insistOnRoot, insistOnTrust, insistOnUnwritable } from '../../modes/world/files/safe-path.ts'
import { concat, decodeBytewise } from '../../src/base/bytes.ts'
import { Fault } from '../../src/base/fault.ts'
import type { FileFacts, Files, TrustRules, WriteOptions } from '../../src/base/world.ts'

export type FakeFile = { data: Uint8Array; mode: number; uid: number; gid: number; modifiedAt: number }

export type Store = {
  readonly disk: Map<string, FakeFile>
  readonly homes: Map<string, { uid: number; gid: number }>
  readonly clock: { now: number }
  readonly broken: (path: string) => string | undefined
}

type Directory = { readonly mode: number; readonly uid: number }

/** On every machine, before anything of ours was installed there. */
const usual = [
  '/',
  '/etc',
  '/etc/ssh',
  '/home',
  '/root',
  '/run',
  '/tmp',
  '/usr',
  '/var',
  '/var/cache',
  '/var/lib',
  '/var/log',
]

export const bytes = (data: Uint8Array | string): Uint8Array<ArrayBuffer> =>
  typeof data === 'string' ? new TextEncoder().encode(data) : Uint8Array.from(data)

const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/')) || '/'

export function fakeFiles({ disk, homes, clock, broken }: Store): Files {
  const directories = new Map<string, Directory>(usual.map((path) => [path, { mode: 0o755, uid: 0 }]))
  /** A directory is there when it was made, or when a test put something into it. */
  const directoryAt = (path: string): Directory | undefined => {
    const known = directories.get(path)
    if (known) return known
    return [...disk.keys()].some((name) => name.startsWith(`${path}/`)) ? { mode: 0o755, uid: 0 } : undefined
  }
  const factsAt = (path: string): FileFacts | undefined => {
    const file = disk.get(path)
    if (file) return factsOf(file)
    const directory = directoryAt(path)
    return directory && { kind: 'directory', gid: 0, size: 0, modifiedAt: 0, ...directory }
  }
  const change = (path: string): void => {
    const cause = broken(path)
    if (cause !== undefined) throw new Fault(`cannot write ${path}: ${cause}`)
    if (!directoryAt(parentOf(path)))
      throw new Fault(`cannot write ${path}: a directory on the way does not exist, or is a link or file`)
  }
  const put = (path: string, data: Uint8Array | string, { mode, uid = 0, gid = 0 }: WriteOptions): void => {
    disk.set(path, { data: bytes(data), mode, uid, gid, modifiedAt: clock.now })
  }
  /** The file, judged as the real disk judges it before it reads. */
  const judged = (path: string, limit: number, rules?: TrustRules): FakeFile | undefined => {
    const facts = factsAt(path)
    if (!facts) return undefined
    if (rules) insistOnTrust(path, facts, rules)
    if (facts.kind !== 'file') throw new Fault(`${path} is not a regular file; replace it by one`)
    if (facts.size > limit) throw new Fault(`${path} is larger than ${limit} bytes; it cannot be what it should be`)
    return disk.get(path)
  }
  const read = (path: string, limit: number, rules?: TrustRules): Uint8Array<ArrayBuffer> | undefined => {
    const file = judged(path, limit, rules)
    return file && bytes(file.data)
  }
  const writable = (path: string): FakeFile | undefined =>
    judged(path, Number.MAX_SAFE_INTEGER, { limit: Number.MAX_SAFE_INTEGER, secret: false })
  const remove = (path: string): boolean => {
    if (!disk.has(path)) return false
    change(path)
    return disk.delete(path)
  }
  const makeDirectory = (path: string, mode: number): void => {
    const facts = factsAt(path)
    if (!facts) {
      if (path !== '/') makeDirectory(parentOf(path), 0o755)
      const cause = broken(path)
      if (cause !== undefined) throw new Fault(`cannot make the directory ${path}: ${cause}`)
      directories.set(path, { mode, uid: 0 })
      return
    }
    if (facts.kind !== 'directory') throw new Fault(`${path} is not a directory; move it away`)
    insistOnRoot(path, facts)
    if ((facts.mode & 0o1000) === 0) insistOnUnwritable(path, facts)
  }
  return {
    read,
    readEnd: (path, length) => {
      const file = judged(path, Number.MAX_SAFE_INTEGER)
      return file && bytes(file.data.subarray(Math.max(0, file.data.length - length)))
    },
    readTrusted: (path, rules) => read(path, rules.limit, rules),
    readTrustedParts: (path, rules, work) => {
      const file = judged(path, rules.limit, rules)
      if (!file) return undefined
      return work({
        size: file.data.length,
        read: (offset, length) => bytes(file.data.subarray(offset, offset + length)),
      })
    },
    readOwned: (path, { uid, limit }) => {
      const file = judged(path, limit)
      if (file && file.uid !== uid && file.uid !== 0) throw new Fault(`${path} belongs to uid ${file.uid}`)
      if (file && (file.mode & 0o022) !== 0) throw new Fault(`${path} can be written by others`)
      return file && bytes(file.data)
    },
    stat: factsAt,
    list: (path) => {
      if (!directoryAt(path)) return undefined
      const below = [...disk.keys(), ...directories.keys()].filter((name) => name.startsWith(`${path}/`))
      return [...new Set(below.map((name) => name.slice(path.length + 1).split('/')[0]!))]
    },
    writeAtomic: (path, data, options) => {
      change(path)
      put(path, data, options)
    },
    createExclusive: (path, data, mode) => {
      change(path)
      if (disk.has(path)) return false
      put(path, data, { mode })
      return true
    },
    append: (path, data, mode) => {
      change(path)
      const before = new TextDecoder().decode(writable(path)?.data)
      const isCut = before !== '' && !before.endsWith('\n')
      put(path, `${before}${isCut ? '\n' : ''}${data}`, disk.get(path) ?? { mode })
    },
    extend: (path, at, data, options) => {
      change(path)
      const before = writable(path)?.data ?? new Uint8Array()
      if (before.length < at) throw new Fault(`${path} is shorter than it was a moment ago; nothing was written to it`)
      put(path, concat(before.subarray(0, at), bytes(data)), disk.get(path) ?? options)
    },
    remove,
    destroy: remove,
    makeDirectory,
    withLock: lockedBy(change),
    editAccounts: editedIn(disk, change, put),
    makeHome: ({ path, uid, gid }) => {
      const cause = broken(path)
      if (cause !== undefined) throw new Fault(`cannot make the home directory ${path}: ${cause}`)
      if (homes.has(path)) return false
      homes.set(path, { uid, gid })
      return true
    },
  }
}

const factsOf = ({ mode, uid, gid, modifiedAt, data }: FakeFile): FileFacts => ({
  ...{ kind: 'file', mode, uid, gid, size: data.length, modifiedAt },
})

/** Whoever holds a lock is waited for, as flock(2) does. */
function lockedBy(change: (path: string) => void): Files['withLock'] {
  const locks = new Map<string, Promise<unknown>>()
  return async (path, work, seconds) => {
    change(path)
    const before = locks.get(path)
    let isLate = false
    const mine = (async () => {
      await before
      if (!isLate) return await work()
      throw new Fault(`another process holds ${path}; nothing was changed`, { kind: 'busy' })
    })()
    const over = mine.catch(() => undefined).finally(() => locks.get(path) === over && locks.delete(path))
    locks.set(path, over)
    if (before === undefined || seconds === undefined) return mine
    const patience = Bun.sleep(seconds * 1000).then(() => true)
    isLate = await Promise.race([patience, before.then(() => false)])
    if (isLate) throw new Fault(`another process holds ${path}; nothing was changed`, { kind: 'busy' })
    return mine
  }
}

type Put = (path: string, data: Uint8Array, options: WriteOptions) => void

function editedIn(
  disk: ReadonlyMap<string, FakeFile>,
  change: (path: string) => void,
  put: Put,
): Files['editAccounts'] {
  const text = (name: string) => decodeBytewise(disk.get(`/etc/${name}`)?.data ?? new Uint8Array())
  return (edit) => {
    const before = { passwd: text('passwd'), shadow: text('shadow'), group: text('group'), gshadow: text('gshadow') }
    const after = Object.entries(edit(before))
    const changed = after.filter(([name, whole]) => whole !== text(name))
    for (const [name] of changed) change(`/etc/${name}`)
    for (const [name, whole] of changed)
      put(
        `/etc/${name}`,
        Uint8Array.from(whole, (letter) => letter.charCodeAt(0)),
        { mode: 0o644 },
      )
    return changed.length > 0
  }
}
