// Headers that sign a request, and the pins that name the portal's key. The signature does not cover the nonce
// and its framing is ambiguous; it is upstream's, byte for byte, because that is what a verifier would check.
import { hex, hmacSha256, utf8 } from '../base/bytes.ts'

export type SignedRequest = {
  readonly secret: string
  readonly method: string
  readonly path: string
  readonly body: string | undefined
  /** Epoch seconds, whole. */
  readonly seconds: number
  readonly nonce: string
}

/** The three headers; the body must be the very text that is sent. */
export function signRequest(request: SignedRequest): Readonly<Record<string, string>> {
  const { method, path, body, nonce } = request
  const seconds = Math.floor(request.seconds)
  const signature = hex(hmacSha256(utf8(request.secret), `${seconds}.${method}.${path}.${body ?? ''}`))
  return { 'X-Timestamp': String(seconds), 'X-Nonce': nonce, 'X-Signature-256': `sha256=${signature}` }
}

/** `<milliseconds>-<uuid v4>` from sixteen random bytes. */
export const makeNonce = (milliseconds: number, random: Uint8Array): string =>
  `${Math.floor(milliseconds)}-${makeUuid(random)}`

/** A UUID v4 from sixteen random bytes (RFC 9562 §5.4). */
export function makeUuid(random: Uint8Array): string {
  const bytes = Uint8Array.from(random.subarray(0, 16))
  bytes[6] = (bytes[6]! & 0x0f) | 0x40
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const digits = hex(bytes)
  return [digits.slice(0, 8), digits.slice(8, 12), digits.slice(12, 16), digits.slice(16, 20), digits.slice(20)].join(
    '-',
  )
}
