// A PAM phase as `ob serve` decides it: this process then loads no more than a socket. It never waits long for a daemon
// that is not there, is frozen or is another version; it decides by itself then, unless a token may be used up already.
import type { Socket } from 'bun'
import { concat } from '../../src/base/bytes.ts'
import { paths } from '../../src/base/paths.ts'
import {
  formatAnswer,
  helloMilliseconds,
  longestAnswer,
  parseDecided,
  said,
  silentMilliseconds,
} from '../../src/login/served-format.ts'
import { endAfter } from './exit.ts'
import { isAbsent } from './is-absent.ts'

export type Served =
  | { readonly kind: 'decided'; readonly status: number }
  /** What was typed is read already where there is an answer. */
  | { readonly kind: 'undecided'; readonly answer?: Uint8Array<ArrayBuffer> }
  /** The daemon went away when a token may have been used up. */
  | { readonly kind: 'lost' }

/** Longer than any phase has in the daemon. Seconds. */
const longestSeconds = 27

/** After a pause that was not ours, what arrived meanwhile is looked at before the clock. Milliseconds. */
const graceMilliseconds = 50

export async function askServe(): Promise<Served> {
  if (isAbsent(paths.phases)) return { kind: 'undecided' }
  leaveCaller()
  endAfter(longestSeconds)
  const asked = await ask()
  if (asked.decided === undefined) {
    if (asked.isSpent) return { kind: 'lost' }
    return { kind: 'undecided', ...(asked.answer && { answer: asked.answer }) }
  }
  const { text, status } = asked.decided
  if (text !== '') (await import('../world/system.ts')).writeText(1, text)
  return { kind: 'decided', status }
}

/** A user below whose sudo this runs may send no signals. */
function leaveCaller(): void {
  if (process.geteuid?.() !== 0) return
  process.setgid?.(0)
  process.setuid?.(0)
}

type Asked = {
  readonly decided: ReturnType<typeof parseDecided>
  readonly isSpent: boolean
  readonly answer: Uint8Array<ArrayBuffer> | undefined
}

function ask(): Promise<Asked> {
  const { promise, resolve } = Promise.withResolvers<Asked>()
  let isSpent = false
  let answer: Uint8Array<ArrayBuffer> | undefined
  let reply: Uint8Array | undefined
  let letters = 0
  let timer: ReturnType<typeof setTimeout> | undefined
  let over = false
  const end = (decided?: Asked['decided']): void => {
    over = true
    clearTimeout(timer)
    resolve({ decided, isSpent, answer })
  }
  const wait = (milliseconds: number): void => {
    clearTimeout(timer)
    const before = letters
    timer = setTimeout(() => {
      timer = setTimeout(() => letters === before && end(), graceMilliseconds)
    }, milliseconds)
  }
  const hear = async (socket: Socket, letter: number): Promise<void> => {
    letters++
    wait(silentMilliseconds)
    switch (letter) {
      case said.wantsAnswer:
        answer = await readAnswer()
        return over ? undefined : void socket.write(formatAnswer(answer))
      case said.ready:
        return void socket.write(formatAnswer(new Uint8Array()))
      case said.spends:
        isSpent = true
        return
      case said.yourself:
        return end()
      case said.decided:
        reply = new Uint8Array()
    }
  }
  const take = async (socket: Socket, bytes: Uint8Array): Promise<void> => {
    let at = 0
    while (at < bytes.length && reply === undefined && !over) await hear(socket, bytes[at++]!)
    if (reply === undefined || over) return
    reply = concat(reply, bytes.subarray(at))
    const nul = reply.indexOf(0)
    if (nul >= 0) end(parseDecided(reply.subarray(0, nul)))
  }
  let taken = Promise.resolve()
  wait(helloMilliseconds)
  Bun.connect({
    unix: paths.phases,
    socket: {
      data: (socket, bytes) => {
        const copy = Uint8Array.from(bytes)
        taken = taken.then(() => take(socket, copy))
      },
      close: () => void taken.then(() => over || end()),
      error: () => void taken.then(() => over || end()),
    },
  }).catch(() => end())
  return promise
}

/** All of it: pam_exec closes the pipe behind it. */
async function readAnswer(): Promise<Uint8Array<ArrayBuffer>> {
  const [{ refuseDumps }, { readInput }] = await Promise.all([
    import('../world/process/libc.ts'),
    import('../world/system.ts'),
  ])
  refuseDumps()
  return readInput(longestAnswer)
}
