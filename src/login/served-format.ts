// What passes between a PAM phase and `ob serve`, which decides it. The daemon begins, with one letter a message; it
// takes everything else that it must know about the caller from the kernel.
import { decodeUtf8 } from '../base/bytes.ts'

/** Said by the daemon. */
export const said = {
  /** The phase needs no answer: go on. */
  ready: 0x68, // h
  /** Send what was typed. */
  wantsAnswer: 0x61, // a
  /** It decides still. */
  working: 0x2e, // .
  /** From here on a one-time token may be used up. */
  spends: 0x73, // s
  /** The caller must decide by itself; nothing was spent. */
  yourself: 0x79, // y
  /** Decided: JSON follows, and NUL. */
  decided: 0x72, // r
} as const

/** How long the caller waits for the first letter. Milliseconds. */
export const helloMilliseconds = 100
/** The daemon says that it works still, so often. Milliseconds. */
export const workingMilliseconds = 1_000
/** After so much silence the daemon is frozen or starved. Milliseconds. */
export const silentMilliseconds = 4_000

/** pam_exec hands over at most PAM_MAX_RESP_SIZE (512) bytes; more than this is cut anyway. */
export const longestAnswer = 8_192

export type Decided = {
  /** The exit status for pam_exec. */
  readonly status: number
  /** For the person, with its line breaks. */
  readonly text: string
}

/** The typed answer behind its length: 4 bytes, big-endian. */
export function formatAnswer(answer: Uint8Array): Uint8Array<ArrayBuffer> {
  const message = new Uint8Array(4 + answer.length)
  new DataView(message.buffer).setUint32(0, answer.length)
  message.set(answer, 4)
  return message
}

/** The answer once it is there; undefined for one that is too long. */
export function parseAnswer(message: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> | 'more' | undefined {
  if (message.length < 4) return 'more'
  const length = new DataView(message.buffer, message.byteOffset).getUint32(0)
  if (length > longestAnswer || message.length > 4 + length) return undefined
  return message.length < 4 + length ? 'more' : message.subarray(4)
}

export const formatDecided = (decided: Decided): Uint8Array<ArrayBuffer> =>
  new TextEncoder().encode(`${String.fromCharCode(said.decided)}${JSON.stringify(decided)}\0`)

/** What stands between the letter and the NUL; undefined when it is no decision. */
export function parseDecided(bytes: Uint8Array): Decided | undefined {
  try {
    const { status, text } = JSON.parse(decodeUtf8(bytes) ?? '') as Partial<Decided>
    if (!Number.isInteger(status) || typeof text !== 'string') return undefined
    return { status: status as number, text }
  } catch {
    return undefined
  }
}
