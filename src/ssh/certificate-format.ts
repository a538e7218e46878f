// OpenSSH certificates (PROTOCOL.certkeys) as bytes: the body that a certificate authority signs, and the certificate
// with its signature. Who signs, and whether it should, is decided elsewhere.
import { concat, equalBytes, utf8 } from '../base/bytes.ts'
import { type Certificate, type Problem, parsePublicKey, wireReader, wireString } from './wire.ts'

export type CertificateBody = Omit<Certificate, 'signatureKey'> & {
  /** The key that is certified, as a plain key blob. */
  readonly key: { readonly plainType: string; readonly plainBlob: Uint8Array }
  /** Random bytes that make two certificates differ; OpenSSH takes 32. */
  readonly nonce: Uint8Array
}
export type SignedCertificate = {
  readonly body: CertificateBody
  /** The bytes that the signature covers. */
  readonly signedBytes: Uint8Array
  /** As on the wire: the algorithm, then the bytes of the signature. */
  readonly signature: Uint8Array
}

const suffix = '-cert-v01@openssh.com'

/** Names of our own extensions; every name that is not OpenSSH's ends with a domain (PROTOCOL.certkeys). */
export const attributeExtensions = { gecos: 'gecos@openbastion', groups: 'groups@openbastion' } as const

/** The name of a certificate's type: sk-ssh-ed25519@openssh.com has the suffix in place of its own. */
export const certificateTypeOf = (plainType: string): string => `${plainType.replace(/@openssh\.com$/, '')}${suffix}`

/** An option's value that holds a text: a string in a string. */
export const optionValue = (text: string): Uint8Array<ArrayBuffer> => wireString(text)

/** A signature as SSH writes it (RFC 8709 §6 and its like): the algorithm, then the bytes. */
export const formatSignature = (algorithm: string, bytes: Uint8Array): Uint8Array<ArrayBuffer> =>
  concat(wireString(algorithm), wireString(bytes))

function uint32(value: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value)
  return bytes
}

function uint64(value: bigint): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, value)
  return bytes
}

const compareBytes = (a: Uint8Array, b: Uint8Array): number => {
  const at = a.findIndex((byte, index) => byte !== b[index])
  return at === -1 ? a.length - b.length : a[at]! - (b[at] ?? -1)
}

// PROTOCOL.certkeys: options are sorted by name, and none is there twice (a Map sees to that).
function formatOptions(options: ReadonlyMap<string, Uint8Array>): Uint8Array<ArrayBuffer> {
  const sorted = [...options].map(([name, value]) => ({ name: utf8(name), value }))
  sorted.sort((a, b) => compareBytes(a.name, b.name))
  return concat(...sorted.flatMap(({ name, value }) => [wireString(name), wireString(value)]))
}

/** The fields of the key, which stand in a certificate without the type before them. */
const keyFields = (key: CertificateBody['key']): Uint8Array => key.plainBlob.subarray(4 + utf8(key.plainType).length)

/** The bytes that the certificate authority signs. */
export const formatCertificateBody = (body: CertificateBody): Uint8Array<ArrayBuffer> =>
  concat(
    wireString(certificateTypeOf(body.key.plainType)),
    wireString(body.nonce),
    keyFields(body.key),
    uint64(body.serial),
    uint32(body.type === 'user' ? 1 : 2),
    wireString(body.keyId),
    wireString(concat(...body.principals.map(wireString))),
    uint64(body.validAfter),
    uint64(body.validBefore),
    wireString(formatOptions(body.criticalOptions)),
    wireString(formatOptions(body.extensions)),
    wireString(''),
    wireString(body.signatureKeyBlob),
  )

/** The certificate: the signed bytes, followed by their signature. */
export const attachSignature = (signedBytes: Uint8Array, signature: Uint8Array): Uint8Array<ArrayBuffer> =>
  concat(signedBytes, wireString(signature))

/** A line as ssh-keygen writes it into a .pub file, without the newline. */
export function formatKeyLine(blob: Uint8Array, comment = ''): string {
  const line = `${wireReader(blob).text()} ${blob.toBase64()}`
  return comment === '' ? line : `${line} ${comment}`
}

/** The certificate in these bytes. Only the form that `formatCertificateBody` writes is taken. */
export function parseCertificate(blob: Uint8Array): SignedCertificate | Problem {
  const key = parsePublicKey(blob)
  if ('problem' in key) return key
  if (key.certificate === undefined) return { problem: 'a plain key, not a certificate' }
  const start = wireReader(blob)
  start.string()
  const nonce = start.string()
  const rest = blob.subarray(start.offset() + keyFields(key).length)
  const reader = wireReader(rest)
  // Serial, type, key id, principals, the two dates, options, extensions, reserved, the key that signs.
  reader.uint64()
  reader.uint32()
  for (const _ of ['key id', 'principals']) reader.string()
  for (const _ of ['after', 'before']) reader.uint64()
  for (const _ of ['options', 'extensions', 'reserved', 'signature key']) reader.string()
  const signedBytes = blob.subarray(0, blob.length - rest.length + reader.offset())
  const signature = reader.string()
  const { signatureKey: _, ...fields } = key.certificate
  const body: CertificateBody = { key: { plainType: key.plainType, plainBlob: key.plainBlob }, nonce, ...fields }
  if (!equalBytes(formatCertificateBody(body), signedBytes))
    return { problem: 'its options are not sorted, or its reserved field is not empty' }
  return { body, signedBytes, signature }
}
