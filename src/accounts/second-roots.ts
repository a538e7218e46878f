// Other names of root. They are root to the kernel and to PAM's modules, and strangers to sshd's "Match User root".
import { decodeBytewise, decodeUtf8 } from '../base/bytes.ts'
import type { LoginName } from '../base/names.ts'
import type { Files } from '../base/world.ts'

/** The names with uid 0 in this text of passwd(5), without root. */
export const secondRoots = (passwd: string): readonly string[] =>
  passwd.split('\n').flatMap((line) => {
    const [name = '', , uid = ''] = line.trimStart().split(':')
    return /^\s*[+-]?0+$/.test(uid) && name !== 'root' ? [name] : []
  })

/**
 * Nobody vouches for such a name: whoever has its key is root, and no portal was asked. sshd asks for every offered
 * key, so the text is searched and not parsed.
 */
export function isSecondRoot({ files }: { readonly files: Pick<Files, 'read'> }, user: LoginName): boolean {
  if (user === 'root') return false
  const bytes = files.read('/etc/passwd', 64 << 20) ?? new Uint8Array()
  const text = decodeUtf8(bytes) ?? decodeBytewise(bytes)
  if (!text.includes(`${user}:`)) return false
  // The C library skips blanks before a line.
  const line = new RegExp(`(?:^|\\n)[ \\t\\v\\f\\r]*${user.replaceAll('.', '\\.')}:[^:\\n]*:([^:\\n]*)`)
  const [, uid] = line.exec(text) ?? []
  return uid !== undefined && Number(uid) === 0
}
