// The shells, homes and gecos that a portal may name. All of them end up in passwd(5), so the rules are narrow.

import { utf8 } from '../base/bytes.ts'
import { printable } from '../base/text.ts'

export const defaultShells: readonly string[] = ['bash', 'sh', 'zsh', 'dash', 'fish'].flatMap((name) => [
  `/bin/${name}`,
  `/usr/bin/${name}`,
])

export const defaultHomePrefixes: readonly string[] = ['/home', '/var/home']

// 255 bytes: the smallest buffer on the way (NSS of the C implementation). A last slash is refused because
// lstat(2) of `link/` follows the link.
const isCleanPath = (path: string): boolean =>
  path.length < 256 && /^(\/[A-Za-z0-9_-][A-Za-z0-9_.-]*)+$/.test(path) && !path.includes('..')

/** An approved shell, by exact name; a list entry that is no clean path approves nothing. */
export const validShell = (shell: string, approved: readonly string[]): boolean =>
  isCleanPath(shell) && approved.includes(shell)

/** A home below one of the prefixes, never a prefix itself. */
export const validHome = (home: string, prefixes: readonly string[]): boolean =>
  isCleanPath(home) &&
  prefixes.some((prefix) => {
    const parent = prefix.replace(/\/+$/, '')
    return isCleanPath(parent) && home.startsWith(`${parent}/`)
  })

/** A gecos that cannot break a line, a terminal or a log: at most 256 bytes of UTF-8, whole characters. */
export function sanitizeGecos(text: string): string {
  const plain = printable(text.toWellFormed(), ' ').replaceAll(':', ' ')
  if (utf8(plain).length <= 256) return plain
  let length = 0
  let kept = ''
  for (const character of plain) {
    length += utf8(character).length
    if (length > 256) break
    kept += character
  }
  return kept
}
