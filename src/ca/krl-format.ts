// The revocation list of this host's own authority (OpenSSH PROTOCOL.krl): serials for each key that signed, and hashes
// of keys. The reader of lists is in revocation/krl-format.ts.
import { concat, utf8 } from '../base/bytes.ts'
import type { Fingerprint } from '../base/names.ts'
import { wireString } from '../ssh/wire.ts'

export type RevocationListContent = {
  readonly version: bigint
  /** Epoch seconds. */
  readonly generatedAt: number
  readonly comment: string
  /** For each blob of a key that signed: the serials that count no more. */
  readonly serials: readonly { readonly signer: Uint8Array; readonly serials: readonly bigint[] }[]
  readonly keys: readonly Fingerprint[]
}

const magic = utf8('SSHKRL\n\0')
const [certificates, serialList, sha256Keys] = [1, 0x20, 5]

function uint64(value: bigint): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, value)
  return bytes
}

const section = (type: number, body: Uint8Array): Uint8Array => concat(Uint8Array.of(type), wireString(body))

const ascending = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0)

function certificateSection({ signer, serials }: RevocationListContent['serials'][number]): Uint8Array {
  const numbers = concat(...[...new Set(serials)].sort(ascending).map(uint64))
  return section(certificates, concat(wireString(signer), wireString(''), section(serialList, numbers)))
}

/** The 32 bytes of a fingerprint. */
const hashOf = (fingerprint: Fingerprint): Uint8Array => Uint8Array.fromBase64(fingerprint.slice('SHA256:'.length))

function keySection(keys: readonly Fingerprint[]): Uint8Array {
  const hashes = keys.map(hashOf).sort((a, b) => (a.toHex() < b.toHex() ? -1 : 1))
  return section(sha256Keys, concat(...hashes.map((hash) => wireString(hash))))
}

export const formatOwnRevocationList = (content: RevocationListContent): Uint8Array<ArrayBuffer> =>
  concat(
    magic,
    Uint8Array.of(0, 0, 0, 1),
    uint64(content.version),
    uint64(BigInt(content.generatedAt)),
    uint64(0n),
    wireString(''),
    wireString(content.comment),
    ...content.serials.filter(({ serials }) => serials.length > 0).map(certificateSection),
    ...(content.keys.length > 0 ? [keySection(content.keys)] : []),
  )
