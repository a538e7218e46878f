// Which connection is this? Every phase of one ssh login is a separate process, but all descend from the one
// privileged sshd process of that connection, and a (pid, start time, boot) triple is never used twice.
import { readProc } from './proc.ts'

type Ancestor = { readonly pid: number; readonly parent: number; readonly startedAt: string; readonly name: string }

/**
 * A text that is equal in every phase of one connection (or one sudo), and in no other. Throws where /proc is hidden.
 */
export function connectionSeed(parent: number): string {
  const boot = readProc('/proc/sys/kernel/random/boot_id').trim()
  const anchor = anchorOf(ancestors(parent))
  if (!anchor) throw new Error('the parent process cannot be examined')
  return `${boot} ${anchor.pid} ${anchor.startedAt}`
}

/** The same for this very process. */
export function processSeed(pid: number): string {
  const boot = readProc('/proc/sys/kernel/random/boot_id').trim()
  const found = examine(pid)
  if (!found) throw new Error('the process cannot be examined')
  return `${boot} ${found.pid} ${found.startedAt}`
}

const maximumDepth = 24

function ancestors(first: number): Ancestor[] {
  const chain: Ancestor[] = []
  for (let pid = first; pid > 1 && chain.length < maximumDepth; ) {
    const ancestor = examine(pid)
    if (!ancestor) break
    chain.push(ancestor)
    pid = ancestor.parent
  }
  return chain
}

// proc_pid_stat(5): the name stands in parentheses and may itself hold any character.
function examine(pid: number): Ancestor | undefined {
  try {
    const text = readProc(`/proc/${pid}/stat`)
    const close = text.lastIndexOf(')')
    const fields = text.slice(close + 2).split(' ')
    const name = text.slice(text.indexOf('(') + 1, close)
    return { pid, parent: Number(fields[1]), startedAt: fields[19] ?? '', name }
  } catch {
    return undefined
  }
}

// OpenSSH 9.8 and later: the outermost sshd-session. Before: [user] ← [pam] ← monitor ← listener are all "sshd",
// and the monitor is the one below the listener.
function anchorOf(chain: readonly Ancestor[]): Ancestor | undefined {
  const first = chain.findIndex((one) => one.name.startsWith('sshd'))
  if (first < 0) return chain[0]
  const end = chain.findIndex((one, i) => i > first && !one.name.startsWith('sshd'))
  const run = chain.slice(first, end < 0 ? undefined : end)
  return run.findLast((one) => one.name === 'sshd-session') ?? run.at(-2) ?? run[0]
}
