// Whether a user is logged in, and how that ends: by logind where it runs, else by the processes themselves.

import { findPasswd } from '../accounts/passwd-format.ts'
import { openRegistry } from '../accounts/registry.ts'
import { isWithin, parseSubordinateIds } from '../accounts/subordinate-ids-format.ts'
import { decodeBytewise } from '../base/bytes.ts'
import { orElse } from '../base/fault.ts'
import type { LoginName } from '../base/names.ts'
import type { Parts } from '../base/world.ts'

/** The time that a process gets to end by itself. Seconds. */
const graceSeconds = 2

/** Smaller uids are root's and those of Debian's packages (adduser.conf(5)). */
const firstPersonalUid = 1000

/** SUB_UID_MIN of login.defs(5), as distributions set it. */
const firstSubordinateUid = 100_000

/** A program that hangs must not stop the rounds over all other users. Seconds. */
const programSeconds = 5

export type SessionControl = {
  /** Whether any process of this user runs. */
  readonly isPresent: (user: LoginName) => Promise<boolean>
  /** Ends every session of the user; false when a process of it still runs. */
  readonly terminate: (user: LoginName) => Promise<boolean>
}

export function openSessionControl(
  world: Parts<'sleep' | 'files' | 'processes' | 'spawn' | 'syslog' | 'timeout'>,
): SessionControl {
  return {
    isPresent: async (user) => {
      const uid = await uidOf(world, user)
      return uid !== undefined && world.processes.ofUser(uid).length > 0
    },
    terminate: async (user) => {
      const uid = await uidOf(world, user)
      if (uid === undefined) return false
      const theirs = processesOf(world, user, uid)
      // logind also closes its own records of the user; the processes are ended either way, lingering ones too.
      await world.spawn(['loginctl', 'terminate-user', user], { signal: world.timeout(programSeconds) })
      for (const pid of theirs()) world.processes.signal(pid, 'SIGHUP')
      await world.sleep(graceSeconds)
      // A process that forks outruns one pass, unless all of them are stopped before they are ended.
      for (let tries = 0; tries < 40 && theirs().length > 0; tries++) {
        for (const pid of theirs()) world.processes.signal(pid, 'SIGSTOP')
        for (const pid of theirs()) world.processes.signal(pid, 'SIGKILL')
        if (theirs().length > 0) await world.sleep(0.05)
      }
      return theirs().length === 0
    },
  }
}

/** Those of the user's own namespaces run as subordinate uids (subuid(5)). */
function processesOf(world: Parts<'files' | 'processes'>, user: LoginName, uid: number): () => readonly number[] {
  const text = decodeBytewise(world.files.read('/etc/subuid', 16 << 20) ?? new Uint8Array())
  const ranges = parseSubordinateIds(text).filter(({ owner }) => owner === user || owner === String(uid))
  // A line that covers root or the services of this host ends none of those.
  const isTheirs = (one: number): boolean => one === uid || (one >= firstSubordinateUid && isWithin(one, ranges))
  return () => world.processes.ofUsers(isTheirs)
}

async function uidOf(
  world: Parts<'files' | 'spawn' | 'syslog' | 'timeout'>,
  user: LoginName,
): Promise<number | undefined> {
  const { code, stdout } = await world.spawn(['getent', 'passwd', user], { signal: world.timeout(programSeconds) })
  // Where an NSS service does not answer, or the user is retired, there is no entry; processes may still run.
  const uid = (code === 0 ? findPasswd(stdout, user)?.uid : undefined) ?? recordedUid(world, user)
  // Processes of root and of services are never ended, whatever the name is.
  return uid === undefined || uid < firstPersonalUid ? undefined : uid
}

function recordedUid(world: Parts<'files' | 'syslog'>, user: LoginName): number | undefined {
  return orElse(
    () => openRegistry(world).view((registry) => registry.user(user)?.uid),
    (fault) => {
      world.syslog('err', fault.message)
      return undefined
    },
  )
}
