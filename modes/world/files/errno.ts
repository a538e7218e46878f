// The message for the administrator when a file operation fails.
import { Fault } from '../../../src/base/fault.ts'

export const causes: Record<string, string> = {
  ENOSPC: 'there is no space left on this file system; free some',
  EDQUOT: 'the disk quota is used up; raise it',
  EROFS: 'the file system is mounted read-only; remount it read-write',
  EACCES: 'permission denied; run this as root',
  EPERM: 'permission denied; run this as root',
  ELOOP: 'it is a symbolic link; replace it by a regular file',
  EISDIR: 'it is a directory',
  ENXIO: 'it is not a regular file',
  EMFILE: 'too many open files',
  EIO: 'the disk reports an error; check the kernel log',
}

/** Runs a file operation: absent gives undefined, everything else a Fault with cause and remedy. */
export function attempt<T>(verb: string, path: string, work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    if (error instanceof Fault) throw error
    const code = codeOf(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new Fault(`cannot ${verb} ${path}: ${causes[code] ?? code}`)
  }
}

/** As attempt, where an absent directory is a failure too. */
export function insist<T>(verb: string, path: string, work: () => T): T {
  const result = attempt(verb, path, () => ({ value: work() }))
  if (!result) throw new Fault(`cannot ${verb} ${path}: a directory on the way does not exist, or is a link or file`)
  return result.value
}

export const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown error'
