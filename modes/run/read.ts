// A mode of sshd's that has something to read.
import type { ReadOnlyWorld } from '../../src/base/world.ts'
import { readOnlyWorld } from '../world/read-only.ts'
import { finish } from './finish.ts'
import type { ReadingMode } from './mode.ts'

export async function runReading(mode: ReadingMode, args: readonly string[]): Promise<number> {
  const world = readOnlyWorld() ?? (await whole())
  return finish('sshd', world, () => mode.run(args, world))
}

async function whole(): Promise<ReadOnlyWorld> {
  const { system, takeEnvironment } = await import('../world/system.ts')
  const { refuseDumps } = await import('../world/process/libc.ts')
  refuseDumps()
  return system(takeEnvironment(), new AbortController().signal)
}
