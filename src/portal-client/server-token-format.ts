// The server token file: JSON as enroll and heartbeat write it, or the old plain form whose first line is the token.
import { Secret } from '../base/secret.ts'

export type TokenFile = {
  readonly accessToken: Secret
  readonly refreshToken?: Secret
  /** Epoch seconds. */
  readonly expiresAt?: number
  readonly enrolledAt?: number
  /** When the portal last renewed the access token; the C implementation keeps no such member. */
  readonly renewedAt?: number
  /** Members this version does not know; written back as they were. */
  readonly more?: Readonly<Record<string, unknown>>
}
export type TokenFileProblem = { readonly problem: string }

const known = ['access_token', 'refresh_token', 'expires_at', 'enrolled_at', 'renewed_at']

// RFC 6750 §2.1 allows less; what matters is that it cannot leave its header.
const isToken = (value: unknown): value is string => typeof value === 'string' && /^[\x21-\x7e]{1,8191}$/.test(value)

const isInstant = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0

function parsePlain(text: string): TokenFile | TokenFileProblem {
  const line = text.split('\n', 1)[0]!.trim()
  if (line === '') return { problem: 'the token file is empty; enroll this host' }
  return isToken(line)
    ? { accessToken: new Secret(line) }
    : { problem: 'the first line is not a token; enroll this host again' }
}

function parseJson(text: string): Record<string, unknown> | undefined {
  try {
    // Text that begins with a brace is an object when it parses at all.
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    return undefined
  }
}

/** The tokens, or what is wrong with the file; the problem never quotes it. */
export function parseTokenFile(text: string): TokenFile | TokenFileProblem {
  if (!text.trimStart().startsWith('{')) return parsePlain(text)
  const members = parseJson(text)
  if (members === undefined) return { problem: 'the token file is not valid JSON; enroll this host again' }
  const { access_token, refresh_token = '', expires_at, enrolled_at, renewed_at } = members
  if (!isToken(access_token)) return { problem: 'access_token is missing or not a token; enroll this host again' }
  if (refresh_token !== '' && !isToken(refresh_token)) return { problem: 'refresh_token is not a token' }
  if (expires_at !== undefined && !isInstant(expires_at)) return { problem: 'expires_at is not in epoch seconds' }
  if (enrolled_at !== undefined && !isInstant(enrolled_at)) return { problem: 'enrolled_at is not in epoch seconds' }
  const strangers = Object.entries(members).filter(([key]) => !known.includes(key))
  return {
    accessToken: new Secret(access_token),
    ...(refresh_token === '' ? {} : { refreshToken: new Secret(refresh_token) }),
    ...(expires_at === undefined ? {} : { expiresAt: expires_at }),
    ...(enrolled_at === undefined ? {} : { enrolledAt: enrolled_at }),
    // Only shown, never used in a decision: an error in it refuses no login.
    ...(isInstant(renewed_at) ? { renewedAt: renewed_at } : {}),
    ...(strangers.length === 0 ? {} : { more: Object.fromEntries(strangers) }),
  }
}

/** The JSON form; an absent refresh token is written as "", as upstream does. */
export function formatTokenFile(tokens: TokenFile): string {
  const members = {
    access_token: tokens.accessToken.expose(),
    refresh_token: tokens.refreshToken?.expose() ?? '',
    ...(tokens.expiresAt === undefined ? {} : { expires_at: Math.floor(tokens.expiresAt) }),
    ...(tokens.enrolledAt === undefined ? {} : { enrolled_at: Math.floor(tokens.enrolledAt) }),
    ...(tokens.renewedAt === undefined ? {} : { renewed_at: Math.floor(tokens.renewedAt) }),
    ...(tokens.more ?? {}),
  }
  return `${JSON.stringify(members, null, 2)}\n`
}
