// The World of a PAM phase that `ob serve` decides: the caller's environment and place in the tree of processes, and
// the daemon's own disk, network and clock. What the daemon may not do, it leaves to the caller.
import { lstatSync } from 'node:fs'
import { paths } from '../../src/base/paths.ts'
import type { Files, HomeRequest, NativeArgon2, World } from '../../src/base/world.ts'
import { connectionSeed, processSeed } from './process/connection-id.ts'
import { parentOf } from './process/peer.ts'
import { type Environment, seedOrRandom, system } from './system.ts'

/** Thrown where the caller must decide by itself. Nothing was written or spent before. */
export class LeftToCaller extends Error {}

export type ServedCaller = {
  readonly pid: number
  readonly environment: Environment
  readonly answer: Uint8Array<ArrayBuffer>
  readonly deadline: AbortSignal
  readonly argon2: NativeArgon2
  readonly fetch: World['fetch']
  /** Paths of the records of a connection that count once: whoever takes one must be able to end what it began. */
  readonly takenOnce: (connectionSeed: string) => readonly string[]
  /** Called before a one-time token is claimed. */
  readonly beforeClaim: () => void
}

/** The World, and what was said to the person in it. */
export function servedWorld(caller: ServedCaller): { readonly world: World; readonly said: () => string } {
  const { pid, environment, deadline, answer, argon2, fetch } = caller
  const parent = parentOf(pid)
  let text = ''
  const own = system(environment, deadline, answer)
  const seed = seedOrRandom(connectionSeed, parent)
  const world: World = {
    ...own,
    connectionSeed: () => seed,
    callerSeed: () => seedOrRandom(processSeed, parent),
    files: servedFiles(own.files, caller, seed),
    argon2,
    fetch,
    stdout: (more) => {
      text += more
    },
    stderr: () => undefined,
    terminal: undefined,
  }
  return { world, said: () => text }
}

// The daemon has no rights over homes and accounts (CapabilityBoundingSet=, ProtectHome= of its unit).
const servedFiles = (files: Files, { pid, beforeClaim, takenOnce }: ServedCaller, seed: string): Files => ({
  ...files,
  makeHome: (home) => {
    if (isHome(`/proc/${pid}/root`, home)) return false
    throw new LeftToCaller()
  },
  editAccounts: () => {
    throw new LeftToCaller()
  },
  withLock: (path, ...rest) => {
    if (path === paths.registryLock) return Promise.reject(new LeftToCaller())
    return files.withLock(path, ...rest)
  },
  remove: (path) => {
    if (takenOnce(seed).includes(path)) throw new LeftToCaller()
    return files.remove(path)
  },
  createExclusive: (path, ...rest) => {
    if (path.startsWith(`${paths.usedTokens}/`)) beforeClaim()
    return files.createExclusive(path, ...rest)
  },
})

/**
 * Whether makeHome would leave it as it is: a directory of this user, and no link or other user's directory on the way.
 * `root`: the caller's view of the disk, because /home is empty in the daemon's.
 */
function isHome(root: string, { path, uid }: HomeRequest): boolean {
  const parts = path.split('/').filter((part) => part !== '')
  const isSound = (at: number): boolean => {
    const stats = lstatSync(`${root}/${parts.slice(0, at + 1).join('/')}`)
    if (!stats.isDirectory()) return false
    return at === parts.length - 1 ? stats.uid === uid : stats.uid === 0 && (stats.mode & 0o022) === 0
  }
  try {
    return parts.every((_, at) => isSound(at))
  } catch {
    return false
  }
}
