// LLNGCACHE04: what the portal allowed a user on this host, sealed. The C implementation's file, byte for byte:
// a line with the end of its life and a MAC over it, then the magic and the sealed JSON.
import { concat, decodeUtf8, equalBytes, hex, hmacSha256, sha256, utf8 } from '../base/bytes.ts'
import {
  flagMember,
  formatJsonC,
  type JsonObject,
  parseJsonObject,
  textMember,
  textsMember,
  wholeMember,
} from '../base/json.ts'
import { type Fingerprint, parseFingerprint } from '../base/names.ts'
import { open, seal } from '../secrets/sealed-format.ts'

export type AuthEntry = {
  readonly user: string
  /** Epoch seconds. */
  readonly expiresAt: number
  readonly authorized: boolean
  readonly sudoAllowed: boolean
  readonly sudoNopasswd: boolean
  readonly groups: readonly string[]
  readonly managedGroups: readonly string[]
  readonly gecos: string
  readonly shell: string
  readonly home: string
  /** Epoch seconds; absent in entries of the C implementation, which skips the member. */
  readonly createdAt?: number
  /** Keys the portal accepted, and until when that counts; likewise. */
  readonly fingerprints?: ReadonlyMap<Fingerprint, number>
}

export type AuthCacheName = { readonly user: string; readonly host: string; readonly group: string }

const magic = utf8('LLNGCACHE04')
const version = 4
export const authCacheSuffix = '.authcache'
export const authCacheLimit = 256 * 1024

export const authCacheFileName = ({ user, host, group }: AuthCacheName): string =>
  `${hex(sha256(`auth:${user}:${group}:${host}`)).slice(0, 32)}${authCacheSuffix}`

export function formatAuthEntry(entry: AuthEntry): string {
  const { groups, managedGroups, gecos, shell, home, createdAt, fingerprints } = entry
  return formatJsonC({
    v: version,
    expires_at: entry.expiresAt,
    user: entry.user,
    authorized: entry.authorized,
    sudo_allowed: entry.sudoAllowed,
    sudo_nopasswd: entry.sudoNopasswd,
    ...(groups.length > 0 ? { groups } : {}),
    ...(managedGroups.length > 0 ? { managed_groups: managedGroups } : {}),
    ...(gecos === '' ? {} : { gecos }),
    ...(shell === '' ? {} : { shell }),
    ...(home === '' ? {} : { home }),
    ...(createdAt === undefined ? {} : { created_at: createdAt }),
    ...(fingerprints === undefined ? {} : { fingerprints: Object.fromEntries(fingerprints) }),
  })
}

/** The entry, or undefined. An absent permission is none. */
export function parseAuthEntry(text: string): AuthEntry | undefined {
  const object = parseJsonObject(text)
  if (!object || wholeMember(object, 'v') !== version) return undefined
  const [user, expiresAt] = [textMember(object, 'user'), wholeMember(object, 'expires_at')]
  if (user === undefined || expiresAt === undefined) return undefined
  const createdAt = wholeMember(object, 'created_at')
  const fingerprints = readFingerprints(object)
  return {
    user,
    expiresAt,
    authorized: flagMember(object, 'authorized') === true,
    sudoAllowed: flagMember(object, 'sudo_allowed') === true,
    sudoNopasswd: flagMember(object, 'sudo_nopasswd') === true,
    groups: textsMember(object, 'groups') ?? [],
    managedGroups: textsMember(object, 'managed_groups') ?? [],
    gecos: textMember(object, 'gecos') ?? '',
    shell: textMember(object, 'shell') ?? '',
    home: textMember(object, 'home') ?? '',
    ...(createdAt === undefined ? {} : { createdAt }),
    ...(fingerprints === undefined ? {} : { fingerprints }),
  }
}

function readFingerprints(object: JsonObject): ReadonlyMap<Fingerprint, number> | undefined {
  const value = Object.hasOwn(object, 'fingerprints') ? object['fingerprints'] : undefined
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const list = value as JsonObject // neither null nor a list
  const read = new Map<Fingerprint, number>()
  for (const name of Object.keys(list)) {
    const [fingerprint, until] = [parseFingerprint(name), wholeMember(list, name)]
    if (fingerprint !== undefined && until !== undefined) read.set(fingerprint, until)
  }
  return read
}

type Bytes = Uint8Array<ArrayBuffer>

const mac = (key: Uint8Array, expires: string): Bytes => hmacSha256(key, expires)

/** The whole file; the IV is 12 random bytes, never used before with this key. */
export async function sealAuthEntry(key: Uint8Array, entry: AuthEntry, iv: Uint8Array): Promise<Bytes> {
  const expires = String(entry.expiresAt)
  const header = `${expires} ${hex(mac(key, expires))}\n`
  return concat(utf8(header), magic, await seal(key, utf8(formatAuthEntry(entry)), { iv }))
}

export type OpenedHeader =
  | { readonly kind: 'header'; readonly expiresAt: number; readonly body: Uint8Array }
  | { readonly kind: 'tampered' | 'unreadable'; readonly detail: string }

/** The first line; what comes after it is opened only while it lives. */
export function openAuthHeader(key: Uint8Array, file: Uint8Array): OpenedHeader {
  const end = file.subarray(0, 96).indexOf(0x0a)
  const match = /^([1-9]\d{0,14}) ([0-9a-f]{64})$/.exec(decodeUtf8(file.subarray(0, Math.max(end, 0))) ?? '')
  if (match === null) return { kind: 'unreadable', detail: 'its first line is not of an authorization cache' }
  const [, expires, code] = match
  if (!equalBytes(Uint8Array.fromHex(code!), mac(key, expires!)))
    return { kind: 'tampered', detail: 'the MAC of its first line is wrong, or the machine-id or the salt changed' }
  return { kind: 'header', expiresAt: Number(expires), body: file.subarray(end + 1) }
}

export type OpenedEntry =
  | { readonly kind: 'entry'; readonly entry: AuthEntry }
  | { readonly kind: 'tampered' | 'unreadable'; readonly detail: string }

/** The sealed part behind the header; it must name the same end of life. */
export async function openAuthBody(key: Uint8Array, body: Uint8Array, expiresAt: number): Promise<OpenedEntry> {
  if (!equalBytes(body.subarray(0, magic.length), magic))
    return { kind: 'unreadable', detail: 'it is of another version of the authorization cache' }
  const plain = await open(key, body.subarray(magic.length))
  if (!plain) return { kind: 'tampered', detail: 'its seal is broken' }
  const entry = parseAuthEntry(decodeUtf8(plain) ?? '')
  if (!entry) return { kind: 'unreadable', detail: 'what it holds is not an authorization' }
  if (entry.expiresAt !== expiresAt)
    return { kind: 'tampered', detail: 'its first line and what is sealed say different ends of its life' }
  return { kind: 'entry', entry }
}
