// The calls that reading takes, made through the C library. For the modes that sshd runs for every offered key:
// loading node:fs takes a fifth of that program's time, and this half as much.
import type { FileFacts } from '../../../src/base/world.ts'
import { bind, ptr, read } from '../io/ffi.ts'
import type { Calls } from './safe-path.ts'

// Each function that is bound costs, so all calls go through one, syscall(2).
const open = () =>
  bind({
    // No answer here needs more than 31 bits, and numbers are cheaper than BigInts.
    syscall: { args: ['i64', 'i64', 'i64', 'i64', 'i64', 'i64'], returns: 'i32' },
    __errno_location: { args: [], returns: 'ptr' },
  })
// For ways that lead over a symbolic link, which are rare.
const openRealpath = () => bind({ realpath: { args: ['ptr', 'ptr'], returns: 'ptr' } })

/** syscalls(2), as the kernel numbers them. */
const numbers = {
  x64: { read: 0, write: 1, close: 3, prctl: 157, openat: 257, statx: 332 },
  arm64: { read: 63, write: 64, close: 57, prctl: 167, openat: 56, statx: 291 },
} as const

// errno(3), the numbers that x86-64 and arm64 share.
export const errorNames: Readonly<Record<number, string>> = {
  1: 'EPERM',
  2: 'ENOENT',
  4: 'EINTR',
  5: 'EIO',
  6: 'ENXIO',
  11: 'EAGAIN',
  12: 'ENOMEM',
  13: 'EACCES',
  20: 'ENOTDIR',
  21: 'EISDIR',
  23: 'ENFILE',
  24: 'EMFILE',
  32: 'EPIPE',
  36: 'ENAMETOOLONG',
  40: 'ELOOP',
  116: 'ESTALE',
}

/**
 * O_RDONLY, O_NOFOLLOW, O_NONBLOCK and O_CLOEXEC. O_NOFOLLOW has a number of its own on arm64, where that of x86-64 is
 * O_LARGEFILE and follows links.
 */
export const openFlags: Readonly<Record<'x64' | 'arm64', number>> = {
  x64: 0o400000 | 0o4000 | 0o2000000,
  arm64: 0o100000 | 0o4000 | 0o2000000,
}

/** prctl(2) */
const PR_SET_DUMPABLE = 4

const AT_FDCWD = -100
const AT_SYMLINK_NOFOLLOW = 0x100
const AT_EMPTY_PATH = 0x1000
/** Type, mode, uid, gid, modification time and size: what every file system knows. */
const wanted = 0x1 | 0x2 | 0x8 | 0x10 | 0x40 | 0x200
const statxSize = 256
/** With the zero at its end (PATH_MAX). */
const longestPath = 4096
/** Bytes of one read or write. */
const most = 1 << 20

/**
 * Undefined where these calls cannot be made: a process that may not make memory executable (systemd's
 * MemoryDenyWriteExecute=), or may not call statx(2), has node:fs only.
 */
export function openCalls():
  | (Calls & { readonly write: (descriptor: number, bytes: Uint8Array) => number })
  | undefined {
  const libc = open()
  if (libc === undefined || (process.arch !== 'x64' && process.arch !== 'arm64')) return undefined
  const { syscall, __errno_location } = libc
  const number = numbers[process.arch]
  const flags = openFlags[process.arch]
  const code = (): string => {
    const address = __errno_location()
    const value = address === null ? 0 : read.i32(address)
    return errorNames[value] ?? `errno ${value}`
  }
  const checked = (result: number): number => {
    if (result < 0) throw coded(code())
    return result
  }
  // Each has a buffer of its own, which stays where it is.
  const status = new DataView(new ArrayBuffer(statxSize))
  const name = new Uint8Array(new ArrayBuffer(longestPath))
  const [statusAddress, nameAddress] = [ptr(status), ptr(name)]
  const named = (path: string): typeof nameAddress => {
    if (path.includes('\0')) throw coded('EINVAL')
    const { read: taken, written } = encoder.encodeInto(path, name)
    if (taken < path.length || written === name.length) throw coded('ENAMETOOLONG')
    name[written] = 0
    return nameAddress
  }
  const statx = (descriptor: number, path: string, how: number): number =>
    syscall(number.statx, descriptor, named(path), how, wanted, statusAddress)
  // A seccomp filter of before 2017 does not know it.
  if (statx(AT_FDCWD, '/', AT_SYMLINK_NOFOLLOW) !== 0) return undefined
  // What a program of the same user could trace, it could make print a key.
  syscall(number.prctl, PR_SET_DUMPABLE, 0, 0, 0, 0)
  return {
    open: (path) => checked(syscall(number.openat, AT_FDCWD, named(path), flags, 0, 0)),
    close: (descriptor) => void syscall(number.close, descriptor, 0, 0, 0, 0),
    facts: (descriptor) => {
      checked(statx(descriptor, '', AT_EMPTY_PATH))
      return factsOf(status)
    },
    factsAt: (path) => {
      if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW) === 0) return factsOf(status)
      const problem = code()
      if (problem === 'ENOENT' || problem === 'ENOTDIR') return undefined
      throw coded(problem)
    },
    read: (descriptor, bytes, offset) =>
      checked(syscall(number.read, descriptor, ptr(bytes, offset), Math.min(bytes.length - offset, most), 0, 0)),
    realpath: (path) => {
      const real = new Uint8Array(new ArrayBuffer(longestPath))
      if (openRealpath()?.realpath(named(path), ptr(real)) == null) throw coded(code())
      return new TextDecoder().decode(real.subarray(0, real.indexOf(0)))
    },
    write: (descriptor, bytes) =>
      checked(syscall(number.write, descriptor, ptr(bytes), Math.min(bytes.length, most), 0, 0)),
  }
}

const encoder = new TextEncoder()

const coded = (code: string): Error => Object.assign(new Error(code), { code })

// struct statx (statx(2)): the same on every architecture.
function factsOf(fields: DataView): FileFacts {
  const given = fields.getUint32(0, true)
  if ((given & wanted) !== wanted) throw coded('EIO')
  const mode = fields.getUint16(28, true)
  return {
    kind: kindOf(mode & 0o170000),
    uid: fields.getUint32(20, true),
    gid: fields.getUint32(24, true),
    mode: mode & 0o7777,
    size: Number(fields.getBigUint64(40, true)),
    modifiedAt: Number(fields.getBigInt64(112, true)) + fields.getUint32(120, true) / 1e9,
  }
}

// inode(7).
function kindOf(type: number): FileFacts['kind'] {
  switch (type) {
    case 0o100000:
      return 'file'
    case 0o040000:
      return 'directory'
    case 0o120000:
      return 'symlink'
    default:
      return 'other'
  }
}
