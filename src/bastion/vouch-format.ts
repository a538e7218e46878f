// What ob proxy asks ob serve, in varlink (https://varlink.org): let the portal vouch for me, who go on to this host
// with this key.
//
//   method Vouch(host: string, key: string) -> (user: string, kind: (token, certificate, refused), text: string)
//
// `key` is a public key as in a .pub file. `text` is the bastion token, the certificate, or why there is neither. Who
// asks is who the kernel says it is.

import { decodeUtf8 } from '../base/bytes.ts'
import { parseJsonObject, textMember } from '../base/json.ts'
import { type PublicKey, parsePublicKeyLine } from '../ssh/wire.ts'
import { formatCall, formatReply, parseCall } from '../userdb/varlink-format.ts'
import { comparableName } from './policy-format.ts'

const method = 'io.openbastion.Hop.Vouch'

export type VouchCall = { readonly host: string; readonly key: PublicKey }

export type VouchReply = {
  readonly user: string
  readonly kind: 'token' | 'certificate' | 'refused'
  readonly text: string
}

/** The name or address of a host, as it goes into a token; undefined for what is none. */
export function parseTarget(text: string): string | undefined {
  const name = comparableName(text)
  return /^[a-z0-9_:][a-z0-9._:-]{0,252}$/.test(name) ? name : undefined
}

export const formatVouchCall = (host: string, keyLine: string): Uint8Array<ArrayBuffer> =>
  formatCall({ method, parameters: { host, key: keyLine }, more: false })

/** The question, or undefined for anything else. */
export function parseVouchCall(message: Uint8Array): VouchCall | undefined {
  const call = parseCall(message)
  if (call?.method !== method || call.more || call.oneway) return undefined
  return readQuestion(call.parameters)
}

function readQuestion({ host, key }: Readonly<Record<string, unknown>>): VouchCall | undefined {
  const name = typeof host === 'string' ? parseTarget(host) : undefined
  const parsed = typeof key === 'string' && key.length <= 512 ? parsePublicKeyLine(key) : undefined
  if (name === undefined || !parsed || 'problem' in parsed) return undefined
  // Only the key that ob proxy makes: it lives for one hop.
  return parsed.key.type === 'ssh-ed25519' ? { host: name, key: parsed.key } : undefined
}

/** The same question, as it is handed to the process that decides it. */
export const formatQuestion = ({ host, key }: VouchCall): string =>
  JSON.stringify({ host, key: `${key.type} ${key.blob.toBase64()}` })

export const parseQuestion = (text: string): VouchCall | undefined => readQuestion(parseJsonObject(text) ?? {})

export const formatVouchReply = (reply: VouchReply): Uint8Array<ArrayBuffer> => formatReply(reply, false)

const kinds = ['token', 'certificate', 'refused'] as const

/** The reply in this JSON object; undefined when it is none. */
export function parseVouchReply(text: string): VouchReply | undefined {
  const object = parseJsonObject(text)
  const kind = kinds.find((known) => known === (object && textMember(object, 'kind')))
  const [user, said] = object ? [textMember(object, 'user'), textMember(object, 'text')] : []
  return kind === undefined || user === undefined || said === undefined ? undefined : { user, kind, text: said }
}

/** The reply as it comes over the socket. */
export function parseVouchMessage(message: Uint8Array): VouchReply | undefined {
  const object = parseJsonObject(decodeUtf8(message) ?? '')
  const inner = object?.['parameters']
  return object && !('error' in object) ? parseVouchReply(JSON.stringify(inner ?? null)) : undefined
}
