// The process at the other end of a unix socket: by the kernel's word (unix(7), SO_PEERCRED), and by /proc about the
// process.
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { Fault } from '../../../src/base/fault.ts'
import type { Peer, PeerProcesses } from '../../../src/base/world.ts'
import { bind, hint, ptr } from '../io/ffi.ts'
import { readProc } from './proc.ts'

const SOL_SOCKET = 1
const SO_PEERCRED = 17

function open() {
  const libc = bind({ getsockopt: { args: ['i32', 'i32', 'i32', 'ptr', 'ptr'], returns: 'i32' } })
  if (!libc) throw new Fault('the kernel cannot be asked here who connects to a socket', { hint })
  return libc.getsockopt
}

let getsockopt: ReturnType<typeof open> | undefined

// struct ucred (pid, uid, gid) and its length, made once: every lookup of a user database begins with this.
// Each has a buffer of its own, which stays where it is.
const credentials = new Int32Array(new ArrayBuffer(12))
const length = new Uint32Array(new ArrayBuffer(4))
const addresses = [ptr(credentials), ptr(length)] as const

/** A Fault where the kernel does not tell callers apart. */
export function needPeers(): void {
  getsockopt ??= open()
}

/** The process that connected, as it was then; undefined when the kernel does not say. */
export function peerOf(descriptor: number): Peer | undefined {
  getsockopt ??= open()
  length[0] = credentials.byteLength
  if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, addresses[0], addresses[1]) !== 0) return undefined
  return { pid: credentials[0]!, uid: credentials[1]! >>> 0 }
}

// A process that ended, or that may not be looked at, does not count as sshd.
function attempt<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}

const programs: ReadonlySet<string> = new Set(['sshd', 'sshd-session', 'sshd-auth'])

/** The helper through which pam_unix asks about accounts for sshd (Linux-PAM 1.6 and later, unix_chkpwd(8)). */
const helper = 'unix_chkpwd'

/** The name of the program that runs, from a file that only root can write. */
function programOf(pid: number): string | undefined {
  // A program that was upgraded goes on running from a file without a name.
  const path = readlinkSync(`/proc/${pid}/exe`).replace(/ \(deleted\)$/, '')
  const { uid, mode } = statSync(`/proc/${pid}/exe`)
  return uid === 0 && (mode & 0o022) === 0 ? path.slice(path.lastIndexOf('/') + 1) : undefined
}

/** Whether that process runs the very file that this one runs: an upgrade puts another in its place. */
export const isThisProgram = (pid: number): boolean => isSame('/proc/self/exe', `/proc/${pid}/exe`)

/** Whether that process sees this very file by this name: it may have a root or mounts of its own. */
export const seesFile = (pid: number, path: string): boolean => isSame(path, `/proc/${pid}/root${path}`)

const isSame = (path: string, otherPath: string): boolean =>
  attempt(() => {
    const [one, other] = [statSync(path), statSync(otherPath)]
    return one.dev === other.dev && one.ino === other.ino
  }) ?? false

/** Throws where the process ended, or may not be looked at. */
export const parentOf = (pid: number): number => {
  const text = readProc(`/proc/${pid}/stat`)
  return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[1])
}

export const peerProcesses: PeerProcesses = {
  isSshd: (pid) =>
    attempt(() => {
      const program = programOf(pid)
      return programs.has((program === helper ? programOf(parentOf(pid)) : program) ?? '')
    }) ?? false,
  parent: (pid) => attempt(() => parentOf(pid)),
  source: (pid) => attempt(() => sourceOf(pid)) ?? 'unknown',
}

/** The remote address, in the kernel's hexadecimal, of the process's first connection that has one. */
function sourceOf(pid: number): string | undefined {
  const inodes = new Set<string>()
  for (const descriptor of readdirSync(`/proc/${pid}/fd`)) {
    const inode = attempt(() => /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${descriptor}`))?.[1])
    if (inode !== undefined) inodes.add(inode)
  }
  for (const table of ['tcp', 'tcp6'])
    for (const line of (attempt(() => readFileSync(`/proc/${pid}/net/${table}`, 'latin1')) ?? '').split('\n')) {
      // proc(5): sl, local_address, rem_address, st, …, inode as the tenth.
      const fields = line.trim().split(/ +/)
      const address = fields[2]?.split(':')[0]
      if (address !== undefined && inodes.has(fields[9] ?? '') && /[1-9A-F]/i.test(address)) return networkOf(address)
    }
  return undefined
}

// RFC 4291 §2.5.5.2, in the kernel's order of bytes: 32 bits at a time, of the host's.
const mapped = /^0{16}(?:FFFF0000|0000FFFF)(.{8})$/

// The owner of one IPv6 address has 2⁶⁴ of them; but behind ssh.socket an IPv4 address looks like one, too.
const networkOf = (address: string): string =>
  mapped.exec(address)?.[1] ?? (address.length > 8 ? address.slice(0, 16) : address)
