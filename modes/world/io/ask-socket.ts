// One question to ob serve, and the one message that comes back.
import { concat } from '../../../src/base/bytes.ts'

/** The bytes before the first NUL; undefined when none come, or nobody listens. */
export function askSocket(
  path: string,
  question: Uint8Array<ArrayBuffer>,
  deadline: AbortSignal,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const { promise, resolve } = Promise.withResolvers<Uint8Array<ArrayBuffer> | undefined>()
  let received = new Uint8Array()
  let unsent = question
  deadline.addEventListener('abort', () => resolve(undefined), { once: true })
  const send = (socket: { readonly write: (bytes: Uint8Array) => number }): void => {
    unsent = unsent.subarray(Math.max(0, socket.write(unsent)))
  }
  Bun.connect({
    unix: path,
    socket: {
      open: send,
      drain: send,
      data: (_socket, bytes) => {
        received = concat(received, bytes)
        const end = received.indexOf(0)
        if (end >= 0) resolve(received.subarray(0, end))
      },
      close: () => resolve(undefined),
      error: () => resolve(undefined),
      connectError: () => resolve(undefined),
    },
  }).catch(() => resolve(undefined))
  return promise
}
