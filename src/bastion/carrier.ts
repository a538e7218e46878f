// The user's side of a hop: a key that lives for one connection, and the certificate that it signs for itself to carry
// a bastion token. ssh-keygen could make it, but would show the token in its command line.
import { concat } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import {
  attachSignature,
  type CertificateBody,
  formatCertificateBody,
  formatSignature,
  optionValue,
} from '../ssh/certificate-format.ts'
import { carrierExtension } from '../ssh/proof.ts'
import { wireString } from '../ssh/wire.ts'
import { parseClaims, parseToken } from './token-format.ts'

export type HopKey = {
  readonly blob: Uint8Array<ArrayBuffer>
  /** A signature as SSH writes it (RFC 8709 §6). */
  readonly sign: (data: Uint8Array) => Promise<Uint8Array<ArrayBuffer>>
}

const type = 'ssh-ed25519'

/** PKCS #8 around 32 bytes of an Ed25519 key (RFC 8410 §7). */
const pkcs8 = Uint8Array.fromHex('302e020100300506032b657004220420')

/** The Ed25519 key of this seed: 32 random bytes. */
export async function openHopKey(seed: Uint8Array): Promise<HopKey> {
  const secret = await crypto.subtle.importKey('pkcs8', concat(pkcs8, seed), 'Ed25519', true, ['sign'])
  const { x } = await crypto.subtle.exportKey('jwk', secret)
  const point = Uint8Array.fromBase64(x ?? '', { alphabet: 'base64url' })
  return {
    blob: concat(wireString(type), wireString(point)),
    sign: async (data) =>
      formatSignature(type, new Uint8Array(await crypto.subtle.sign('Ed25519', secret, Uint8Array.from(data)))),
  }
}

/** The clock of the backend may be behind that of the portal by so much. Seconds. */
const early = 60

/** sshd grants what the certificate wishes and the backend's own line permits: the wish is everything. */
const wishes = ['X11-forwarding', 'agent-forwarding', 'port-forwarding', 'pty', 'user-rc']

type Wanted = { readonly token: string; readonly user: string; readonly nonce: Uint8Array }

/** The certificate of this key for itself, with the token in it. Its key ID is logged by sshd, so it says nothing. */
export async function makeCarrier(key: HopKey, { token, user, nonce }: Wanted): Promise<Uint8Array<ArrayBuffer>> {
  const parts = parseToken(token)
  const claims = 'problem' in parts ? undefined : parseClaims(parts.payload)
  if (!claims) throw new Fault('the portal made a bastion token that no backend would accept')
  const extensions = new Map<string, Uint8Array>(wishes.map((wish) => [`permit-${wish}`, new Uint8Array()]))
  extensions.set(carrierExtension, optionValue(token))
  const body: CertificateBody = {
    key: { plainType: type, plainBlob: key.blob },
    nonce,
    serial: 0n,
    type: 'user',
    keyId: `hop of ${user}`,
    principals: [user],
    validAfter: BigInt(claims.issuedAt - early),
    validBefore: BigInt(claims.expiresAt),
    criticalOptions: new Map(),
    extensions,
    signatureKeyBlob: key.blob,
  }
  const signed = formatCertificateBody(body)
  return attachSignature(signed, await key.sign(signed))
}
