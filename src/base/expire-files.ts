// Small files that logins and unknown users leave behind. The timer of the heartbeat removes the old ones; where it
// does not run, once an hour a process that uses the directory.
import type { FileFacts, Parts } from './world.ts'

const everySeconds = 3_600
/** Before a login would have to. */
const early = 1_800

/** All other calls find files by name and list nothing. */
export function sweep(
  world: Parts<'now' | 'files'>,
  directory: string,
  isStale: (path: string, facts: FileFacts) => boolean,
  when: 'late' | 'early' = 'late',
): void {
  const marker = `${directory}/.swept`
  const swept = world.files.stat(marker)
  if (swept && Math.abs(world.now() - swept.modifiedAt) < (when === 'early' ? early : everySeconds)) return
  if (when === 'early' && world.files.stat(directory) === undefined) return
  for (const name of world.files.list(directory) ?? []) {
    const path = `${directory}/${name}`
    const facts = world.files.stat(path)
    if (facts?.kind === 'file' && isStale(path, facts)) world.files.remove(path)
  }
  // Last, because on a full disk there is room for it only now.
  world.files.writeAtomic(marker, '', { mode: 0o600 })
}

/** Nothing was written to it for so many seconds. */
export const olderThan =
  (world: Parts<'now'>, seconds: number) =>
  (_path: string, facts: FileFacts): boolean =>
    world.now() - facts.modifiedAt > seconds
