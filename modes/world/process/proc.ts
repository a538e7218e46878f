// Small texts of the kernel (proc(5)). Their size is unknown beforehand, and a buffer for any size costs more than the
// read itself.
import { closeSync, openSync, readdirSync, readSync } from 'node:fs'
import type { Processes } from '../../../src/base/world.ts'

const buffer = new Uint8Array(4096)
const decoder = new TextDecoder('latin1')

/** The first 4096 bytes of the file; throws where it cannot be read. */
export function readProc(path: string): string {
  const descriptor = openSync(path, 'r')
  try {
    return decoder.decode(buffer.subarray(0, readSync(descriptor, buffer, 0, buffer.length, null)))
  } finally {
    closeSync(descriptor)
  }
}

/** Looks at every process; only for rare events. */
export const processes: Processes = {
  ofUser: (uid) => processesOf((one) => one === uid),
  ofUsers: (isOne) => processesOf(isOne),
  signal: (pid, signal) => {
    try {
      process.kill(pid, signal)
    } catch {
      // It ended by itself.
    }
  },
}

const processesOf = (isOne: (uid: number) => boolean): readonly number[] =>
  readdirSync('/proc')
    .filter((name) => {
      const uid = /^\d+$/.test(name) ? realUserOf(name) : undefined
      return uid !== undefined && isOne(uid)
    })
    .map(Number)

function realUserOf(pid: string): number | undefined {
  try {
    const status = readProc(`/proc/${pid}/status`)
    const uid = /^Uid:\t(\d+)/m.exec(status)?.[1]
    // A zombie does not run any more (proc_pid_status(5)).
    const isOver = /^State:\t[ZX]/m.test(status)
    return uid === undefined || isOver ? undefined : Number(uid)
  } catch {
    return undefined
  }
}
