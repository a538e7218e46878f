// One file for each user with a session that began while the portal was unreachable: the epoch second it began
// (the C implementation's file). In /run, so it never outlives the sessions.
import { decodeUtf8 } from '../base/bytes.ts'
import { type LoginName, parseLoginName } from '../base/names.ts'
import { paths } from '../base/paths.ts'
import type { Parts } from '../base/world.ts'

export type OfflineSession = { readonly user: LoginName; readonly since: number }

export type OfflineSessions = {
  readonly mark: (user: LoginName) => void
  readonly clear: (user: LoginName) => void
  readonly list: () => readonly OfflineSession[]
}

export function openOfflineSessions(world: Parts<'now' | 'files'>): OfflineSessions {
  const fileOf = (user: LoginName): string => `${paths.offlineSessions}/${user}`
  const read = (name: string): OfflineSession | undefined => {
    const user = parseLoginName(name)
    const bytes = user && world.files.read(fileOf(user), 64)
    const since = Number(bytes && decodeUtf8(bytes)?.trim())
    return user && Number.isFinite(since) ? { user, since } : undefined
  }
  return {
    mark: (user) => {
      world.files.makeDirectory(paths.offlineSessions, 0o700)
      // The first one counts: it tells how long this user has not been seen by the portal.
      world.files.createExclusive(fileOf(user), `${Math.floor(world.now())}\n`, 0o600)
    },
    clear: (user) => void world.files.remove(fileOf(user)),
    list: () => (world.files.list(paths.offlineSessions) ?? []).flatMap((name) => read(name) ?? []),
  }
}
