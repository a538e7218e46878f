// Whether a file is missing, before any module is loaded that could say so.

/**
 * Whether there is certainly no such file, or a link to none; in doubt, the reader will find out. chdir(2) asks
 * the kernel about a name, and leaves everything as it is where that is no directory. The runtime has no other call
 * that does, says what was wrong, and needs no module to be loaded. No path of ours is relative.
 */
export function isAbsent(path: string): boolean {
  try {
    process.chdir(path)
    return false
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ENOENT'
  }
}
