// Which uid a name gets: the C implementation's candidates, so that both agree on a host where nothing collides.
import { utf8 } from '../base/bytes.ts'

/** Both ends belong to the range; candidates never reach `max` (as upstream), a portal uid may. */
export type UidRange = { readonly min: number; readonly max: number }

// 0–999 system; 61184–65519 systemd's dynamic users, 65534 nobody, 65535 the 16-bit -1 (systemd UIDS-GIDS.md); from
// 2³¹ negative somewhere.
export const isReservedUid = (uid: number): boolean =>
  uid < 1000 || (uid >= 61184 && uid <= 65519) || uid === 65534 || uid === 65535 || uid >= 2 ** 31

function djb2(name: string): number {
  let hash = 5381
  for (const byte of utf8(name)) hash = (Math.imul(hash, 33) + byte) >>> 0
  return hash
}

function candidate(hash: number, attempt: number, range: UidRange): number {
  return range.min + (((hash + attempt) >>> 0) % (range.max - range.min))
}

const isRange = (name: string, range: UidRange): boolean => name !== '' && range.min >= 1000 && range.min < range.max

/** The hundred uids that upstream would try, in its order, reserved ones included. */
export function uidCandidates(name: string, range: UidRange): readonly number[] {
  if (!isRange(name, range)) return []
  const hash = djb2(name)
  return Array.from({ length: 100 }, (_, attempt) => candidate(hash, attempt, range))
}

/**
 * The first candidate that is neither reserved nor taken. Where upstream gives up after a hundred, this one goes once
 * round the range: a reserved block is wider than that.
 */
export function firstFreeUid(name: string, range: UidRange, taken: (uid: number) => boolean): number | undefined {
  if (!isRange(name, range)) return undefined
  const hash = djb2(name)
  const span = range.max - range.min
  for (let attempt = 0; attempt < span; attempt++) {
    const uid = candidate(hash, attempt, range)
    if (!isReservedUid(uid) && !taken(uid)) return uid
  }
  return undefined
}

/** A uid that the portal sent: an integer or its decimal text, inside the range and not reserved. */
export function parsePortalUid(value: unknown, range: UidRange): number | undefined {
  const uid = typeof value === 'string' && /^[1-9][0-9]{0,9}$/.test(value) ? Number(value) : value
  if (typeof uid !== 'number' || !Number.isInteger(uid)) return undefined
  return uid >= range.min && uid <= range.max && !isReservedUid(uid) ? uid : undefined
}
