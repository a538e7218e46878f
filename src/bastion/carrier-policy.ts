// The certificate in which a bastion token travels: made by the user's own key for itself, so it proves nothing but
// that the token and the key belong together. What the client chose in it is either checked or without effect.
import { base64url, equalBytes, sha256 } from '../base/bytes.ts'
import type { LoginName } from '../base/names.ts'
import type { Reason } from '../base/reason.ts'
import { carrierExtension } from '../ssh/proof.ts'
import { optionText, type PublicKey } from '../ssh/wire.ts'
import type { BastionClaims } from './token-format.ts'

/** The token in this certificate, not yet read; undefined when it carries none where it should be. */
export function carriedToken({ certificate }: PublicKey): string | undefined {
  const value = certificate?.extensions.get(carrierExtension)
  return value && (optionText(value) ?? '')
}

/** The key that the issuer named is this one, when it named any. */
export function judgeConfirmation({ confirmation }: BastionClaims, key: PublicKey): Reason | undefined {
  if (confirmation === undefined) return undefined
  const named = 'jkt' in confirmation ? confirmation.jkt : confirmation.kid
  const own = 'jkt' in confirmation ? thumbprint(key) : key.fingerprint
  return named === own ? undefined : 'hop-key'
}

/** RFC 7638, of an Ed25519 key (RFC 8037 §2): the last 32 bytes of its blob. */
const thumbprint = ({ plainBlob }: PublicKey): string =>
  base64url(sha256(`{"crv":"Ed25519","kty":"OKP","x":"${base64url(plainBlob.subarray(-32))}"}`))

const known = /^permit-(X11-forwarding|agent-forwarding|port-forwarding|pty|user-rc)$/

/** The form of the certificate: its own signer, for this user alone, with nothing that would need a second look. */
export function judgeCarrier(key: PublicKey, user: LoginName): Reason | undefined {
  const { certificate } = key
  if (certificate?.type !== 'user' || key.plainType !== 'ssh-ed25519') return 'hop-certificate'
  if (!equalBytes(certificate.signatureKeyBlob, key.plainBlob)) return 'hop-certificate'
  if (certificate.principals.length !== 1 || certificate.principals[0] !== user) return 'hop-certificate'
  if (certificate.criticalOptions.size > 0) return 'hop-certificate'
  const others = [...certificate.extensions.keys()].filter((name) => name !== carrierExtension && !known.test(name))
  return others.length > 0 ? 'hop-certificate' : undefined
}

/** The certificate may not outlive the token, nor begin before it; clocks may differ as the policy says. */
export function judgeWindow(key: PublicKey, claims: BastionClaims, clockSkew: number): Reason | undefined {
  const { certificate } = key
  if (!certificate) return 'hop-window'
  const isWithin =
    certificate.validAfter >= BigInt(claims.issuedAt - clockSkew) &&
    certificate.validBefore <= BigInt(claims.expiresAt + clockSkew)
  return isWithin ? undefined : 'hop-window'
}
