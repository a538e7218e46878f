// A bastion token: a JWS in compact form (RFC 7515 §7.1) with the claims that LemonLDAP::NG puts into it. Reading it
// proves nothing; token.ts verifies the signature.
import { base64url, decodeUtf8 } from '../base/bytes.ts'
import { type JsonObject, parseJsonObject, textMember } from '../base/json.ts'
import type { Problem } from '../ssh/wire.ts'

export type TokenParts = {
  readonly text: string
  readonly algorithm: string
  readonly keyId: string
  /** Not believed before the signature is verified. */
  readonly payload: JsonObject
}

export type BastionClaims = {
  readonly issuer: string
  readonly user: string
  readonly audience: string
  /** Epoch seconds. */
  readonly issuedAt: number
  readonly notBefore: number | undefined
  readonly expiresAt: number
  readonly id: string
  readonly bastion: string
  readonly targetHost: string
  readonly targetGroup: string
  /** Which key may use it (RFC 7800), when the issuer says so. */
  readonly confirmation: Confirmation | undefined
}

/** `jkt`: the key's thumbprint (RFC 7638). `kid`: its fingerprint, as ssh-keygen prints it. */
export type Confirmation = { readonly jkt: string } | { readonly kid: string }

export const tokenLimits = { token: 8192, header: 1024, payload: 4096 } as const

/** Base64url without padding, in its only form: a second spelling of the same bytes is refused. */
function decodePart(text: string): string | undefined {
  if (!/^[A-Za-z0-9_-]+$/.test(text) || text.length % 4 === 1) return undefined
  const bytes = Uint8Array.fromBase64(text, { alphabet: 'base64url' })
  return base64url(bytes) === text ? decodeUtf8(bytes) : undefined
}

const isCanonical = (text: string): boolean =>
  /^[A-Za-z0-9_-]+$/.test(text) &&
  text.length % 4 !== 1 &&
  base64url(Uint8Array.fromBase64(text, { alphabet: 'base64url' })) === text

/** The parts of a token of the right size and shape. */
export function parseToken(text: string): TokenParts | Problem {
  if (text.length > tokenLimits.token) return { problem: 'longer than 8192 characters' }
  const [header = '', payload = '', signature = '', ...more] = text.split('.')
  if (more.length > 0 || !isCanonical(signature)) return { problem: 'not three parts of base64url' }
  if (header.length > tokenLimits.header || payload.length > tokenLimits.payload)
    return { problem: 'its header or payload is too long' }
  const head = parseJsonObject(decodePart(header) ?? '')
  if (!head) return { problem: 'its header is no JSON object' }
  const algorithm = textMember(head, 'alg')
  if (algorithm === undefined) return { problem: 'its header names no algorithm' }
  // Nothing here needs an extension, and one that must be understood is not (RFC 7515 §4.1.11).
  if ('crit' in head || 'b64' in head) return { problem: 'its header asks for extensions' }
  const body = parseJsonObject(decodePart(payload) ?? '')
  if (!body) return { problem: 'its payload is no JSON object' }
  return { text, algorithm, keyId: textMember(head, 'kid') ?? '', payload: body }
}

const word = /^[\x21-\x7e]{1,255}$/

const wordMember = (object: JsonObject, name: string): string | undefined => {
  const text = textMember(object, name)
  return text !== undefined && word.test(text) ? text : undefined
}

// 10^11 seconds: nobody's clock, and far below where numbers lose seconds.
const instantMember = (object: JsonObject, name: string): number | undefined => {
  const value = Object.hasOwn(object, name) ? object[name] : undefined
  return typeof value === 'number' && Number.isInteger(value) && value > 0 && value < 1e11 ? value : undefined
}

function parseConfirmation(payload: JsonObject): Confirmation | undefined | 'unreadable' {
  if (!Object.hasOwn(payload, 'cnf')) return undefined
  const value = payload['cnf']
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'unreadable'
  const names = Object.keys(value)
  // Only ways that can be checked: with another beside them, half of what the issuer wants would go unchecked.
  const [name] = names
  const text = name === undefined ? undefined : wordMember(value as JsonObject, name)
  if (names.length !== 1 || text === undefined) return 'unreadable'
  if (name === 'jkt') return { jkt: text }
  return name === 'kid' ? { kid: text } : 'unreadable'
}

/** The claims, or undefined when one is missing or of another type. */
export function parseClaims(payload: JsonObject): BastionClaims | undefined {
  const issuer = wordMember(payload, 'iss')
  const user = wordMember(payload, 'sub')
  const id = wordMember(payload, 'jti')
  const bastion = wordMember(payload, 'bastion_id')
  const targetHost = wordMember(payload, 'target_host')
  const targetGroup = wordMember(payload, 'target_group')
  const expiresAt = instantMember(payload, 'exp')
  const issuedAt = instantMember(payload, 'iat')
  const notBefore = instantMember(payload, 'nbf')
  const confirmation = parseConfirmation(payload)
  if (!issuer || !user || !id || !bastion || !targetHost || !targetGroup || !expiresAt || !issuedAt) return undefined
  if (Object.hasOwn(payload, 'nbf') && notBefore === undefined) return undefined
  if (confirmation === 'unreadable') return undefined
  // RFC 7519 allows a list; this issuer sends a text, and a list would mean that it is meant for others too.
  const audience = textMember(payload, 'aud') ?? ''
  const instants = { issuedAt, notBefore, expiresAt }
  return { issuer, user, audience, id, bastion, targetHost, targetGroup, ...instants, confirmation }
}
