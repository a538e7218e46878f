// A listening unix socket whose callers are known by the kernel's word.
import { chmodSync, renameSync, rmSync, statSync, unlinkSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Socket, SocketHandler } from 'bun'
import type { Peer } from '../../../src/base/world.ts'
import { insist } from '../files/errno.ts'
import { peerOf } from '../process/peer.ts'

export type Listener = {
  readonly path: string
  /** Leaves another instance's socket alone. */
  readonly close: () => void
}

type How = {
  /** Who may connect; without it everybody. */
  readonly mode?: number
  /** Connections that are open go on when the socket closes. */
  readonly finishes?: boolean
}

/** The directory must exist. A Fault where the socket cannot be made: /run is memory, and may be full. */
export const listenAt = <T>(path: string, socket: SocketHandler<T>, how: How = {}): Listener =>
  insist('listen at', path, () => listen(path, socket, how))

function listen<T>(path: string, socket: SocketHandler<T>, { mode = 0o666, finishes }: How): Listener {
  // Under a hidden name first, which nss-systemd does not look at: no client meets a socket that is not ready, and
  // the one that a killed process left is replaced at once.
  const hidden = join(dirname(path), `.${basename(path)}`)
  rmSync(hidden, { force: true })
  const server = Bun.listen<T>({ unix: hidden, socket })
  chmodSync(hidden, mode)
  renameSync(hidden, path)
  const { ino } = statSync(path)
  return {
    path,
    close: () => {
      server.stop(finishes !== true)
      if (statSync(path, { throwIfNoEntry: false })?.ino === ino) unlinkSync(path)
    },
  }
}

// Bun has the descriptor, its types do not.
export const callerOf = <T>(socket: Socket<T>): Peer | undefined =>
  peerOf((socket as Socket<T> & { readonly fd: number }).fd)
