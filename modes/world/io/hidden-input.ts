// Standard input that must not be seen.
import { readSync, writeSync } from 'node:fs'
import { isatty } from 'node:tty'
import { Fault } from '../../../src/base/fault.ts'
import { bind, ptr } from './ffi.ts'

// termios(3): struct termios of glibc on Linux.
const size = 60
const localFlags = 12
const controls = 17
const vtime = 5
const vmin = 6
const ISIG = 1
const ICANON = 2
const ECHO = 8
const TCSAFLUSH = 2

const open = () =>
  bind({
    tcgetattr: { args: ['i32', 'ptr'], returns: 'i32' },
    tcsetattr: { args: ['i32', 'i32', 'ptr'], returns: 'i32' },
  })

/** One line from a terminal, without echo; undefined when standard input is none. */
export function readHidden(prompt: string, limit: number): Uint8Array<ArrayBuffer> | undefined {
  const libc = open()
  if (!libc) {
    if (!isatty(0)) return undefined
    throw new Fault('what is typed here cannot be hidden', { hint: 'hand it over through a pipe' })
  }
  const before = new Uint8Array(size)
  if (libc.tcgetattr(0, ptr(before)) !== 0) return undefined
  const hidden = Uint8Array.from(before)
  // Signals off, so that ^C cannot leave a terminal without echo behind.
  hidden[localFlags]! &= ~(ISIG | ICANON | ECHO)
  hidden[controls + vmin] = 1
  hidden[controls + vtime] = 0
  libc.tcsetattr(0, TCSAFLUSH, ptr(hidden))
  try {
    writeSync(2, prompt)
    return readLine(limit)
  } finally {
    libc.tcsetattr(0, TCSAFLUSH, ptr(before))
    writeSync(2, '\n')
  }
}

function readLine(limit: number): Uint8Array<ArrayBuffer> {
  const line = new Uint8Array(limit)
  const one = new Uint8Array(1)
  let length = 0
  while (readSync(0, one, 0, 1, null) > 0) {
    const [byte = 0] = one
    if (byte === 3 || byte === 26 || byte === 28) throw new Fault('interrupted; nothing was changed') // ^C ^Z ^\
    if (byte === 4 || byte === 10 || byte === 13) break
    if (byte === 8 || byte === 127) {
      // Back over one character of UTF-8.
      do length = Math.max(0, length - 1)
      while (length > 0 && (line[length]! & 0xc0) === 0x80)
    } else if (byte === 21)
      length = 0 // ^U
    else if (length < limit) line[length++] = byte
  }
  return line.subarray(0, length)
}
