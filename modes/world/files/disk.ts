// The real disk. Everything is done through descriptors where the kernel lets us, so that a name that changes
// between two calls cannot redirect us. The rules of trust are in safe-path.ts.

import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  realpathSync,
  renameSync,
  type Stats,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { Fault } from '../../../src/base/fault.ts'
import { dirname } from '../../../src/base/paths.ts'
import type { FileFacts, FileParts, Files, TrustRules, WriteOptions } from '../../../src/base/world.ts'
import { tryLock } from '../process/libc.ts'
import { editAccounts } from './account-files.ts'
import { attempt, causes, codeOf, insist } from './errno.ts'
import { makeHome } from './home.ts'
import { readOwned } from './owned.ts'
import {
  type Calls,
  checkParents,
  insistOnRoot,
  insistOnTrust,
  insistOnUnwritable,
  readers,
  readUpTo,
} from './safe-path.ts'

const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_APPEND, O_NOFOLLOW, O_DIRECTORY, O_NONBLOCK } = constants

export const disk = (deadline: AbortSignal): Files => ({
  ...readers(calls),
  readEnd,
  readTrustedParts,
  readOwned: (path, rules) => attempt('read', path, () => readOwned(path, rules)),
  list: (path) => attempt('list', path, () => readdirSync(path)),
  writeAtomic,
  createExclusive,
  append: (path, data, mode) => append(path, data, mode),
  extend,
  remove,
  destroy,
  makeDirectory: (path, mode) => makeDirectory(path, mode),
  withLock: (path, work, seconds) => withLock(path, work, { deadline, seconds }),
  editAccounts: (edit) => editAccounts(edit),
  makeHome: (home) => insist('make the home directory', home.path, () => makeHome(home)),
})

const calls: Calls = {
  open: (path) => openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK),
  close: closeSync,
  facts: (descriptor) => factsOf(fstatSync(descriptor)),
  // An exception costs more than the question, and most files that a login asks for are not there.
  factsAt: (path) => {
    const stats = lstatSync(path, { throwIfNoEntry: false })
    return stats && factsOf(stats)
  },
  read: (descriptor, bytes, offset) => readSync(descriptor, bytes, offset, bytes.length - offset, null),
  realpath: realpathSync,
}

function factsOf(stats: Stats): FileFacts {
  const kind = stats.isFile()
    ? 'file'
    : stats.isDirectory()
      ? 'directory'
      : stats.isSymbolicLink()
        ? 'symlink'
        : 'other'
  const { uid, gid, size, mtimeMs } = stats
  return { kind, uid, gid, mode: stats.mode & 0o7777, size, modifiedAt: mtimeMs / 1000 }
}

function withDescriptor<T>(descriptor: number, work: (descriptor: number) => T): T {
  try {
    return work(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/** This many bytes from this offset on; fewer at the end of the file. */
const readFrom = (descriptor: number, start: number, limit: number): Uint8Array<ArrayBuffer> =>
  readUpTo(limit, (bytes, offset) => readSync(descriptor, bytes, offset, limit - offset, start + offset))

function readEnd(path: string, length: number): Uint8Array<ArrayBuffer> | undefined {
  return attempt('read', path, () =>
    withDescriptor(calls.open(path), (descriptor) => {
      const { kind, size } = calls.facts(descriptor)
      if (kind !== 'file') throw new Fault(`${path} is not a regular file; replace it by one`)
      return readFrom(descriptor, Math.max(0, size - length), Math.min(length, size))
    }),
  )
}

function readTrustedParts<T>(path: string, rules: TrustRules, work: (file: FileParts) => T): T | undefined {
  return attempt('read', path, () =>
    withDescriptor(calls.open(path), (descriptor) => {
      const facts = calls.facts(descriptor)
      insistOnTrust(path, facts, rules)
      checkParents(calls, path)
      return work({ size: facts.size, read: (offset, length) => readFrom(descriptor, offset, length) })
    }),
  )
}

function writeAll(descriptor: number, data: Uint8Array | string, start: number | null = null): void {
  const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data
  for (let offset = 0; offset < bytes.length; )
    offset += writeSync(descriptor, bytes, offset, bytes.length - offset, start === null ? null : start + offset)
}

function writeAtomic(path: string, data: Uint8Array | string, options: WriteOptions): void {
  const suffix = crypto.getRandomValues(new Uint8Array(6)).toHex()
  const temporary = `${path}.tmp.${suffix}`
  insist('write', path, () => {
    try {
      withDescriptor(openSync(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600), (descriptor) => {
        if (options.uid !== undefined || options.gid !== undefined)
          fchownSync(descriptor, options.uid ?? 0, options.gid ?? 0)
        fchmodSync(descriptor, options.mode)
        writeAll(descriptor, data)
        fsyncSync(descriptor)
      })
      renameSync(temporary, path)
    } catch (error) {
      discard(temporary)
      throw error
    }
    syncDirectory(path)
  })
}

function discard(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    // It may not have been made at all; the first error is the one to report.
    if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'EROFS') throw error
  }
}

function remove(path: string): boolean {
  return (
    attempt('remove', path, () => {
      unlinkSync(path)
      return true
    }) ?? false
  )
}

// Only the link is unlinked: its target is not ours.
function destroy(path: string): boolean {
  const done = attempt('destroy', path, () => {
    const stats = lstatSync(path)
    try {
      if (stats.isFile() && stats.nlink === 1)
        withDescriptor(openSync(path, O_WRONLY | O_NOFOLLOW), (descriptor) => {
          writeAll(descriptor, new Uint8Array(Math.min(stats.size, 1024 * 1024)))
          fsyncSync(descriptor)
        })
    } finally {
      // A full disk that copies on write takes no zeros.
      unlinkSync(path)
      syncDirectory(path)
    }
    return true
  })
  return done ?? false
}

function syncDirectory(path: string): void {
  const directory = dirname(path)
  withDescriptor(openSync(directory, O_RDONLY | O_DIRECTORY), fsyncSync)
}

function createExclusive(path: string, data: string, mode: number): boolean {
  return insist('create', path, () => {
    try {
      withDescriptor(openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode), (descriptor) =>
        writeAll(descriptor, data),
      )
      return true
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return false
      throw error
    }
  })
}

