// One request to a unix socket, and the one reply.
import { concat } from '../../../src/base/bytes.ts'

type Wanted = {
  /** How long the whole reply is, once its beginning is there. */
  readonly length: (received: Uint8Array) => number | undefined
  readonly longest: number
  readonly deadline: AbortSignal
}

/** The reply; undefined when no process listens, the reply is cut or too long, or the deadline passes. */
export function requestOnce(
  path: string,
  request: Uint8Array<ArrayBuffer>,
  { length, longest, deadline }: Wanted,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const { promise, resolve } = Promise.withResolvers<Uint8Array<ArrayBuffer> | undefined>()
  let received = new Uint8Array()
  let unsent = request
  deadline.addEventListener('abort', () => resolve(undefined), { once: true })
  const send = (socket: { readonly write: (bytes: Uint8Array) => number }): void => {
    unsent = unsent.subarray(Math.max(0, socket.write(unsent)))
  }
  Bun.connect({
    unix: path,
    socket: {
      open: send,
      drain: send,
      data: (socket, bytes) => {
        received = concat(received, bytes)
        const whole = length(received)
        if (received.length > longest || (whole !== undefined && whole > longest)) resolve(undefined)
        else if (whole !== undefined && received.length >= whole) resolve(received.subarray(0, whole))
        else return
        socket.end()
      },
      close: () => resolve(undefined),
      error: () => resolve(undefined),
      connectError: () => resolve(undefined),
    },
  }).catch(() => resolve(undefined))
  return promise
}

/** What `ob serve` replies: the bytes before the first NUL. */
export const requestMessage = (path: string, question: Uint8Array<ArrayBuffer>, deadline: AbortSignal) =>
  requestOnce(path, question, { length: endOfMessage, longest: 1 << 20, deadline })

const endOfMessage = (received: Uint8Array): number | undefined => {
  const end = received.indexOf(0)
  return end < 0 ? undefined : end
}
