// Whether the portal refused this host and has not accepted it since. While that is so nothing cached counts, so it is
// on the disk and survives a reboot; where the disk is full or read-only, /run must do.
import { decodeUtf8 } from '../base/bytes.ts'
import { Fault, orElse } from '../base/fault.ts'
import { paths } from '../base/paths.ts'
import type { Parts } from '../base/world.ts'

const marks = [paths.hostRefused, paths.hostRefusedNow] as const

export const isHostRefused = (world: Parts<'files'>): boolean =>
  marks.some((path) => world.files.stat(path) !== undefined)

/** What the portal said when it refused this host; undefined when it did not, or accepted it since. */
export function refusalOfHost(world: Parts<'files'>): string | undefined {
  const path = marks.find((mark) => world.files.stat(mark) !== undefined)
  if (path === undefined) return undefined
  return orElse(
    () => decodeUtf8(world.files.readTrusted(path, { limit: 4096, secret: true }) ?? new Uint8Array())?.trim() ?? '',
    () => '',
  )
}

/** The portal accepts this host. */
export function noteAccepted(world: Parts<'files' | 'syslog'>): void {
  for (const path of marks) {
    if (world.files.stat(path) === undefined) continue
    // A mark that cannot be removed keeps the caches closed, and that is logged.
    attempt(world, () => world.files.remove(path))
  }
}

/** The plugin refuses the credentials of this host. */
export function noteRefused(world: Parts<'files' | 'syslog'>, detail: string): void {
  if (isHostRefused(world)) return
  const isKept = attempt(world, () => {
    world.files.makeDirectory(paths.state, 0o711)
    world.files.writeAtomic(paths.hostRefused, `${detail}\n`, { mode: 0o600 })
  })
  if (isKept) return
  attempt(world, () => {
    world.files.makeDirectory(paths.run, 0o755)
    world.files.writeAtomic(paths.hostRefusedNow, `${detail}\n`, { mode: 0o600 })
  })
}

function attempt(world: Parts<'syslog'>, work: () => unknown): boolean {
  try {
    work()
    return true
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    world.syslog('err', error.message)
    return false
  }
}
