// A PAM phase of a program that does not run as root, such as a screen locker: ob serve is asked, and the
// kernel tells it who asks.
import { allowed, denied, unavailable } from '../../src/base/outcome.ts'
import { paths } from '../../src/base/paths.ts'
import { personText } from '../../src/base/reason.ts'
import type { World } from '../../src/base/world.ts'
import { formatUnlockCall, parseUnlockReply, type UnlockPhase } from '../../src/userdb/unlock-format.ts'
import { type Ending, ended } from '../run/mode.ts'
import { requestMessage } from '../world/io/unix-request.ts'

/** pam_exec hands over at most so much (PAM_MAX_RESP_SIZE). */
const longestAnswer = 512

/** `ask`: how the socket is reached. */
export async function askServe(phase: UnlockPhase, world: World, ask = requestMessage): Promise<Ending> {
  const answer = phase === 'auth' ? world.stdin(longestAnswer) : new Uint8Array()
  const question = formatUnlockCall({ user: world.env['PAM_USER'] ?? '', phase, answer })
  answer.fill(0)
  const response = await ask(paths.unlock, question, world.deadline)
  if (!response) return ended(unavailable('serve-away'), `${personText('serve-away')}\n`)
  const reply = parseUnlockReply(response)
  return ended(reply.allowed ? allowed('unlocked') : denied('unlock-refused'), reply.text)
}
