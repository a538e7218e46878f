// What a user below whose sudo this process runs may do to it without a signal: a delegated cgroup that freezes or
// starves it, an idle scheduling class, one busy processor. Undone as far as this host allows; what remains is seen by
// whoever waits (portal-client/circuit-breaker.ts).
import { mkdirSync, writeFileSync } from 'node:fs'
import { bind, ptr } from '../io/ffi.ts'
import { readProc } from './proc.ts'

const SCHED_OTHER = 0
const PRIO_PROCESS = 0
/** A bit for each of 1024 processors, as glibc's cpu_set_t. */
const cpuSetBytes = 128

export function leaveCallersScheduling(): void {
  if (process.geteuid?.() !== 0) return
  leaveCallersGroup()
  const libc = bind({
    sched_setscheduler: { args: ['i32', 'i32', 'ptr'], returns: 'i32' },
    setpriority: { args: ['i32', 'u32', 'i32'], returns: 'i32' },
    sched_setaffinity: { args: ['i32', 'u64', 'ptr'], returns: 'i32' },
  })
  if (!libc) return
  libc.sched_setscheduler(0, SCHED_OTHER, ptr(new Int32Array([0])))
  libc.setpriority(PRIO_PROCESS, 0, 0)
  // The kernel leaves out the processors that are not there, or not allowed to this cgroup.
  libc.sched_setaffinity(0, BigInt(cpuSetBytes), ptr(new Uint8Array(cpuSetBytes).fill(0xff)))
}

const tree = '/sys/fs/cgroup'
/** Where processes may not be in the root of the tree: in a container it is no real root (cgroups(7)). */
const ours = `${tree}/open-bastion.scope`

// user.slice is where systemd gives parts of the tree to users (systemd.resource-control(5), Delegate=).
function leaveCallersGroup(): void {
  try {
    if (!/^0::.*\/user\.slice\//m.test(readProc('/proc/self/cgroup'))) return
  } catch {
    return
  }
  if (joins(tree)) return
  try {
    mkdirSync(ours)
  } catch {
    // It is there, or there is no such tree.
  }
  joins(ours)
}

function joins(group: string): boolean {
  try {
    writeFileSync(`${group}/cgroup.procs`, `${process.pid}`)
    return true
  } catch {
    return false
  }
}
