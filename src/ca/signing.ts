// The authority's keys: their public halves in a file, their private halves in an ssh-agent that runs as another user.
import { decodeUtf8, equalBytes } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import type { Parts } from '../base/world.ts'
import { type PublicKey, parsePublicKeyLine } from '../ssh/wire.ts'
import { formatListRequest, formatSignRequest, parseIdentities, parseSignResponse } from './agent-format.ts'

/** Sends one request to the agent; undefined when no whole reply comes. */
export type AskAgent = (request: Uint8Array<ArrayBuffer>) => Promise<Uint8Array | undefined>

export type AgentState =
  | { readonly kind: 'ready' }
  | { readonly kind: 'unreachable' | 'other-key'; readonly detail: string }
export type Signed =
  | { readonly kind: 'signed'; readonly signature: Uint8Array }
  | { readonly kind: 'unreachable'; readonly detail: string }

/** The authority's public keys: the first signs, all are trusted. */
export function readAuthorityKeys(world: Parts<'files'>, path: string): readonly PublicKey[] {
  const bytes = world.files.readTrusted(path, { limit: 1 << 16, secret: false })
  const lines = (bytes && decodeUtf8(bytes))?.split('\n').filter((line) => !/^\s*(#|$)/.test(line)) ?? []
  const keys = lines.map((line) => {
    const parsed = parsePublicKeyLine(line.trim())
    if ('problem' in parsed || parsed.key.certificate)
      throw new Fault(`${path} holds a line that is no public key`, { hint: 'ob ca init writes the file' })
    return parsed.key
  })
  if (keys.length === 0) throw new Fault(`${path} names no key that signs`, { hint: 'run: ob ca init' })
  return keys
}

/** Whether the agent answers and holds this key. */
export async function probeAgent(ask: AskAgent, key: PublicKey): Promise<AgentState> {
  const reply = await ask(formatListRequest())
  if (reply === undefined) return { kind: 'unreachable', detail: 'the agent of the authority does not answer' }
  const blobs = parseIdentities(reply)
  if ('problem' in blobs) return { kind: 'unreachable', detail: blobs.problem }
  if (blobs.some((blob) => equalBytes(blob, key.blob))) return { kind: 'ready' }
  return { kind: 'other-key', detail: `the agent does not hold ${key.fingerprint}` }
}

export async function signWithAgent(ask: AskAgent, key: PublicKey, data: Uint8Array): Promise<Signed> {
  const reply = await ask(formatSignRequest(key, data))
  if (reply === undefined) return { kind: 'unreachable', detail: 'the agent of the authority does not answer' }
  const signature = parseSignResponse(reply)
  return 'problem' in signature
    ? { kind: 'unreachable', detail: signature.problem }
    : { kind: 'signed', signature: Uint8Array.from(signature) }
}
