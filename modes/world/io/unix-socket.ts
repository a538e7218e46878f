// A listening unix socket whose callers are known by the kernel's word.
import { chmodSync, renameSync, rmSync, statSync, unlinkSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Socket, SocketHandler } from 'bun'
import type { Peer } from '../../../src/base/world.ts'
import { peerOf } from '../process/peer.ts'

export type Listener = {
  readonly path: string
  /** Leaves another instance's socket alone. */
  readonly close: () => void
}

/** Every user may connect. The directory must exist. */
export function listenAt<T>(path: string, socket: SocketHandler<T>): Listener {
  // Under a hidden name first, which nss-systemd does not look at: no client meets a socket that is not ready, and
  // the one that a killed process left is replaced at once.
  const hidden = join(dirname(path), `.${basename(path)}`)
  rmSync(hidden, { force: true })
  const server = Bun.listen<T>({ unix: hidden, socket })
  chmodSync(hidden, 0o666)
  renameSync(hidden, path)
  const { ino } = statSync(path)
  return {
    path,
    close: () => {
      server.stop(true)
      if (statSync(path, { throwIfNoEntry: false })?.ino === ino) unlinkSync(path)
    },
  }
}

// Bun has the descriptor, its types do not.
export const callerOf = <T>(socket: Socket<T>): Peer | undefined =>
  peerOf((socket as Socket<T> & { readonly fd: number }).fd)
