// What sshd runs for every key that somebody offers. It only reads, so it does without most of the World, which takes
// longer to load than all the rest together.
import type { ReadOnlyWorld } from '../src/world.ts'
import { finish, watch } from './finish.ts'
import type { ReadingEntry } from './mode.ts'
import { onlooker } from './onlooker.ts'

export async function look(entry: ReadingEntry, args: readonly string[]): Promise<number> {
  const deadline = watch(entry.deadlineSeconds)
  const world = onlooker(deadline) ?? (await whole(deadline))
  return finish(entry.caller, world, async () => (await entry.load()).mode.run(args, world))
}

async function whole(deadline: AbortSignal): Promise<ReadOnlyWorld> {
  const { system, takeEnvironment } = await import('./system.ts')
  return system(takeEnvironment(), deadline)
}
