// Writes ssh certificates and key revocation lists: PROTOCOL.certkeys and PROTOCOL.krl of OpenSSH.
import { createHash, createPrivateKey, sign } from 'node:crypto'
import { authorityKey } from './keys.ts'

const u32 = (value: number): Buffer => {
  const out = Buffer.alloc(4)
  out.writeUInt32BE(value)
  return out
}

const u64 = (value: bigint | number): Buffer => {
  const out = Buffer.alloc(8)
  out.writeBigUInt64BE(BigInt(value))
  return out
}

const text = (value: string | Uint8Array): Buffer => {
  const bytes = Buffer.from(value)
  return Buffer.concat([u32(bytes.length), bytes])
}

const authorityBlob = Buffer.concat([text('ssh-ed25519'), text(Buffer.from(authorityKey.x, 'base64url'))])

/** As GET /ssh/ca prints it. */
export const authorityLine = `ssh-ed25519 ${authorityBlob.toString('base64')} LLNG-SSH-CA-ssh-ca`

export type PublicKey = { readonly type: string; readonly blob: Buffer; readonly comment: string }

/** The one-line form; undefined for what the plugin's pattern refuses, `sk-*` types among them. */
export const parsePublicKey = (line: string): PublicKey | undefined => {
  const parts = /^(ssh-\w+|ecdsa-sha2-\w+) ([A-Za-z0-9+/=]+)(?: (.*))?$/.exec(line.trim())
  if (parts === null) return undefined
  return { type: parts[1]!, blob: Buffer.from(parts[2]!, 'base64'), comment: parts[3]?.trim() ?? '' }
}

/** False for a blob that is no key of the named type. */
export const decodes = (key: PublicKey): boolean => {
  const head = text(key.type)
  return key.blob.length > head.length + 8 && key.blob.subarray(0, head.length).equals(head)
}

export const fingerprintOf = (key: PublicKey): string =>
  `SHA256:${createHash('sha256').update(key.blob).digest('base64').replace(/=+$/, '')}`

const extensions = ['X11-forwarding', 'agent-forwarding', 'port-forwarding', 'pty', 'user-rc']

export type CertificateRequest = {
  readonly key: PublicKey
  readonly serial: bigint
  readonly keyId: string
  readonly principal: string
  readonly issuedAt: number
  readonly expiresAt: number
  readonly sourceAddress: string | undefined
}

export const signCertificate = (request: CertificateRequest): string => {
  const { key, serial, keyId, principal, issuedAt, expiresAt, sourceAddress } = request
  const type = `${key.type}-cert-v01@openssh.com`
  const options = sourceAddress === undefined ? [] : [text('source-address'), text(text(sourceAddress))]
  const body = Buffer.concat([
    text(type),
    text(crypto.getRandomValues(new Uint8Array(32))),
    key.blob.subarray(text(key.type).length),
    u64(serial),
    u32(1),
    text(keyId),
    text(text(principal)),
    u64(Math.floor(issuedAt / 60) * 60 - 60),
    u64(expiresAt),
    text(Buffer.concat(options)),
    text(Buffer.concat(extensions.flatMap((name) => [text(`permit-${name}`), text('')]))),
    text(''),
    text(authorityBlob),
  ])
  const signature = sign(null, body, createPrivateKey({ key: { ...authorityKey }, format: 'jwk' }))
  const blob = Buffer.concat([body, text(Buffer.concat([text('ssh-ed25519'), text(signature)]))])
  return `${type} ${blob.toString('base64')}${key.comment === '' ? '' : ` ${key.comment}`}`
}

/** Nothing until the first revocation, then a binary list of serials. */
export const formatRevocations = (serials: readonly bigint[], generatedAt: number): Uint8Array<ArrayBuffer> => {
  if (serials.length === 0) return new Uint8Array()
  const ordered = [...serials].sort((one, other) => (one < other ? -1 : 1))
  const list = Buffer.concat([Buffer.from([0x20]), text(Buffer.concat(ordered.map(u64)))])
  const section = Buffer.concat([text(authorityBlob), text(''), list])
  const header = [Buffer.from('SSHKRL\n\0'), u32(1), u64(0), u64(generatedAt), u64(0), text(''), text('')]
  return Uint8Array.from(Buffer.concat([...header, Buffer.from([1]), text(section)]))
}
