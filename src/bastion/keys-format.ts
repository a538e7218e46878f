// Public keys of portals (JWKS, RFC 7517): what a portal answers, and the file in which this host keeps them. A key
// that may not sign bastion tokens is not kept, so nobody can choose it later.
import { base64url } from '../base/bytes.ts'
import { type Json, type JsonObject, parseJsonObject, textMember, wholeMember } from '../base/json.ts'
import type { Problem } from '../ssh/wire.ts'

/** The public members of one key, and nothing else of it. */
export type PortalKey = { readonly kid: string; readonly kty: string } & Readonly<Record<string, string>>

export type IssuerKeys = {
  readonly issuer: string
  /** Epoch seconds. */
  readonly fetchedAt: number
  readonly keys: readonly PortalKey[]
}

const mostKeys = 16
const leastRsaBits = 2048

const bytesOf = (text: string | undefined): Uint8Array | undefined => {
  if (text === undefined || !/^[A-Za-z0-9_-]+$/.test(text) || text.length % 4 === 1) return undefined
  const bytes = Uint8Array.fromBase64(text, { alphabet: 'base64url' })
  return base64url(bytes) === text ? bytes : undefined
}

function isStrongRsa(key: JsonObject): boolean {
  const modulus = bytesOf(textMember(key, 'n'))
  const exponent = bytesOf(textMember(key, 'e'))
  if (!modulus || !exponent || modulus[0] === 0 || exponent.length > 8) return false
  const bits = modulus.length * 8 - Math.clz32(modulus[0]!) + 24
  const isOdd = ((exponent.at(-1) ?? 0) & 1) === 1
  return bits >= leastRsaBits && bits <= 16_384 && isOdd && !(exponent.length === 1 && exponent[0]! < 3)
}

const hasLength = (key: JsonObject, name: string, length: number): boolean =>
  bytesOf(textMember(key, name))?.length === length

/** The members that make a key of this kind; undefined for a kind, curve or size that is not taken. */
function membersOf(key: JsonObject): readonly string[] | undefined {
  switch (textMember(key, 'kty')) {
    case 'RSA':
      return isStrongRsa(key) ? ['n', 'e'] : undefined
    case 'EC':
      return key['crv'] === 'P-256' && hasLength(key, 'x', 32) && hasLength(key, 'y', 32)
        ? ['crv', 'x', 'y']
        : undefined
    case 'OKP':
      return key['crv'] === 'Ed25519' && hasLength(key, 'x', 32) ? ['crv', 'x'] : undefined
    default:
      return undefined
  }
}

function readKey(value: Json): PortalKey | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const key = value as JsonObject
  const kid = textMember(key, 'kid')
  if (key['use'] !== 'sig' || kid === undefined || !/^[\x21-\x7e]{1,255}$/.test(kid)) return undefined
  // A private key that was published is everybody's; a symmetric one verifies nothing.
  if (['d', 'p', 'q', 'k'].some((name) => Object.hasOwn(key, name))) return undefined
  const members = membersOf(key)
  if (!members) return undefined
  const alg = textMember(key, 'alg')
  const kty = textMember(key, 'kty') ?? ''
  const rest = Object.fromEntries(members.map((name) => [name, textMember(key, name) ?? '']))
  return { kid, kty, ...rest, ...(alg === undefined ? {} : { alg }) }
}

function readKeys(list: unknown): readonly PortalKey[] | Problem {
  if (!Array.isArray(list)) return { problem: 'it has no list of keys' }
  const keys = (list as readonly Json[]).flatMap((value) => readKey(value) ?? [])
  if (keys.length > mostKeys) return { problem: `it has more than ${mostKeys} keys` }
  if (new Set(keys.map(({ kid }) => kid)).size !== keys.length) return { problem: 'two of its keys have one key ID' }
  return keys
}

/** The keys of a portal's answer that may sign bastion tokens. An answer without any is no answer. */
export function parseKeySet(text: string): readonly PortalKey[] | Problem {
  const object = parseJsonObject(text)
  const keys = readKeys(object?.['keys'])
  if ('problem' in keys) return keys
  return keys.length > 0 ? keys : { problem: 'none of its keys is for signatures (use: sig) and of a type taken here' }
}

export const formatKeysFile = (sets: readonly IssuerKeys[]): string => `${JSON.stringify({ version: 1, sets })}\n`

/** What is kept; an entry that is not whole is left out. */
export function parseKeysFile(text: string): readonly IssuerKeys[] {
  const object = parseJsonObject(text)
  const sets = object?.['version'] === 1 ? object['sets'] : undefined
  if (!Array.isArray(sets)) return []
  return (sets as readonly Json[]).flatMap((value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return []
    const set = value as JsonObject
    const issuer = textMember(set, 'issuer')
    const fetchedAt = wholeMember(set, 'fetchedAt')
    // `use` is not kept: it was checked on the way in.
    const listed = Array.isArray(set['keys']) ? (set['keys'] as readonly JsonObject[]) : []
    const keys = readKeys(listed.map((key) => ({ ...key, use: 'sig' })))
    return issuer === undefined || fetchedAt === undefined || 'problem' in keys ? [] : [{ issuer, fetchedAt, keys }]
  })
}

/**
 * Where the keys of an issuer are, as its own description says it (OpenID Connect Discovery 1.0 §3, jwks_uri).
 * Undefined when it says nothing usable, or names another origin: whoever writes it must not send us elsewhere.
 */
export function parseKeysAddress(text: string, issuer: string): string | undefined {
  const object = parseJsonObject(text)
  const address = object && textMember(object, 'jwks_uri')
  if (address === undefined || !/^https:[!-~]{1,512}$/.test(address) || !URL.canParse(address)) return undefined
  const { origin, username, password, hash, href } = new URL(address)
  if (username !== '' || password !== '' || hash !== '' || origin !== new URL(issuer).origin) return undefined
  return href
}
