// The sealed store of secrets: a header with the sources of the key, and one file a secret. The header names
// a generation, and so do the files: a new header replaces all secrets at once.
import { concat, equalBytes, hex, hmacSha256, sha256, utf8 } from '../base/bytes.ts'
import { keyLength, saltLength } from './kdf.ts'
import { open, type SealOptions, seal } from './sealed-format.ts'

export type StoreHeader = {
  readonly generation: string
  readonly salt: Uint8Array<ArrayBuffer>
  /** Checks that tell another machine-id and another key file from damage. */
  readonly machine: string
  readonly keyFile: string
}

type Bytes = Uint8Array<ArrayBuffer>

const version = 1
const magic = utf8('OBSECRET01')
export const generationLength = 4

const check = (key: Uint8Array | string, purpose: string, salt: Uint8Array): string =>
  hex(hmacSha256(key, concat(utf8(`open-bastion ${purpose}\0`), salt)).subarray(0, 16))

export const machineCheck = (machineId: string, salt: Uint8Array): string => check(machineId, 'machine-id', salt)

export const keyFileCheck = (keyFile: Uint8Array, salt: Uint8Array): string =>
  check(keyFile.slice(0, keyLength), 'key file', salt)

export const formatStoreHeader = ({ generation, salt, machine, keyFile }: StoreHeader): string =>
  `${JSON.stringify({ version, generation, salt: hex(salt), machine, key_file: keyFile })}\n`

const digits = (value: unknown, bytes: number): value is string =>
  typeof value === 'string' && value.length === bytes * 2 && /^[0-9a-f]+$/.test(value)

function parseJson(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

export function parseStoreHeader(text: string): StoreHeader | { readonly problem: 'damaged' | 'newer' } {
  const { version: written, generation, salt, machine, key_file } = parseJson(text) ?? {}
  if (typeof written === 'number' && written > version) return { problem: 'newer' }
  if (written !== version || !digits(generation, generationLength) || !digits(salt, saltLength))
    return { problem: 'damaged' }
  if (!digits(machine, 16) || !digits(key_file, 16)) return { problem: 'damaged' }
  return { generation, salt: Uint8Array.fromHex(salt), machine, keyFile: key_file }
}

export const sealedFileName = (generation: string, name: string): string => `${generation}.${name}`

/** The name of the secret in this file; undefined for a file of another generation or of another kind. */
export const nameInFile = (generation: string, file: string): string | undefined =>
  file.startsWith(`${generation}.`) && !file.includes('.tmp.') ? file.slice(generation.length + 1) : undefined

/** A file that a change which was cut short left behind, or that a rotation replaced. */
export const isLeftover = (generation: string, file: string): boolean =>
  /^([0-9a-f]{8}|\.store)\./.test(file) && nameInFile(generation, file) === undefined

/** Bound to its name and generation: a file that was renamed opens as nothing. */
const boundTo = (generation: string, name: string): Bytes => concat(magic, utf8(`${generation}\0${name}`))

export type SecretPlace = { readonly generation: string; readonly name: string }

export async function sealSecret(
  key: Uint8Array,
  plaintext: Uint8Array,
  { generation, name, iv }: SecretPlace & Pick<SealOptions, 'iv'>,
): Promise<Bytes> {
  return concat(magic, await seal(key, plaintext, { iv, aad: boundTo(generation, name) }))
}

/** The secret; `foreign` when this is no sealed secret, `broken` when it is another one or damaged. */
export async function openSecret(
  key: Uint8Array,
  file: Uint8Array,
  { generation, name }: SecretPlace,
): Promise<Bytes | 'foreign' | 'broken'> {
  if (!equalBytes(file.subarray(0, magic.length), magic)) return 'foreign'
  return (await open(key, file.subarray(magic.length), { aad: boundTo(generation, name) })) ?? 'broken'
}

/** The file name of a secret in the C implementation; the content is IV, ciphertext and tag. */
export const upstreamFileName = (name: string): string => `${hex(sha256(name))}.enc`
