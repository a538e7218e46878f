// The C library, for calls that the runtime has no API for.
import { dlopen, type FFIFunction, type Pointer, ptr, read, toArrayBuffer } from 'bun:ffi'

export { ptr, read }

/**
 * These functions of the C library. Undefined where none can be called: bun:ffi compiles a few bytes for each, which a
 * process may not that makes no memory executable (prctl(2), PR_SET_MDWE; systemd's MemoryDenyWriteExecute=). Each
 * function that is bound costs, so a process binds what it uses when it uses it.
 */
export function bind<const Functions extends Record<string, FFIFunction>>(functions: Functions) {
  try {
    return dlopen('libc.so.6', functions).symbols
  } catch (error) {
    // An error with a code is about the functions.
    if (error instanceof TypeError && !('code' in error)) return undefined
    throw error
  }
}

/** The remedy where the C library is needed and cannot be called. */
export const hint = 'lift MemoryDenyWriteExecute= from the unit that this was started by'

/** Bytes of the C library's own, in place. */
export const memory = (address: Pointer | bigint, offset: number, length: number): Uint8Array =>
  // The types allow for addresses as either kind of number, and this function for one.
  new Uint8Array(toArrayBuffer(Number(address) as Pointer, offset, length))
