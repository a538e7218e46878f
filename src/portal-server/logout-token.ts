// OpenID Connect Back-Channel Logout 1.0 §2.6: whether a logout token is one, and whom it ends.
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose'
import type { Database } from '../base/database.ts'
import type { JsonObject } from '../base/json.ts'
import { algorithms } from './oidc.ts'
import { hashOf } from './tokens.ts'

export type Logout = {
  readonly issuer: string
  readonly subject: string | undefined
  readonly sid: string | undefined
}

export type LogoutRules = {
  readonly issuer: string
  readonly clientId: string
  readonly jwks: JsonObject
  readonly now: number
}

const event = 'http://schemas.openid.net/event/backchannel-logout'
/** A token is short-lived; one that was used is remembered for longer than it counts. */
const longestAge = 300
const rememberSeconds = 900

export async function verifyLogoutToken(
  database: Database,
  token: string,
  { issuer, clientId, jwks, now }: LogoutRules,
): Promise<Logout | undefined> {
  const claims = await verified(token, { issuer, clientId, jwks, now })
  if (claims === undefined) return undefined
  const { events, sub, sid, jti, nonce } = claims
  if (nonce !== undefined || typeof jti !== 'string' || jti === '') return undefined
  if (typeof events !== 'object' || events === null || !Object.hasOwn(events, event)) return undefined
  const subject = typeof sub === 'string' && sub !== '' ? sub : undefined
  const session = typeof sid === 'string' && sid !== '' ? sid : undefined
  if (subject === undefined && session === undefined) return undefined
  const rows = await database.query(
    'INSERT INTO used_ids (id_hash, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING id_hash',
    [hashOf(JSON.stringify([issuer, jti])), Math.floor(now) + rememberSeconds],
  )
  return rows.length > 0 ? { issuer, subject, sid: session } : undefined
}

async function verified(token: string, { issuer, clientId, jwks, now }: LogoutRules) {
  try {
    // jwtVerify refuses what is no key set.
    const keys = createLocalJWKSet(jwks as unknown as JSONWebKeySet)
    const { payload } = await jwtVerify(token, keys, {
      ...{ issuer, audience: clientId, algorithms, maxTokenAge: longestAge, clockTolerance: 60 },
      currentDate: new Date(now * 1000),
      requiredClaims: ['iat', 'jti', 'events'],
    })
    return payload as Readonly<Record<string, unknown>>
  } catch {
    // Whatever is wrong with it, it ends nothing.
    return undefined
  }
}
