// SSH's wire types (RFC 4251 §5), public keys (RFC 4253 §6.6, 5656, 8709; OpenSSH PROTOCOL.u2f) and OpenSSH
// certificates (PROTOCOL.certkeys). A client sent these bytes, so the reader is strict, throws nothing and accepts no
// rest.
import { concat, decodeBase64, decodeUtf8, sha256, utf8 } from '../base/bytes.ts'
import type { Fingerprint } from '../base/names.ts'

export type Problem = { readonly problem: string }

export type Certificate = {
  readonly serial: bigint
  readonly type: 'user' | 'host'
  readonly keyId: string
  /** An empty list means any name to ssh and no name to us; the user of the list decides. */
  readonly principals: readonly string[]
  /** Epoch seconds. */
  readonly validAfter: bigint
  readonly validBefore: bigint
  /** The bytes as they are in the certificate, empty for a flag; `optionText` reads the usual string in a string. */
  readonly criticalOptions: ReadonlyMap<string, Uint8Array>
  readonly extensions: ReadonlyMap<string, Uint8Array>
  readonly signatureKey: { readonly type: string; readonly fingerprint: Fingerprint }
  readonly signatureKeyBlob: Uint8Array
}
export type PublicKey = {
  readonly type: string
  /** The type of the key itself, also when it is in a certificate. */
  readonly plainType: string
  readonly bits: number
  /** Of the key itself, also for a certificate, as ssh-keygen -l prints it. */
  readonly fingerprint: Fingerprint
  readonly blob: Uint8Array
  /** Without the certificate around it. */
  readonly plainBlob: Uint8Array
  readonly certificate?: Certificate
}

/** Reads from the front; after the first problem everything is empty and the problem stays. */
export type Reader = ReturnType<typeof wireReader>

export function wireReader(bytes: Uint8Array) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let offset = 0
  let problem: string | undefined
  const fail = (text: string): void => {
    problem ??= text
    offset = bytes.length
  }
  const has = (length: number): boolean => {
    if (length <= bytes.length - offset) return true
    fail('it ends too early')
    return false
  }
  const byte = (): number => (has(1) ? bytes[offset++]! : 0)
  const uint32 = (): number => {
    if (!has(4)) return 0
    offset += 4
    return view.getUint32(offset - 4)
  }
  const uint64 = (): bigint => {
    if (!has(8)) return 0n
    offset += 8
    return view.getBigUint64(offset - 8)
  }
  const string = (): Uint8Array => {
    const length = uint32()
    if (!has(length)) return bytes.subarray(0, 0)
    offset += length
    return bytes.subarray(offset - length, offset)
  }
  const boolean = (): boolean => {
    const value = byte()
    if (value > 1) fail('a boolean is neither 0 nor 1')
    return value === 1
  }
  const text = (): string => {
    const value = decodeUtf8(string())
    if (value === undefined || value.includes('\0')) fail('a text is not UTF-8 or holds a zero byte')
    return value ?? ''
  }
  // A positive mpint in its shortest form; the magnitude without leading zero.
  const mpint = (): Uint8Array => {
    const value = string()
    if (value.length === 0) return value
    if (value[0]! >= 0x80) fail('a number is negative')
    if (value[0] === 0 && (value.length === 1 || value[1]! < 0x80)) fail('a number is not in its shortest form')
    return value[0] === 0 ? value.subarray(1) : value
  }
  const isDone = (): boolean => offset === bytes.length
  const end = (): string | undefined => {
    if (!isDone()) fail('there is something after its end')
    return problem
  }
  return { byte, boolean, uint32, uint64, string, text, mpint, isDone, end, fail, offset: () => offset }
}

const bitLength = (magnitude: Uint8Array): number =>
  magnitude.length === 0 ? 0 : magnitude.length * 8 - Math.clz32(magnitude[0]!) + 24

type ReadKey = (reader: Reader) => number

function readRsa(reader: Reader): number {
  if (bitLength(reader.mpint()) < 2) reader.fail('the RSA exponent is too small')
  const bits = bitLength(reader.mpint())
  // OpenSSH's SSHBUF_MAX_BIGNUM.
  if (bits < 512 || bits > 16_384) reader.fail('the RSA modulus is shorter than 512 or longer than 16384 bits')
  return bits
}

function readDsa(reader: Reader): number {
  const bits = bitLength(reader.mpint())
  for (const _ of ['q', 'g', 'y']) reader.mpint()
  if (bits !== 1024) reader.fail('a DSA key has 1024 bits')
  return bits
}

const readEcdsa =
  (bits: number): ReadKey =>
  (reader) => {
    if (reader.text() !== `nistp${bits}`) reader.fail('the curve is not the one of the key type')
    const point = reader.string()
    if (point[0] !== 4 || point.length !== 1 + 2 * Math.ceil(bits / 8))
      reader.fail('the point is not an uncompressed one')
    return bits
  }

function readEd25519(reader: Reader): number {
  if (reader.string().length !== 32) reader.fail('an Ed25519 key has 32 bytes')
  return 256
}

const readSecurityKey =
  (read: ReadKey): ReadKey =>
  (reader) => {
    const bits = read(reader)
    reader.text()
    return bits
  }

const keyTypes: ReadonlyMap<string, ReadKey> = new Map<string, ReadKey>([
  ['ssh-rsa', readRsa],
  ['ssh-dss', readDsa],
  ['ecdsa-sha2-nistp256', readEcdsa(256)],
  ['ecdsa-sha2-nistp384', readEcdsa(384)],
  ['ecdsa-sha2-nistp521', readEcdsa(521)],
  ['ssh-ed25519', readEd25519],
  ['sk-ssh-ed25519@openssh.com', readSecurityKey(readEd25519)],
  ['sk-ecdsa-sha2-nistp256@openssh.com', readSecurityKey(readEcdsa(256))],
])

