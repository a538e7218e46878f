// The ssh-agent protocol (draft-ietf-sshm-ssh-agent), as far as an agent with one key needs it.
import { concat } from '../base/bytes.ts'
import { wireReader, wireString } from '../ssh/wire.ts'

export type AgentRequest =
  | { readonly kind: 'identities' }
  | { readonly kind: 'sign'; readonly key: Uint8Array; readonly data: Uint8Array }
  | { readonly kind: 'other' }

const longest = 256 << 10

const failure = 5
const identitiesRequest = 11
const identitiesAnswer = 12
const signRequest = 13
const signResponse = 14

/** The complete messages at the front and what is left, or undefined when one is longer than any. */
export function splitAgentMessages(bytes: Uint8Array<ArrayBuffer>) {
  const messages: Uint8Array<ArrayBuffer>[] = []
  let start = 0
  while (bytes.length - start >= 4) {
    const length = new DataView(bytes.buffer, bytes.byteOffset + start, 4).getUint32(0)
    if (length > longest) return undefined
    if (bytes.length - start - 4 < length) break
    messages.push(bytes.subarray(start + 4, start + 4 + length))
    start += 4 + length
  }
  return { messages, rest: bytes.subarray(start) }
}

export function parseAgentRequest(message: Uint8Array): AgentRequest {
  const reader = wireReader(message)
  const type = reader.byte()
  if (type === identitiesRequest && reader.end() === undefined) return { kind: 'identities' }
  if (type !== signRequest) return { kind: 'other' }
  const [key, data] = [reader.string(), reader.string()]
  // Flags choose among the hashes of RSA; there is no RSA here.
  reader.uint32()
  return reader.end() === undefined ? { kind: 'sign', key, data } : { kind: 'other' }
}

const one = Uint8Array.of(0, 0, 0, 1)

export const formatIdentities = (key: Uint8Array, comment: string): Uint8Array<ArrayBuffer> =>
  wireString(concat(Uint8Array.of(identitiesAnswer), one, wireString(key), wireString(comment)))

export const formatSigned = (signature: Uint8Array): Uint8Array<ArrayBuffer> =>
  wireString(concat(Uint8Array.of(signResponse), wireString(signature)))

export const agentFailure: Uint8Array<ArrayBuffer> = wireString(Uint8Array.of(failure))
