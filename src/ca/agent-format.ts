// The ssh-agent protocol (draft-ietf-sshm-ssh-agent), as much as a certificate authority needs: which keys there are,
// and a signature by one of them.
import { concat } from '../base/bytes.ts'
import { type Problem, wireReader, wireString } from '../ssh/wire.ts'

const requestIdentities = 11
const identitiesAnswer = 12
const signRequest = 13
const signResponse = 14
/** Asks an RSA key for rsa-sha2-512. */
const rsaSha512 = 4
/** OpenSSH's MAX_AGENT_REPLY_LEN. */
export const longestReply = 256 * 1024

function frame(body: Uint8Array): Uint8Array<ArrayBuffer> {
  return wireString(body)
}

const flags = (value: number): Uint8Array => Uint8Array.of(0, 0, 0, value)

export const formatListRequest = (): Uint8Array<ArrayBuffer> => frame(Uint8Array.of(requestIdentities))

export const formatSignRequest = (
  key: { readonly plainType: string; readonly plainBlob: Uint8Array },
  data: Uint8Array,
): Uint8Array<ArrayBuffer> =>
  frame(
    concat(
      Uint8Array.of(signRequest),
      wireString(key.plainBlob),
      wireString(data),
      flags(key.plainType === 'ssh-rsa' ? rsaSha512 : 0),
    ),
  )

/** How long the whole reply is, as far as its beginning says; undefined while that is not there. */
export function replyLength(received: Uint8Array): number | undefined {
  if (received.length < 4) return undefined
  return 4 + new DataView(received.buffer, received.byteOffset).getUint32(0)
}

function bodyOf(reply: Uint8Array, type: number): Uint8Array | undefined {
  const reader = wireReader(reply)
  const body = reader.string()
  return reader.end() === undefined && body[0] === type ? body.subarray(1) : undefined
}

/** The blobs of the keys that the agent holds. */
export function parseIdentities(reply: Uint8Array): readonly Uint8Array[] | Problem {
  const body = bodyOf(reply, identitiesAnswer)
  if (body === undefined) return { problem: 'the agent does not list its keys' }
  const reader = wireReader(body)
  const count = reader.uint32()
  const blobs: Uint8Array[] = []
  for (let at = 0; at < count && !reader.isDone(); at++) {
    blobs.push(reader.string())
    reader.string()
  }
  const problem = reader.end()
  return problem === undefined && blobs.length === count ? blobs : { problem: problem ?? 'the list is cut' }
}

/** The signature as it stands in a certificate. */
export function parseSignResponse(reply: Uint8Array): Uint8Array | Problem {
  const body = bodyOf(reply, signResponse)
  if (body === undefined) return { problem: 'the agent does not sign' }
  const reader = wireReader(body)
  const signature = reader.string()
  return reader.end() === undefined && signature.length > 0 ? signature : { problem: 'no signature in the reply' }
}
