// The session that this process is in: its terminal, and whom utmp and the kernel's audit count it to.
import { chownSync, readlinkSync, statSync, writeFileSync } from 'node:fs'
import { isatty } from 'node:tty'
import { bind, memory, ptr } from '../io/ffi.ts'

/** The terminal on standard input; undefined where there is none. */
export function terminalName(): string | undefined {
  if (!isatty(0)) return undefined
  try {
    return readlinkSync('/proc/self/fd/0')
  } catch {
    return undefined
  }
}

/** Counts what follows to this uid, as pam_loginuid(8) does. Kernels without audit, and containers, have none. */
export function loginUid(uid: number): void {
  try {
    writeFileSync('/proc/self/loginuid', String(uid))
  } catch {
    // It is the kernel's to refuse, and the session is the person's all the same.
  }
}

/** Makes the terminal the person's, for the kernel and in utmp. Only the name in an entry that is there is changed. */
export function takeTerminal(path: string, { uid, name }: { readonly uid: number; readonly name: string }): void {
  if (!/^\/dev\/pts\/\d+$/.test(path)) return
  chownSync(path, uid, statSync(path).gid)
  renameEntry(path.slice('/dev/'.length), name)
}

// struct utmpx (utmp(5)): these offsets and sizes are the same on x86-64 and arm64.
const [line, user] = [
  { at: 8, size: 32 },
  { at: 44, size: 32 },
]

function renameEntry(terminal: string, name: string): void {
  const libc = bind({
    setutxent: { args: [], returns: 'void' },
    getutxline: { args: ['ptr'], returns: 'ptr' },
    pututxline: { args: ['ptr'], returns: 'ptr' },
    endutxent: { args: [], returns: 'void' },
  })
  if (!libc) return
  const wanted = new Uint8Array(512)
  wanted.set(new TextEncoder().encode(terminal), line.at)
  libc.setutxent()
  const entry = libc.getutxline(ptr(wanted))
  if (entry !== null) {
    const field = memory(entry, user.at, user.size)
    field.fill(0)
    field.set(new TextEncoder().encode(name).subarray(0, user.size))
    libc.pututxline(entry)
  }
  libc.endutxent()
}
