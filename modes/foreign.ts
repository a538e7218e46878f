// bun:ffi, for whoever calls the C library. Not imported outright, because what sshd runs for every offered key calls
// nothing there as a rule, and loading it takes 0.3 M instructions.
type Foreign = typeof import('bun:ffi')

let loaded: Foreign | undefined

/** For a process that will need it: loading it only when it is asked for takes twice as long. */
export const loadForeign = async (): Promise<void> => {
  loaded = await import('bun:ffi')
}

export function foreign(): Foreign {
  loaded ??= require('bun:ffi') as Foreign
  return loaded
}
