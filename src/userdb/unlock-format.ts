// The question of a screen locker to ob serve, in varlink (https://varlink.org): may I unlock my screen with this
// answer?
//
//   method Decide(user: string, phase: (auth, account), answer: ?string) -> (allowed: bool, text: string)
//
// `answer` is base64 (RFC 4648 §4). The kernel says who calls; `user` only guards against mistakes.
import { decodeBase64, decodeUtf8 } from '../base/bytes.ts'
import { formatCall, formatReply, parseCall } from './varlink-format.ts'

const method = 'io.openbastion.Unlock.Decide'

export type UnlockPhase = 'auth' | 'account'

export type UnlockCall = {
  readonly user: string
  readonly phase: UnlockPhase
  /** The typed answer; empty in the account phase. */
  readonly answer: Uint8Array<ArrayBuffer>
}

export type UnlockReply = { readonly allowed: boolean; readonly text: string }

export const formatUnlockCall = ({ user, phase, answer }: UnlockCall): Uint8Array<ArrayBuffer> =>
  formatCall({ method, parameters: { user, phase, answer: answer.toBase64() }, more: false })

/** The call, or undefined for anything else. */
export function parseUnlockCall(message: Uint8Array): UnlockCall | undefined {
  const call = parseCall(message)
  if (call?.method !== method || call.more || call.oneway) return undefined
  const { user, phase, answer: encoded = '' } = call.parameters
  if (typeof user !== 'string' || typeof encoded !== 'string') return undefined
  if (phase !== 'auth' && phase !== 'account') return undefined
  const answer = decodeBase64(encoded)
  return answer && { user, phase, answer }
}

export const formatUnlockReply = (reply: UnlockReply): Uint8Array<ArrayBuffer> => formatReply(reply, false)

/** The reply; anything that is none is a no. */
export function parseUnlockReply(message: Uint8Array): UnlockReply {
  const no: UnlockReply = { allowed: false, text: '' }
  try {
    const { parameters, error } = JSON.parse(decodeUtf8(message) ?? '') as {
      readonly parameters?: Partial<UnlockReply>
      readonly error?: unknown
    }
    if (error !== undefined || typeof parameters?.allowed !== 'boolean') return no
    return { allowed: parameters.allowed, text: typeof parameters.text === 'string' ? parameters.text : '' }
  } catch {
    return no
  }
}
