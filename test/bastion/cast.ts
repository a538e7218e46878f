// A portal that signs bastion tokens, a backend that believes it, and keys that live for one hop.
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { parseLoginName } from '../../src/base/names.ts'
import { type HopKey, makeCarrier, openHopKey } from '../../src/bastion/carrier.ts'
import type { IssuerKeys, PortalKey } from '../../src/bastion/keys-format.ts'
import type { HopPolicy } from '../../src/bastion/policy-format.ts'
import { type PublicKey, parsePublicKey } from '../../src/ssh/wire.ts'

export const now = 1_790_000_000
export const alice = parseLoginName('alice')!
export const issuer = 'https://auth.example.com'

export const policy: HopPolicy = {
  issuers: [issuer],
  allowedBastions: ['bastion-01'],
  algorithms: ['RS256'],
  clockSkew: 60,
  names: ['web1', 'web1.example.com', '2001:db8::1'],
  groups: ['prod'],
  required: false,
  exempt: [],
  permits: ['pty'],
  sources: [],
  keysFile: '/var/lib/open-bastion/jwks.json',
  keysMaxAge: 604_800,
}

const pairs = {
  RS256: await generateKeyPair('RS256', { extractable: true }),
  PS256: await generateKeyPair('PS256', { extractable: true }),
  ES256: await generateKeyPair('ES256', { extractable: true }),
  EdDSA: await generateKeyPair('EdDSA', { extractable: true }),
  stranger: await generateKeyPair('RS256', { extractable: true }),
} as const
export type Signer = keyof typeof pairs

const publicKeys = await Promise.all(
  (['RS256', 'PS256', 'ES256', 'EdDSA'] as const).map(async (alg) => {
    const { kty, n, e, crv, x, y } = await exportJWK(pairs[alg].publicKey)
    const all = { kid: `kid-${alg}`, kty, n, e, crv, x, y, alg }
    return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as PortalKey
  }),
)

export const keys: readonly IssuerKeys[] = [{ issuer, fetchedAt: now - 100, keys: publicKeys }]

export const claims = {
  iss: issuer,
  sub: 'alice',
  aud: 'pam:bastion-backend',
  iat: now,
  exp: now + 300,
  jti: 'jti-1',
  bastion_id: 'bastion-01',
  bastion_group: 'bastions',
  bastion_ip: '192.0.2.10',
  target_host: 'web1',
  target_group: 'prod',
  user_groups: ['dev'],
} as const

export type Change = Readonly<Record<string, unknown>>

/** A token with these claims changed; undefined takes one away. */
export function token(change: Change = {}, by: Signer = 'RS256', header: Change = {}): Promise<string> {
  const alg = by === 'stranger' ? 'RS256' : by
  const whole = Object.fromEntries(Object.entries({ ...claims, ...change }).filter(([, value]) => value !== undefined))
  return new SignJWT(whole).setProtectedHeader({ alg, kid: `kid-${alg}`, ...header }).sign(pairs[by].privateKey)
}

let seeds = 0
export const newKey = (): Promise<HopKey> => openHopKey(new Uint8Array(32).fill(++seeds))

export async function carrier(text: string, key?: HopKey, user = 'alice'): Promise<PublicKey> {
  const blob = await makeCarrier(key ?? (await newKey()), { token: text, user, nonce: new Uint8Array(32) })
  const parsed = parsePublicKey(blob)
  if ('problem' in parsed) throw new Error(parsed.problem)
  return parsed
}
