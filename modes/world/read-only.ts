// The World of the modes that only read, as a user without rights.
import type { ReadOnlyWorld } from '../../src/base/world.ts'
import { readers } from './files/safe-path.ts'
import { openCalls } from './files/syscalls.ts'
import { writeAll } from './io/output.ts'
import { syslog } from './io/syslog.ts'
import { spawn } from './process/spawn.ts'

/** Undefined where the C library cannot be called; then the whole World does as well, and takes longer. */
export function readOnlyWorld(): ReadOnlyWorld | undefined {
  const calls = openCalls()
  return (
    calls && {
      now: () => Date.now() / 1000,
      timeout: (seconds) => AbortSignal.timeout(seconds * 1000),
      files: readers(calls),
      spawn,
      stdout: (text) => writeAll(text, (bytes) => calls.write(1, bytes)),
      stderr: (text) => writeAll(text, (bytes) => calls.write(2, bytes)),
      syslog,
    }
  )
}
