// Rate limits: how often a caller may ask, and how many questions at once.
import type { Parts } from './world.ts'

type BucketRules = { readonly burst: number; readonly rate: number; readonly most: number }

/** Token buckets, one a key; their number is bounded. */
export function buckets(world: Parts<'now'>, { burst, rate, most }: BucketRules) {
  const levels = new Map<string, { left: number; at: number }>()
  return {
    take: (key: string): boolean => {
      const now = world.now()
      const level = levels.get(key) ?? { left: burst, at: now }
      level.left = Math.min(burst, level.left + Math.max(0, now - level.at) * rate)
      level.at = now
      if (levels.size >= most && !levels.has(key)) {
        const oldest = levels.keys().next().value
        if (oldest !== undefined) levels.delete(oldest)
      }
      levels.set(key, level)
      if (level.left < 1) return false
      level.left--
      return true
    },
  }
}

/** How many questions each uid has under way; a uid without any takes no room. */
export function counter() {
  const counts = new Map<number, number>()
  return {
    of: (uid: number): number => counts.get(uid) ?? 0,
    add: (uid: number): void => void counts.set(uid, (counts.get(uid) ?? 0) + 1),
    remove: (uid: number): void => {
      const left = (counts.get(uid) ?? 1) - 1
      if (left > 0) counts.set(uid, left)
      else counts.delete(uid)
    },
  }
}
