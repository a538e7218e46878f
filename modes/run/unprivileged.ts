// Runs the modes of sshd, for every key that a client offers. They only read, so they do without most of the World,
// which takes longer to load than all the rest together; and without any of it where there is nothing to read.
import { endAfter, exitStatus } from './exit.ts'
import { isAbsent } from './is-absent.ts'
import type { ReadingEntry } from './mode.ts'

export async function runUnprivileged(entry: ReadingEntry, args: readonly string[]): Promise<number> {
  endAfter(entry.deadlineSeconds)
  const { mode } = await entry.load()
  if (mode.sources(args)?.every(isAbsent)) return exitStatus.ok
  const { runReading: read } = await import('./read.ts')
  return read(mode, args)
}
