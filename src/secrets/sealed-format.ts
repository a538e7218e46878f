// The content of every sealed file: AES-256-GCM (NIST SP 800-38D) as the C implementation lays it out,
// IV(12) ‖ ciphertext ‖ tag(16). Each store puts its own header in front of it.
import { concat } from '../base/bytes.ts'

export const ivLength = 12
export const tagLength = 16

export type SealOptions = {
  /** Fresh for every call with the same key: 12 random bytes. */
  readonly iv: Uint8Array
  /** Bound to the content, stored nowhere: opening needs the same bytes. */
  readonly aad?: Uint8Array | undefined
}

type Bytes = Uint8Array<ArrayBuffer>

const importKey = (key: Uint8Array, use: 'encrypt' | 'decrypt'): Promise<CryptoKey> =>
  crypto.subtle.importKey('raw', Uint8Array.from(key), 'AES-GCM', false, [use])

const parameters = (iv: Uint8Array, aad: Uint8Array | undefined) => ({
  name: 'AES-GCM',
  iv: Uint8Array.from(iv),
  tagLength: tagLength * 8,
  ...(aad === undefined ? {} : { additionalData: Uint8Array.from(aad) }),
})

/** The plaintext under a 32-byte key. */
export async function seal(key: Uint8Array, plaintext: Uint8Array, { iv, aad }: SealOptions): Promise<Bytes> {
  const imported = await importKey(key, 'encrypt')
  const body = await crypto.subtle.encrypt(parameters(iv, aad), imported, Uint8Array.from(plaintext))
  return concat(iv, new Uint8Array(body))
}

/** The plaintext, or undefined: another key, other bytes or another `aad`. */
export async function open(
  key: Uint8Array,
  sealed: Uint8Array,
  { aad }: { readonly aad?: Uint8Array | undefined } = {},
): Promise<Bytes | undefined> {
  if (sealed.length < ivLength + tagLength) return undefined
  const imported = await importKey(key, 'decrypt')
  const [iv, body] = [sealed.subarray(0, ivLength), sealed.subarray(ivLength)]
  try {
    return new Uint8Array(await crypto.subtle.decrypt(parameters(iv, aad), imported, Uint8Array.from(body)))
  } catch {
    return undefined
  }
}
