// The only exit statuses (sysexits(3) words), and the last moment for one. pam_exec knows two: 0 and everything else.
import type { Reason } from '../../src/base/reason.ts'
import type { Caller, Ending } from './mode.ts'

/** `unsafe` is ob doctor's: somebody gets in who must not, or nobody gets in. */
export const exitStatus = { ok: 0, denied: 1, unsafe: 2, usage: 64, fault: 70, unavailable: 75 } as const
/** What `ssh ca@host` and the like end with (EX_NOPERM, EX_UNAVAILABLE): whatever went wrong, trying again may help. */
const personStatus = { denied: 77, unavailable: 69 } as const

/** pam_exec has no limit of its own, and a promise that never settles must not become a login that never ends. */
export function endAfter(seconds: number): void {
  setTimeout(() => process.exit(exitStatus.unavailable), seconds * 1000).unref()
}

/** ssh's own status for whatever went wrong before the other side said anything (ssh(1), EXIT STATUS). */
export const sshFailed = 255

export function exitCode(caller: Caller, ending: Ending): number {
  if (caller === 'ssh') return ending.kind === 'outcome' && ending.outcome.kind === 'allowed' ? 0 : sshFailed
  if (ending.kind === 'usage') return exitStatus.usage
  if (caller === 'person' && ending.outcome.kind !== 'allowed') return personStatus[ending.outcome.kind]
  switch (ending.outcome.kind) {
    case 'allowed':
      return exitStatus.ok
    case 'denied':
      if (ending.outcome.reason === 'host-unsafe') return exitStatus.unsafe
      // sshd distrusts the output of a failing AuthorizedKeysCommand; "no keys" is an empty success.
      return caller === 'sshd' ? exitStatus.ok : exitStatus.denied
    case 'unavailable':
      return isOurs(ending.outcome.reason) ? exitStatus.fault : exitStatus.unavailable
  }
}

/** The reason is a fault of this host, and not a portal that gave no answer. */
const isOurs = (reason: Reason): boolean =>
  reason === 'fault' ||
  reason === 'portal-untrusted' ||
  reason === 'portal-refuses-host' ||
  reason === 'audit-unwritable'
