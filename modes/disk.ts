// The real disk. Everything is done through descriptors where the kernel lets us, so that a name that changes
// between two calls cannot redirect us.
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
import { Fault } from '../src/fault.ts'
import type { FileFacts, FileParts, Files, TrustRules, WriteOptions } from '../src/world.ts'
import { editAccounts } from './account-files.ts'
import { attempt, causes, codeOf, insist } from './attempt.ts'
import { makeHome } from './home.ts'
import { tryLock } from './libc.ts'

const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_APPEND, O_NOFOLLOW, O_DIRECTORY, O_NONBLOCK } = constants

export const disk = (deadline: AbortSignal): Files => ({
  read: (path, limit) => readPlain(path, limit),
  readEnd,
  readTrusted: (path, rules) => readTrusted(path, rules),
  readTrustedParts,
  stat: (path) => attempt('examine', path, () => presentFacts(path)),
  list: (path) => attempt('list', path, () => readdirSync(path)),
  writeAtomic,
  createExclusive,
  append: (path, data, mode) => append(path, data, mode),
  extend,
  remove,
  destroy,
  makeDirectory: (path, mode) => makeDirectory(path, mode),
  withLock: (path, work) => withLock(path, work, deadline),
  editAccounts: (edit) => editAccounts(edit),
  makeHome: (home) => insist('make the home directory', home.path, () => makeHome(home)),
})

// An exception costs more than the question, and most files that a login asks for are not there.
function presentFacts(path: string): FileFacts | undefined {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  return stats && factsOf(stats)
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

function readPlain(path: string, limit: number, check?: (stats: Stats) => void): Uint8Array<ArrayBuffer> | undefined {
  return attempt('read', path, () =>
    withDescriptor(openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK), (descriptor) => {
      const stats = fstatSync(descriptor)
      if (!stats.isFile()) throw new Fault(`${path} is not a regular file; replace it by one`)
      check?.(stats)
      if (stats.size > limit) throw new Fault(`${path} is larger than ${limit} bytes; it cannot be what it should be`)
      // Files under /proc report size 0.
      return readUpTo(descriptor, stats.size > 0 ? stats.size : limit)
    }),
  )
}

function readUpTo(descriptor: number, limit: number, start: number | null = null): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(limit)
  let length = 0
  while (length < limit) {
    const count = readSync(descriptor, bytes, length, limit - length, start === null ? null : start + length)
    if (count === 0) break
    length += count
  }
  return bytes.subarray(0, length)
}

function readEnd(path: string, length: number): Uint8Array<ArrayBuffer> | undefined {
  return attempt('read', path, () =>
    withDescriptor(openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK), (descriptor) => {
      const stats = fstatSync(descriptor)
      if (!stats.isFile()) throw new Fault(`${path} is not a regular file; replace it by one`)
      return readUpTo(descriptor, Math.min(length, stats.size), Math.max(0, stats.size - length))
    }),
  )
}

function readTrusted(path: string, rules: TrustRules): Uint8Array<ArrayBuffer> | undefined {
  const bytes = readPlain(path, rules.limit, (stats) => insistOnTrust(path, stats, rules))
  if (bytes) checkParents(path)
  return bytes
}

function readTrustedParts<T>(path: string, rules: TrustRules, work: (file: FileParts) => T): T | undefined {
  return attempt('read', path, () =>
    withDescriptor(openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK), (descriptor) => {
      const stats = fstatSync(descriptor)
      insistOnTrust(path, stats, rules)
      checkParents(path)
      return work({ size: stats.size, read: (offset, length) => readUpTo(descriptor, length, offset) })
    }),
  )
}

function insistOnTrust(path: string, stats: Stats, rules: TrustRules): void {
  if (!stats.isFile()) throw new Fault(`${path} is not a regular file; replace it by one`)
  if (stats.size > rules.limit)
    throw new Fault(`${path} is larger than ${rules.limit} bytes; it cannot be what it should be`)
  if (stats.uid !== 0) throw new Fault(`${path} belongs to uid ${stats.uid}`, { hint: `chown root: ${path}` })
  if (rules.secret && (stats.mode & 0o077) !== 0)
    throw new Fault(`${path} can be read by others (mode ${octal(stats.mode)})`, { hint: `chmod 600 ${path}` })
  if ((stats.mode & 0o022) !== 0)
    throw new Fault(`${path} can be written by others (mode ${octal(stats.mode)})`, { hint: `chmod go-w ${path}` })
}

