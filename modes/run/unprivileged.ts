// Runs the modes of sshd, for every key that a client offers. They only read, so they do without most of the World,
// which takes longer to load than all the rest together; and without any of it where there is nothing to read.
import { endAfter, exitStatus } from './exit.ts'
import type { ReadingEntry } from './mode.ts'

export async function runUnprivileged(entry: ReadingEntry, args: readonly string[]): Promise<number> {
  endAfter(entry.deadlineSeconds)
  const { mode } = await entry.load()
  if (mode.sources(args)?.every(isAbsent)) return exitStatus.ok
  const { runReading: read } = await import('./read.ts')
  return read(mode, args)
}

/**
 * Whether there is certainly no such file, or a link to none; in doubt, the reader will find out. chdir(2) asks
 * the kernel about a name, and leaves everything as it is where that is no directory. The runtime has no other call
 * that does, says what was wrong, and needs no module to be loaded. No path of ours is relative.
 */
function isAbsent(path: string): boolean {
  try {
    process.chdir(path)
    return false
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ENOENT'
  }
}
