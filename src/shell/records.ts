// The records of proven connections, in a directory that only root reads. A record is named after the privileged sshd
// process of its connection (boot, process id, start time), is good for seconds, and can be taken once.
import { olderThan, sweep } from '../base/expire-files.ts'
import type { LoginName } from '../base/names.ts'
import { paths } from '../base/paths.ts'
import type { Parts } from '../base/world.ts'
import { formatProvenRecord, type ProvenRecord, parseProvenRecord } from './record-format.ts'

/** sshd starts the program of a session as soon as the client asks, which clients do at once. Seconds. */
export const recordSeconds = 30

export type TakenRecord =
  | { readonly kind: 'record'; readonly record: ProvenRecord }
  | { readonly kind: 'none' | 'expired' | 'of-another-account' }

const fileOf = (connection: string): string => `${paths.proven}/${connection}.json`

/** Leaves the record of this connection. */
export function leaveRecord(world: Parts<'files' | 'now'>, record: ProvenRecord): void {
  world.files.makeDirectory(paths.proven, 0o700)
  // Not every connection asks for a session, and /run is memory.
  sweep(world, paths.proven, olderThan(world, recordSeconds))
  world.files.writeAtomic(fileOf(record.connection), formatProvenRecord(record), { mode: 0o600 })
}

/** Takes the record of this connection away. Of several processes that try, one gets it. */
export function takeRecord(
  world: Parts<'files' | 'now'>,
  connection: string,
  caller: LoginName | undefined,
): TakenRecord {
  const path = fileOf(connection)
  const bytes = world.files.readTrusted(path, { limit: 1 << 18, secret: true })
  const record = bytes && parseProvenRecord(bytes)
  if (!record || record.connection !== connection) return { kind: 'none' }
  if (record.account !== caller) return { kind: 'of-another-account' }
  if (!world.files.remove(path)) return { kind: 'none' }
  return Math.abs(world.now() - record.writtenAt) > recordSeconds ? { kind: 'expired' } : { kind: 'record', record }
}
