// A file of a user's, read with that user's rights: what the user may not read is not read, and no link leads away.
import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs'
import { Fault } from '../../../src/base/fault.ts'
import type { OwnedRules } from '../../../src/base/world.ts'
import { readUpTo } from './safe-path.ts'

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants

/** Undefined where there is no such file. Throws what the system calls throw. */
export function readOwned(path: string, rules: OwnedRules): Uint8Array<ArrayBuffer> | undefined {
  return asUser(rules, () => {
    const components = path.split('/').filter((part) => part !== '')
    const name = components.pop() ?? ''
    const directory = descend(path, components, rules.uid)
    if (directory === undefined) return undefined
    try {
      const descriptor = tryOpen(`/proc/self/fd/${directory}/${name}`, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
      return descriptor === undefined ? undefined : readAndClose(path, descriptor, rules)
    } finally {
      closeSync(directory)
    }
  })
}

/** Opens each directory below the one before it; a link on the way ends it with ELOOP or ENOTDIR. */
function descend(path: string, components: readonly string[], uid: number): number | undefined {
  let descriptor: number | undefined = openSync('/', O_RDONLY | O_DIRECTORY)
  for (const component of components) {
    const child = tryOpen(`/proc/self/fd/${descriptor}/${component}`, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
    closeSync(descriptor)
    descriptor = child
    if (descriptor === undefined) return undefined
    insistOnOwner(path, component, fstatSync(descriptor), uid)
  }
  return descriptor
}

function readAndClose(path: string, descriptor: number, { uid, limit }: OwnedRules): Uint8Array<ArrayBuffer> {
  try {
    const stats = fstatSync(descriptor)
    insistOnOwner(path, path.slice(path.lastIndexOf('/') + 1), stats, uid)
    if (!stats.isFile()) throw new Fault(`${path} is not a regular file`)
    // A second name may be in a directory that somebody else can write.
    if (stats.nlink !== 1) throw new Fault(`${path} has ${stats.nlink} names (hard links)`)
    if (stats.size > limit) throw new Fault(`${path} is larger than ${limit} bytes`)
    return readUpTo(stats.size, (bytes, at) => readSync(descriptor, bytes, at, bytes.length - at, null))
  } finally {
    closeSync(descriptor)
  }
}

function insistOnOwner(path: string, part: string, { uid, mode }: Stats, wanted: number): void {
  if (uid !== wanted && uid !== 0) throw new Fault(`${path}: "${part}" belongs to uid ${uid}, not to ${wanted}`)
  if ((mode & 0o022) !== 0) throw new Fault(`${path}: "${part}" can be written by others`)
}

function tryOpen(path: string, flags: number): number | undefined {
  try {
    return openSync(path, flags)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

function asUser<T>({ uid, gid }: OwnedRules, work: () => T): T {
  if (process.geteuid?.() !== 0) return work()
  process.setegid?.(gid)
  process.seteuid?.(uid)
  try {
    return work()
  } finally {
    process.seteuid?.(0)
    process.setegid?.(0)
  }
}
