// The one key derivation of every sealed store, as the C implementation does it: PBKDF2-HMAC-SHA256 (RFC 8018 §5.2)
// over the machine-id of this host and, where there is one, the content of its key file.
import { concat } from '../base/bytes.ts'

export const derivationRounds = 100_000
/** Of salts and of derived keys, in bytes. */
export const saltLength = 16
export const keyLength = 32

export type KeySource = {
  /** Content of the key file; its first 32 bytes count. */
  readonly keyFile?: Uint8Array | undefined
  readonly machineId: string
}

/** The part of /etc/machine-id that counts: its first line, at most 63 bytes; undefined when that is empty. */
export function parseMachineId(bytes: Uint8Array): string | undefined {
  const line = bytes.subarray(0, 63)
  const end = line.findIndex((byte) => byte === 0x0a || byte === 0)
  const text = String.fromCharCode(...line.subarray(0, end < 0 ? line.length : end))
  return text === '' ? undefined : text
}

/** The password of the derivation: the key file's first 32 bytes, then the machine-id. */
export const passwordOf = ({ keyFile, machineId }: KeySource): Uint8Array<ArrayBuffer> =>
  concat(
    keyFile?.subarray(0, keyLength) ?? new Uint8Array(0),
    Uint8Array.from(machineId, (c) => c.charCodeAt(0)),
  )

/** 32 bytes. About 20 ms of one processor with the usual rounds, so no login that the portal answers may need it. */
export async function deriveKey(
  source: KeySource & { readonly salt: Uint8Array; readonly iterations?: number },
): Promise<Uint8Array<ArrayBuffer>> {
  const password = passwordOf(source)
  const base = await crypto.subtle.importKey('raw', password, 'PBKDF2', false, ['deriveBits'])
  password.fill(0)
  const { salt, iterations = derivationRounds } = source
  const parameters = { name: 'PBKDF2', hash: 'SHA-256', salt: Uint8Array.from(salt), iterations }
  return new Uint8Array(await crypto.subtle.deriveBits(parameters, base, keyLength * 8))
}
