// A PAM phase of a program that does not run as root, such as a screen locker: ob serve is asked, and the
// kernel tells it who asks.
import { concat } from '../../src/base/bytes.ts'
import { allowed, denied, unavailable } from '../../src/base/outcome.ts'
import { paths } from '../../src/base/paths.ts'
import { personText } from '../../src/base/reason.ts'
import type { World } from '../../src/base/world.ts'
import { formatUnlockCall, parseUnlockReply, type UnlockPhase } from '../../src/userdb/unlock-format.ts'
import { splitMessages } from '../../src/userdb/varlink-format.ts'
import { type Ending, ended } from '../run/mode.ts'

/** pam_exec hands over at most so much (PAM_MAX_RESP_SIZE). */
const longestAnswer = 512

export async function askServe(phase: UnlockPhase, world: World): Promise<Ending> {
  const answer = phase === 'auth' ? world.stdin(longestAnswer) : new Uint8Array()
  const question = formatUnlockCall({ user: world.env['PAM_USER'] ?? '', phase, answer })
  answer.fill(0)
  const response = await exchange(question, world.deadline)
  if (!response) return ended(unavailable('serve-away'), `${personText('serve-away')}\n`)
  const reply = parseUnlockReply(response)
  return ended(reply.allowed ? allowed('unlocked') : denied('unlock-refused'), reply.text)
}

/** The one message that comes back; undefined when none does. */
function exchange(question: Uint8Array<ArrayBuffer>, deadline: AbortSignal): Promise<Uint8Array | undefined> {
  const { promise, resolve } = Promise.withResolvers<Uint8Array | undefined>()
  let received = new Uint8Array()
  let unsent = question
  deadline.addEventListener('abort', () => resolve(undefined), { once: true })
  const send = (socket: { readonly write: (bytes: Uint8Array) => number }): void => {
    unsent = unsent.subarray(Math.max(0, socket.write(unsent)))
  }
  Bun.connect({
    unix: paths.unlock,
    socket: {
      open: send,
      drain: send,
      data: (_socket, bytes) => {
        received = concat(received, bytes)
        const [message] = splitMessages(received).messages
        if (message) resolve(message)
      },
      close: () => resolve(undefined),
      error: () => resolve(undefined),
      connectError: () => resolve(undefined),
    },
  }).catch(() => resolve(undefined))
  return promise
}
