// The few calls about this process that Bun has no API for.
import { writeFileSync } from 'node:fs'
import { Fault } from '../../../src/base/fault.ts'
import { bind, hint, ptr } from '../io/ffi.ts'
import { readProc } from './proc.ts'

const LOCK_EX = 2
const LOCK_NB = 4

const bindLock = () => bind({ flock: { args: ['i32', 'i32'], returns: 'i32' } })
let lock: ReturnType<typeof bindLock>

/** flock(2), exclusive, without waiting: true when this process now holds the lock. */
export function tryLock(descriptor: number): boolean {
  lock ??= bindLock()
  return lock ? lock.flock(descriptor, LOCK_EX | LOCK_NB) === 0 : lockThroughProgram(descriptor)
}

const flock = '/usr/bin/flock'

// A lock belongs to the open file and not to the process that took it, so flock(1) may take it for us.
function lockThroughProgram(descriptor: number): boolean {
  try {
    const { exitCode } = Bun.spawnSync([flock, '--exclusive', '--nonblock', '3'], {
      env: {},
      stdio: ['ignore', 'ignore', 'ignore', descriptor],
    })
    if (exitCode === 0 || exitCode === 1) return exitCode === 0
  } catch {
    // It cannot be started.
  }
  throw new Fault(`${flock} does not lock, and the C library cannot be called`, { hint })
}

const PR_SET_DUMPABLE = 4

/**
 * No core dump and no ptrace by others of the same user (prctl(2)); without the C library only the first, by a dump
 * with no memory in it (core(5)). A host that cannot do it still lets its users in.
 */
export function refuseDumps(): void {
  const libc = bind({ prctl: { args: ['i32', 'u64', 'u64', 'u64', 'u64'], returns: 'i32' } })
  if (libc) return void libc.prctl(PR_SET_DUMPABLE, 0n, 0n, 0n, 0n)
  try {
    writeFileSync('/proc/self/coredump_filter', '0')
  } catch {
    // A read-only /proc.
  }
}

const RLIMIT_FSIZE = 1
const unlimited = 2n ** 64n - 1n
/** Larger than any file of this program. */
const enough = 2n ** 30n

/**
 * Undoes what the caller of sudo can set: a group that would own our files, a umask that would hide it, a real
 * uid that may send us signals, and a file size limit that would keep every trace from being written. False when that
 * limit is there and cannot be lifted (a container without CAP_SYS_RESOURCE): nothing should be decided then.
 */
export function dropInheritedLimits(): boolean {
  process.umask(0o022)
  if (process.geteuid?.() !== 0) return true
  process.setgid?.(0)
  process.setuid?.(0)
  // Such a limit is rare: the kernel's text shows it without binding a symbol.
  if (/^Max file size +unlimited +unlimited/m.test(readProc('/proc/self/limits'))) return true
  const libc = bind({
    getrlimit: { args: ['i32', 'ptr'], returns: 'i32' },
    setrlimit: { args: ['i32', 'ptr'], returns: 'i32' },
  })
  if (!libc) return false
  libc.setrlimit(RLIMIT_FSIZE, ptr(new BigUint64Array([unlimited, unlimited])))
  const now = new BigUint64Array(2)
  return libc.getrlimit(RLIMIT_FSIZE, ptr(now)) === 0 && now[0]! >= enough
}
