// The session that this process is in: its terminal, and whom the kernel's audit counts it to.
import { readlinkSync, writeFileSync } from 'node:fs'
import { isatty } from 'node:tty'

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
