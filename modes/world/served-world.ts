// The World of a PAM phase that `ob serve` decides: the caller's environment and place in the tree of processes, and
// the daemon's own disk, network and clock. What the daemon may not do, it leaves to the caller.
import { statSync } from 'node:fs'
import { paths } from '../../src/base/paths.ts'
import type { Files, NativeArgon2, World } from '../../src/base/world.ts'
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
  /** Called before a one-time token is claimed. */
  readonly beforeClaim: () => void
}

/** The World, and what was said to the person in it. */
export function servedWorld(caller: ServedCaller): { readonly world: World; readonly said: () => string } {
  const { pid, environment, deadline, answer, argon2, fetch } = caller
  const parent = parentOf(pid)
  let text = ''
  const own = system(environment, deadline, answer)
  const world: World = {
    ...own,
    connectionSeed: () => seedOrRandom(connectionSeed, parent),
    callerSeed: () => seedOrRandom(processSeed, parent),
    files: servedFiles(own.files, caller),
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

/** Records that count once: whoever takes one must be able to end what it began. */
const takenOnce = [`${paths.proven}/`, `${paths.gpgPassed}/`]

// The daemon has no rights over homes and accounts (CapabilityBoundingSet=, ProtectHome= of its unit).
const servedFiles = (files: Files, { pid, beforeClaim }: ServedCaller): Files => ({
  ...files,
  makeHome: ({ path }) => {
    if (isDirectory(`/proc/${pid}/root${path}`)) return false
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
    if (takenOnce.some((directory) => path.startsWith(directory))) throw new LeftToCaller()
    return files.remove(path)
  },
  createExclusive: (path, ...rest) => {
    if (path.startsWith(`${paths.usedTokens}/`)) beforeClaim()
    return files.createExclusive(path, ...rest)
  },
})

// In the caller's view of the disk: /home is empty in the daemon's.
function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch {
    return false
  }
}