/** A string on the wire. */
export function wireString(value: Uint8Array | string): Uint8Array<ArrayBuffer> {
  const bytes = typeof value === 'string' ? utf8(value) : value
  const length = new Uint8Array(4)
  new DataView(length.buffer).setUint32(0, bytes.length)
  return concat(length, bytes)
}

/** SHA-256 fingerprint of a key blob. */
const fingerprintOf = (blob: Uint8Array): Fingerprint =>
  // The form is right by construction.
  `SHA256:${sha256(blob).toBase64({ omitPadding: true })}` as Fingerprint

/** The text of an option that holds one string, '' for a flag, undefined for anything else. */
export function optionText(value: Uint8Array): string | undefined {
  if (value.length === 0) return ''
  const reader = wireReader(value)
  const text = reader.text()
  return reader.end() === undefined ? text : undefined
}

function readOptions(outer: Reader): ReadonlyMap<string, Uint8Array> {
  const reader = wireReader(outer.string())
  const options = new Map<string, Uint8Array>()
  while (!reader.isDone()) {
    const name = reader.text()
    if (options.has(name)) reader.fail('an option is there twice')
    options.set(name, reader.string())
  }
  const problem = reader.end()
  if (problem !== undefined) outer.fail(problem)
  return options
}

function readPrincipals(outer: Reader): readonly string[] {
  const reader = wireReader(outer.string())
  const principals: string[] = []
  while (!reader.isDone()) principals.push(reader.text())
  const problem = reader.end()
  if (problem !== undefined) outer.fail(problem)
  return principals
}

function readCertificate(reader: Reader): Certificate | undefined {
  const serial = reader.uint64()
  const type = reader.uint32()
  if (type !== 1 && type !== 2) reader.fail('the certificate is neither for a user nor for a host')
  const keyId = reader.text()
  const principals = readPrincipals(reader)
  const validAfter = reader.uint64()
  const validBefore = reader.uint64()
  const criticalOptions = readOptions(reader)
  const extensions = readOptions(reader)
  reader.string()
  const signatureKeyBlob = reader.string()
  if (reader.string().length === 0) reader.fail('the certificate is not signed')
  // A certificate cannot sign (PROTOCOL.certkeys), so this goes one level deep.
  const signer = parsePlainKey(signatureKeyBlob)
  if ('problem' in signer) {
    reader.fail(`the key that signed: ${signer.problem}`)
    return undefined
  }
  const signatureKey = { type: signer.type, fingerprint: signer.fingerprint }
  const dates = { validAfter, validBefore }
  const options = { criticalOptions, extensions }
  return {
    serial,
    type: type === 1 ? 'user' : 'host',
    keyId,
    principals,
    ...dates,
    ...options,
    signatureKey,
    signatureKeyBlob,
  }
}

function parsePlainKey(blob: Uint8Array): PublicKey | Problem {
  const reader = wireReader(blob)
  const type = reader.text()
  const read = keyTypes.get(type)
  if (read === undefined)
    return { problem: plainTypeOf(type) ? 'a certificate, not a key' : 'not a key of a known type' }
  const bits = read(reader)
  const problem = reader.end()
  if (problem !== undefined) return { problem }
  return { type, plainType: type, bits, fingerprint: fingerprintOf(blob), blob, plainBlob: blob }
}

const certificateSuffix = '-cert-v01@openssh.com'

/** sk-ssh-ed25519-cert-v01@openssh.com has the suffix in place of its own. */
function plainTypeOf(type: string): string | undefined {
  if (!type.endsWith(certificateSuffix)) return undefined
  const stem = type.slice(0, -certificateSuffix.length)
  return stem.startsWith('sk-') ? `${stem}@openssh.com` : stem
}

/** The key or certificate in these bytes, or why they are none. */
export function parsePublicKey(blob: Uint8Array): PublicKey | Problem {
  const reader = wireReader(blob)
  const type = reader.text()
  const plainType = plainTypeOf(type)
  if (plainType === undefined) return parsePlainKey(blob)
  const read = keyTypes.get(plainType)
  if (read === undefined) return { problem: 'not a certificate of a known type' }
  reader.string()
  const start = reader.offset()
  const bits = read(reader)
  const plainBlob = concat(wireString(plainType), blob.subarray(start, reader.offset()))
  const certificate = readCertificate(reader)
  const problem = reader.end()
  if (problem !== undefined || certificate === undefined) return { problem: problem ?? 'not a certificate' }
  return { type, plainType, bits, fingerprint: fingerprintOf(plainBlob), blob, plainBlob, certificate }
}

/** `type base64 comment`, as in a .pub file. */
export function parsePublicKeyLine(line: string): { readonly key: PublicKey; readonly comment: string } | Problem {
  const match = /^(\S+)[ \t]+(\S+)(?:[ \t]+(.*?))?[ \t]*\r?\n?$/.exec(line)
  if (match === null) return { problem: 'not a type followed by base64' }
  const blob = decodeBase64(match[2]!)
  if (blob === undefined) return { problem: 'the key is not base64' }
  const key = parsePublicKey(blob)
  if ('problem' in key) return key
  return key.type === match[1] ? { key, comment: match[3] ?? '' } : { problem: 'the key is not of the type beside it' }
}
