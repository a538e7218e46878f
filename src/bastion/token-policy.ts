// What a bastion token must say, in the order in which it is judged. The signature was verified before.
import type { LoginName } from '../base/names.ts'
import type { Reason } from '../base/reason.ts'
import { comparableIssuer, comparableName, type HopPolicy } from './policy-format.ts'
import type { BastionClaims } from './token-format.ts'

export const audience = 'pam:bastion-backend'

/** A token that lives longer would have to be remembered longer, and means that something is wrong. Seconds. */
const longestLife = 3600

export type ClaimFacts = {
  readonly user: LoginName
  /** The issuer whose key signed. */
  readonly issuer: string
  readonly policy: HopPolicy
  /** Epoch seconds. */
  readonly now: number
}

/** Why the token does not count here and now; undefined when it does. */
export function judgeClaims(claims: BastionClaims, { user, issuer, policy, now }: ClaimFacts): Reason | undefined {
  const signedBy = comparableIssuer(issuer)
  if (comparableIssuer(claims.issuer) !== signedBy || !policy.issuers.map(comparableIssuer).includes(signedBy))
    return 'hop-issuer'
  if (claims.audience !== audience) return 'hop-audience'
  const { clockSkew } = policy
  if (claims.expiresAt + clockSkew <= now) return 'hop-expired'
  if (Math.max(claims.notBefore ?? 0, claims.issuedAt) > now + clockSkew) return 'hop-early'
  if (claims.expiresAt - claims.issuedAt > longestLife || claims.expiresAt <= claims.issuedAt) return 'hop-claims'
  if (claims.user !== user) return 'hop-user'
  if (!policy.allowedBastions.includes(claims.bastion)) return 'hop-bastion'
  if (!policy.names.includes(comparableName(claims.targetHost))) return 'hop-target'
  return policy.groups.includes(claims.targetGroup) ? undefined : 'hop-group'
}
