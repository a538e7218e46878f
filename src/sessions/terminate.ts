// Whether a user is logged in, and how that ends: by logind where it runs, else by the processes themselves.

import { findPasswd } from '../accounts/passwd-format.ts'
import { openRegistry } from '../accounts/registry.ts'
import { orElse } from '../base/fault.ts'
import type { LoginName } from '../base/names.ts'
import type { Parts } from '../base/world.ts'

/** The time that a process gets to end by itself. Seconds. */
const graceSeconds = 2

/** Smaller uids are root's and those of Debian's packages (adduser.conf(5)). */
const firstPersonalUid = 1000

export type SessionControl = {
  /** Whether any process of this user runs. */
  readonly isPresent: (user: LoginName) => Promise<boolean>
  /** Ends every session of the user; false when a process of it still runs. */
  readonly terminate: (user: LoginName) => Promise<boolean>
}

export function openSessionControl(world: Parts<'sleep' | 'files' | 'processes' | 'spawn' | 'syslog'>): SessionControl {
  return {
    isPresent: async (user) => {
      const uid = await uidOf(world, user)
      return uid !== undefined && world.processes.ofUser(uid).length > 0
    },
    terminate: async (user) => {
      const uid = await uidOf(world, user)
      if (uid === undefined) return false
      // logind also closes its own records of the user; the processes are ended either way, lingering ones too.
      await world.spawn(['loginctl', 'terminate-user', user])
      for (const pid of world.processes.ofUser(uid)) world.processes.signal(pid, 'SIGHUP')
      await world.sleep(graceSeconds)
      for (const pid of world.processes.ofUser(uid)) world.processes.signal(pid, 'SIGKILL')
      for (let tries = 0; tries < 20 && world.processes.ofUser(uid).length > 0; tries++) await world.sleep(0.1)
      return world.processes.ofUser(uid).length === 0
    },
  }
}

async function uidOf(world: Parts<'files' | 'spawn' | 'syslog'>, user: LoginName): Promise<number | undefined> {
  const { code, stdout } = await world.spawn(['getent', 'passwd', user])
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
