// LLNGCACHE02: the introspection of one token of one user, sealed. The C implementation's file, but for
// its unsealed variant, which anybody could have written.
import { concat, decodeUtf8, equalBytes, hex, sha256, utf8 } from '../base/bytes.ts'
import { open, seal } from '../secrets/sealed-format.ts'

export type TokenEntry = {
  readonly user: string
  /** Epoch seconds. */
  readonly expiresAt: number
  readonly authorized: boolean
}

const magic = utf8('LLNGCACHE02')
export const tokenCacheSuffix = '.cache'
export const tokenCacheLimit = 4096
const longestUser = 1024

export const tokenCacheFileName = (token: string, user: string): string =>
  `${hex(sha256(`${token}:${user}`)).slice(0, 32)}${tokenCacheSuffix}`

export const formatTokenEntry = ({ expiresAt, authorized, user }: TokenEntry): string =>
  `${expiresAt} ${authorized ? 1 : 0} ${user}\n`

/** The entry, or undefined. */
export function parseTokenEntry(text: string): TokenEntry | undefined {
  const match = /^([1-9]\d{0,14}) ([01]) ([^\n\0]+)\n$/.exec(text)
  if (match === null) return undefined
  const [, expires, authorized, user] = match
  if (utf8(user!).length > longestUser) return undefined
  return { user: user!, expiresAt: Number(expires), authorized: authorized === '1' }
}

type Bytes = Uint8Array<ArrayBuffer>

export const sealTokenEntry = async (key: Uint8Array, entry: TokenEntry, iv: Uint8Array): Promise<Bytes> =>
  concat(utf8(`${entry.expiresAt}\n`), magic, await seal(key, utf8(formatTokenEntry(entry)), { iv }))

export type OpenedToken =
  | { readonly kind: 'entry'; readonly entry: TokenEntry }
  | { readonly kind: 'tampered' | 'unreadable'; readonly detail: string }

/** The entry in a file. Its first line says how long it lives, in the open, and the seal must say the same. */
export async function openTokenEntry(key: Uint8Array, file: Uint8Array): Promise<OpenedToken> {
  const end = file.subarray(0, 17).indexOf(0x0a)
  const expires = decodeUtf8(file.subarray(0, Math.max(end, 0))) ?? ''
  if (!/^[1-9]\d{0,14}$/.test(expires)) return { kind: 'unreadable', detail: 'its first line is not of a token cache' }
  const body = file.subarray(end + 1)
  if (!equalBytes(body.subarray(0, magic.length), magic)) {
    const plain = parseTokenEntry(decodeUtf8(body) ?? '')
    return plain
      ? { kind: 'tampered', detail: 'it is not sealed' }
      : { kind: 'unreadable', detail: 'it is of another version of the token cache' }
  }
  const plain = await open(key, body.subarray(magic.length))
  if (!plain) return { kind: 'tampered', detail: 'its seal is broken' }
  const entry = parseTokenEntry(decodeUtf8(plain) ?? '')
  if (!entry) return { kind: 'unreadable', detail: 'what it holds is no answer about a token' }
  if (String(entry.expiresAt) !== expires)
    return { kind: 'tampered', detail: 'its first line and what is sealed say different ends of its life' }
  return { kind: 'entry', entry }
}
