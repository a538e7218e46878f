// The World of those who only look, as a user without rights.
import type { ReadOnlyWorld } from '../src/world.ts'
import { finish } from './finish.ts'
import { openCalls } from './libc-files.ts'
import type { ReadingMode } from './mode.ts'
import { writeAll } from './output.ts'
import { spawn } from './spawn.ts'
import { syslog } from './syslog.ts'
import { readers } from './trust.ts'

export async function read(mode: ReadingMode, args: readonly string[]): Promise<number> {
  const world = onlooker() ?? (await whole())
  return finish('sshd', world, () => mode.run(args, world))
}

/** Undefined where the C library cannot be called; then the whole World does as well, and takes longer. */
function onlooker(): ReadOnlyWorld | undefined {
  const calls = openCalls()
  return (
    calls && {
      now: () => Date.now() / 1000,
      limit: (seconds) => AbortSignal.timeout(seconds * 1000),
      files: readers(calls),
      spawn,
      stdout: (text) => writeAll(text, (bytes) => calls.write(1, bytes)),
      stderr: (text) => writeAll(text, (bytes) => calls.write(2, bytes)),
      syslog,
    }
  )
}

async function whole(): Promise<ReadOnlyWorld> {
  const { system, takeEnvironment } = await import('./system.ts')
  return system(takeEnvironment(), new AbortController().signal)
}
