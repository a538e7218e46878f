// Key revocation lists (OpenSSH PROTOCOL.krl): enough to know whether one is whole, how old it is, and whether it
// revokes anything. Which keys it revokes is sshd's business.
import { concat, utf8 } from '../base/bytes.ts'
import { type Problem, wireReader, wireString } from '../ssh/wire.ts'

export type RevocationList = {
  readonly version: bigint
  /** Epoch seconds; 0 when the list does not say. */
  readonly generatedAt: number
  readonly comment: string
  /** Sections that revoke something; signatures do not. */
  readonly sections: number
}

const magic = utf8('SSHKRL\n\0')
const signatureSection = 4
const knownSections = [1, 2, 3, signatureSection, 5, 255]

const numbers = (...values: readonly bigint[]): Uint8Array<ArrayBuffer> => {
  const bytes = new Uint8Array(8 * values.length)
  for (const [at, value] of values.entries()) new DataView(bytes.buffer).setBigUint64(8 * at, value)
  return bytes
}

export function parseRevocationList(bytes: Uint8Array): RevocationList | Problem {
  if (!magic.every((byte, at) => bytes[at] === byte)) return { problem: 'it does not begin with SSHKRL' }
  const reader = wireReader(bytes.subarray(magic.length))
  const format = reader.uint32()
  const version = reader.uint64()
  const generatedAt = Number(reader.uint64())
  const flags = reader.uint64()
  reader.string()
  const comment = reader.text()
  if (format !== 1) reader.fail('it is of another format than 1')
  if (flags !== 0n) reader.fail('it has flags that nobody defined')
  let sections = 0
  while (!reader.isDone()) {
    const type = reader.byte()
    const length = reader.string().length
    if (!knownSections.includes(type)) reader.fail('it has a section of an unknown type')
    if (type !== signatureSection && length > 0) sections++
  }
  const problem = reader.end()
  return problem === undefined ? { version, generatedAt, comment, sections } : { problem }
}

/** A whole list that revokes nothing, as `ssh-keygen -k` makes it; sshd takes an empty file for a text of no keys. */
export const formatEmptyList = (comment = ''): Uint8Array<ArrayBuffer> =>
  concat(magic, Uint8Array.of(0, 0, 0, 1), numbers(0n, 0n, 0n), wireString(''), wireString(comment))
