// The few libc calls that Bun has no door for. Opened on first use: an import costs nothing but the file.
import { foreign } from './foreign.ts'
import { readProc } from './proc.ts'

// Each symbol costs 60 000 instructions to bind, so a process binds only what it uses.
const once = <T>(open: () => T): (() => T) => {
  let symbols: T | undefined
  return () => {
    symbols ??= open()
    return symbols
  }
}

const processes = once(
  () => foreign().dlopen('libc.so.6', { prctl: { args: ['i32', 'u64', 'u64', 'u64', 'u64'], returns: 'i32' } }).symbols,
)
const locks = once(() => foreign().dlopen('libc.so.6', { flock: { args: ['i32', 'i32'], returns: 'i32' } }).symbols)
const limits = once(
  () =>
    foreign().dlopen('libc.so.6', {
      getrlimit: { args: ['i32', 'ptr'], returns: 'i32' },
      setrlimit: { args: ['i32', 'ptr'], returns: 'i32' },
    }).symbols,
)
const LOCK_EX = 2
const LOCK_NB = 4

/** flock(2), exclusive, without waiting: true when this process now holds the lock. */
export const tryLock = (descriptor: number): boolean => locks().flock(descriptor, LOCK_EX | LOCK_NB) === 0

const PR_SET_DUMPABLE = 4

/** No core dump and no ptrace by others of the same user (prctl(2)). */
export const refuseDumps = (): void => {
  processes().prctl(PR_SET_DUMPABLE, 0n, 0n, 0n, 0n)
}

const RLIMIT_FSIZE = 1
const unlimited = 2n ** 64n - 1n
/** Larger than any file that is ours. */
const enough = 2n ** 30n

/**
 * What comes along from whoever typed sudo: a group that would own what we write, a umask that would hide it, a real
 * uid that may send us signals, and a file size limit that would keep every trace from being written. False when that
 * limit is there and cannot be lifted (a container without CAP_SYS_RESOURCE): nothing should be decided then.
 */
export function shedInheritance(): boolean {
  process.umask(0o022)
  if (process.geteuid?.() !== 0) return true
  process.setgid?.(0)
  process.setuid?.(0)
  // Almost nobody has such a limit: the kernel's text says so without binding a symbol.
  if (/^Max file size +unlimited +unlimited/m.test(readProc('/proc/self/limits'))) return true
  const { getrlimit, setrlimit } = limits()
  setrlimit(RLIMIT_FSIZE, foreign().ptr(new BigUint64Array([unlimited, unlimited])))
  const now = new BigUint64Array(2)
  return getrlimit(RLIMIT_FSIZE, foreign().ptr(now)) === 0 && now[0]! >= enough
}