// A file is only as trustworthy as every directory above it (OpenSSH, safe_path).
function checkParents(path: string): void {
  let directory = realpathSync(path.slice(0, path.lastIndexOf('/')) || '/')
  for (;;) {
    const stats = lstatSync(directory)
    if (stats.uid !== 0)
      throw new Fault(`${directory} belongs to uid ${stats.uid}, so ${path} cannot be trusted`, {
        hint: `chown root: ${directory}`,
      })
    if ((stats.mode & 0o022) !== 0)
      throw new Fault(
        `${directory} can be written by others (mode ${octal(stats.mode)}), so ${path} cannot be trusted`,
        {
          hint: `chmod go-w ${directory}`,
        },
      )
    if (directory === '/') return
    directory = directory.slice(0, directory.lastIndexOf('/')) || '/'
  }
}

const octal = (mode: number): string => (mode & 0o7777).toString(8).padStart(4, '0')

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

// A link is unlinked and nothing else: what it points to is not ours.
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
  const directory = path.slice(0, path.lastIndexOf('/')) || '/'
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

function append(path: string, data: string, mode: number): void {
  insist('append to', path, () =>
    withDescriptor(openSync(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, mode), (descriptor) => {
      const stats = fstatSync(descriptor)
      if (!stats.isFile()) throw new Fault(`${path} is not a regular file; replace it by one`)
      if (stats.uid !== 0) throw new Fault(`${path} belongs to uid ${stats.uid}`, { hint: `chown root: ${path}` })
      if ((stats.mode & 0o022) !== 0)
        throw new Fault(`${path} can be written by others (mode ${octal(stats.mode)})`, { hint: `chmod go-w ${path}` })
      // A line that a full disk cut short must not swallow the next one.
      const bytes = new TextEncoder().encode(endsInLine(descriptor, stats.size) ? data : `\n${data}`)
      // One write, so that lines of concurrent logins never mix; a short write means a full disk.
      if (writeSync(descriptor, bytes) !== bytes.length)
        throw new Fault(`cannot append to ${path}: ${causes['ENOSPC']}`)
    }),
  )
}

function extend(path: string, at: number, data: string, options: WriteOptions): void {
  insist('extend', path, () =>
    withDescriptor(openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, options.mode), (descriptor) => {
      const stats = fstatSync(descriptor)
      insistOnTrust(path, stats, { limit: Number.MAX_SAFE_INTEGER, secret: false })
      if (stats.size < at) throw new Fault(`${path} is shorter than it was a moment ago; nothing was written to it`)
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
  const stats = attempt('examine', path, () => lstatSync(path))
  if (!stats) {
    makeParent(path.slice(0, path.lastIndexOf('/')) || '/')
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
  if (!stats.isDirectory()) {
    if (stats.isSymbolicLink() && stats.uid === 0 && path.lastIndexOf('/') === 0) return
    throw new Fault(`${path} is not a directory; move it away`)
  }
  if (stats.uid !== 0) throw new Fault(`${path} belongs to uid ${stats.uid}`, { hint: `chown root: ${path}` })
  const sticky = (stats.mode & 0o1000) !== 0
  if ((stats.mode & 0o022) !== 0 && !sticky)
    throw new Fault(`${path} can be written by others (mode ${octal(stats.mode)})`, { hint: `chmod go-w ${path}` })
}

/** As a directory of ours, but a group may write it: /var/log belongs to root and syslog on some systems. */
function makeParent(path: string): void {
  const stats = attempt('examine', path, () => lstatSync(path))
  const isShared = stats?.isDirectory() && stats.uid === 0 && (stats.mode & 0o002) === 0
  if (!isShared) makeDirectory(path, 0o755)
}

async function withLock<T>(path: string, work: () => T | Promise<T>, deadline: AbortSignal): Promise<T> {
  const descriptor = insist('lock', path, () => openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600))
  try {
    for (let wait = 1; !tryLock(descriptor); wait = Math.min(wait * 2, 50)) {
      if (deadline.aborted) throw new Fault(`another process holds ${path}; nothing was changed`)
      await Bun.sleep(wait)
    }
    return await work()
  } finally {
    closeSync(descriptor)
  }
}