function endsInLine(descriptor: number, size: number): boolean {
  const last = new Uint8Array(1)
  return size === 0 || readSync(descriptor, last, 0, 1, size - 1) !== 1 || last[0] === 10
}

function trustedFacts(path: string, descriptor: number): FileFacts {
  const facts = calls.facts(descriptor)
  insistOnTrust(path, facts, { limit: Number.MAX_SAFE_INTEGER, secret: false })
  return facts
}

function append(path: string, data: string, mode: number): void {
  insist('append to', path, () =>
    withDescriptor(openSync(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, mode), (descriptor) => {
      const { size } = trustedFacts(path, descriptor)
      // A line that a full disk cut short must not join the next line.
      const bytes = new TextEncoder().encode(endsInLine(descriptor, size) ? data : `\n${data}`)
      // One write, so that lines of concurrent logins never mix; a short write means a full disk.
      if (writeSync(descriptor, bytes) !== bytes.length)
        throw new Fault(`cannot append to ${path}: ${causes['ENOSPC']}`)
    }),
  )
}

function extend(path: string, at: number, data: string, options: WriteOptions): void {
  insist('extend', path, () =>
    withDescriptor(openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, options.mode), (descriptor) => {
      const { size } = trustedFacts(path, descriptor)
      if (size < at) throw new Fault(`${path} is shorter than it was a moment ago; nothing was written to it`)
      ftruncateSync(descriptor, at)
      try {
        writeAll(descriptor, data, at)
        fsyncSync(descriptor)
      } catch (error) {
        ftruncateSync(descriptor, at)
        throw error
      }
      if (at === 0) syncDirectory(path)
    }),
  )
}

function makeDirectory(path: string, mode: number): void {
  const facts = attempt('examine', path, () => calls.factsAt(path))
  if (!facts) {
    makeParent(dirname(path))
    insist('make the directory', path, () => {
      try {
        mkdirSync(path, { mode })
      } catch (error) {
        if (codeOf(error) !== 'EEXIST') throw error
        return makeDirectory(path, mode)
      }
      withDescriptor(openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW), (descriptor) => fchmodSync(descriptor, mode))
    })
    return
  }
  if (facts.kind !== 'directory') {
    if (facts.kind === 'symlink' && facts.uid === 0 && path.lastIndexOf('/') === 0) return
    throw new Fault(`${path} is not a directory; move it away`)
  }
  insistOnRoot(path, facts)
  const isSticky = (facts.mode & 0o1000) !== 0
  if (!isSticky) insistOnUnwritable(path, facts)
}

/** As a directory of ours, but a group may write it: /var/log belongs to root and syslog on some systems. */
function makeParent(path: string): void {
  const facts = attempt('examine', path, () => calls.factsAt(path))
  const isShared = facts?.kind === 'directory' && facts.uid === 0 && (facts.mode & 0o002) === 0
  if (!isShared) makeDirectory(path, 0o755)
}

type Waiting = { readonly deadline: AbortSignal; readonly seconds: number | undefined }

async function withLock<T>(path: string, work: () => T | Promise<T>, { deadline, seconds }: Waiting): Promise<T> {
  const until = performance.now() + (seconds ?? Number.POSITIVE_INFINITY) * 1000
  const descriptor = insist('lock', path, () => openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600))
  try {
    for (let wait = 1; !tryLock(descriptor); wait = Math.min(wait * 2, 50)) {
      if (deadline.aborted || performance.now() > until)
        throw new Fault(`another process holds ${path}; nothing was changed`, { kind: 'busy' })
      await Bun.sleep(wait)
    }
    return await work()
  } finally {
    closeSync(descriptor)
  }
}
