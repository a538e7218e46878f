// Uids that NSS gave sshd for users who log in for the first time. sshd looks a name up once, so the session runs
// with that uid or not at all. Empty files in /run (UID.PID.NAME), because the service that made the promise may be
// killed between the lookup and the session.
import { parseLoginName } from '../base/names.ts'
import { paths } from '../base/paths.ts'
import type { Parts } from '../base/world.ts'

export type UidReservation = { readonly uid: number; readonly name: string; readonly connection: number }

/** Every promise, or undefined when no service has run since the last boot. */
export function readReservations(world: Parts<'files'>): readonly UidReservation[] | undefined {
  return world.files.list(paths.uidReservations)?.flatMap((file) => {
    const [, uid, connection, name = ''] = /^(\d+)\.(\d+)\.(.+)$/.exec(file) ?? []
    return parseLoginName(name) ? [{ uid: Number(uid), name, connection: Number(connection) }] : []
  })
}

/** Whether this name is a user here only because sshd got an entry for it: the registry has no account of it. */
export async function isOnlyReserved(world: Parts<'files'>, name: string): Promise<boolean> {
  if (!readReservations(world)?.some((one) => one.name === name)) return false
  const { openRegistry } = await import('./registry.ts')
  return openRegistry(world).view((view) => view.user(name))?.state !== 'active'
}

export const reservationPath = ({ uid, name, connection }: UidReservation): string =>
  `${paths.uidReservations}/${uid}.${connection}.${name}`

/** Whom each promised uid was promised to. */
export const holders = (promises: readonly UidReservation[]): ReadonlyMap<number, string> =>
  new Map(promises.map(({ uid, name }) => [uid, name]))

/** The process that every phase of this connection descends from, and that asked NSS (ancestry.ts). */
export const connectionOf = (seed: string): number => Number(seed.split(' ')[1])
