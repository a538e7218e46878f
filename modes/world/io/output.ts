// Text for a descriptor, all of it before returning; process.stdout would lose the bytes that a pipe has not taken yet.
import { codeOf } from '../files/errno.ts'

/** The function writes some of the bytes and says how many, as write(2) does. */
export function writeAll(text: string, write: (bytes: Uint8Array) => number): void {
  const bytes = new TextEncoder().encode(text)
  for (let offset = 0; offset < bytes.length; ) {
    try {
      offset += write(bytes.subarray(offset))
    } catch (error) {
      if (codeOf(error) === 'EAGAIN') Bun.sleepSync(1)
      else return // the reader closed the pipe
    }
  }
}
