// Verifies a bastion token and the certificate that carries it, without the network: jose checks the signature with the
// cached keys of the portal, the policies beside it judge the rest. Each step has a reason of its own.
import { compactVerify } from 'jose/jws/compact/verify'
import { importJWK } from 'jose/key/import'
import type { LoginName } from '../base/names.ts'
import type { Reason } from '../base/reason.ts'
import type { PublicKey } from '../ssh/wire.ts'
import { carriedToken, judgeCarrier, judgeConfirmation, judgeWindow } from './carrier-policy.ts'
import type { IssuerKeys, PortalKey } from './keys-format.ts'
import type { HopPolicy } from './policy-format.ts'
import { type BastionClaims, parseClaims, parseToken, type TokenParts } from './token-format.ts'
import { judgeClaims } from './token-policy.ts'

export type TokenVerdict =
  | { readonly kind: 'vouched'; readonly claims: BastionClaims; readonly keysAgeSeconds: number }
  | { readonly kind: 'refused'; readonly reason: Reason }

export type TokenFacts = {
  readonly user: LoginName
  readonly policy: HopPolicy
  readonly keys: readonly IssuerKeys[]
  /** Epoch seconds. */
  readonly now: number
}

const refused = (reason: Reason): TokenVerdict => ({ kind: 'refused', reason })

type Signer = { readonly set: IssuerKeys; readonly key: PortalKey }

/** The key with this ID. An unknown ID never falls back to another key. */
function findSigner({ keyId, algorithm }: TokenParts, { keys }: TokenFacts): Signer | undefined {
  for (const set of keys) {
    const key = keyId === '' ? undefined : set.keys.find(({ kid }) => kid === keyId)
    if (key && fits(key, algorithm)) return { set, key }
  }
  return undefined
}

const kinds: Readonly<Record<string, string>> = { RS256: 'RSA', PS256: 'RSA', ES256: 'EC', EdDSA: 'OKP' }

// The key says which algorithm it is for; the token only says which was used.
const fits = (key: PortalKey, algorithm: string): boolean =>
  kinds[algorithm] === key.kty && (key['alg'] === undefined || key['alg'] === algorithm)

async function isSigned({ text, algorithm }: TokenParts, key: PortalKey): Promise<boolean> {
  try {
    await compactVerify(text, await importJWK({ ...key }, algorithm), { algorithms: [algorithm] })
    return true
  } catch {
    return false
  }
}

/** What this token says about a connection of this user, or why it says nothing. */
export async function verifyToken(text: string, facts: TokenFacts): Promise<TokenVerdict> {
  const { user, policy, now } = facts
  const token = parseToken(text)
  if ('problem' in token) return refused('hop-malformed')
  if (!policy.algorithms.includes(token.algorithm)) return refused('hop-algorithm')
  const signer = findSigner(token, facts)
  if (!signer) return refused('hop-key-unknown')
  const keysAgeSeconds = Math.max(0, Math.floor(now - signer.set.fetchedAt))
  if (keysAgeSeconds > policy.keysMaxAge) return refused('hop-keys-stale')
  if (!(await isSigned(token, signer.key))) return refused('hop-signature')
  const claims = parseClaims(token.payload)
  if (!claims) return refused('hop-claims')
  const reason = judgeClaims(claims, { user, issuer: signer.set.issuer, policy, now })
  return reason ? refused(reason) : { kind: 'vouched', claims, keysAgeSeconds }
}

/** The same for a certificate that carries a token. Which key came first with it is found out elsewhere. */
export async function verifyCarrier(key: PublicKey, facts: TokenFacts): Promise<TokenVerdict> {
  const token = carriedToken(key)
  if (token === undefined) return refused('hop-certificate')
  const verdict = await verifyToken(token, facts)
  if (verdict.kind === 'refused') return verdict
  const { claims } = verdict
  const reason =
    judgeConfirmation(claims, key) ?? judgeCarrier(key, facts.user) ?? judgeWindow(key, claims, facts.policy.clockSkew)
  return reason ? refused(reason) : verdict
}
