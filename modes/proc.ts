// Small texts of the kernel (proc(5)). Their size is unknown beforehand, and a buffer for any size costs more than the
// read itself.
import { closeSync, openSync, readSync } from 'node:fs'

const buffer = new Uint8Array(4096)
const decoder = new TextDecoder('latin1')

/** The first 4096 bytes of the file; throws where it cannot be read. */
export function readProc(path: string): string {
  const descriptor = openSync(path, 'r')
  try {
    return decoder.decode(buffer.subarray(0, readSync(descriptor, buffer, 0, buffer.length, null)))
  } finally {
    closeSync(descriptor)
  }
}
