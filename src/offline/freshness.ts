// How long an answer of the portal is cached, and how old a cached one is.

/**
 * Seconds to keep an answer that allows; undefined: not at all. The portal's own limit holds for an administrator who
 * keeps everything, too.
 */
export function secondsToKeep(administrator: number | undefined, portal: number | undefined): number | undefined {
  if (administrator === undefined) return portal
  return Math.min(administrator, portal ?? administrator)
}

/** A clock may be this much behind the one that wrote an entry. Seconds. */
const skew = 300

/**
 * Seconds since an entry was written. One from the future says that the clock was set back, so its age is unknown and
 * counts as endless.
 */
export const ageOf = (writtenAt: number, now: number): number =>
  writtenAt > now + skew ? Number.POSITIVE_INFINITY : Math.max(0, now - writtenAt)
