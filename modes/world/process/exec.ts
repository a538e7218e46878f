// Becomes another program (execve(2)): the runtime can only start one beside itself, and a session of hours should not
// keep it in memory, nor stand between a terminal and its program.
import { Fault } from '../../../src/base/fault.ts'
import { bind, hint, ptr } from '../io/ffi.ts'

/** Does not return. The environment is given as `NAME=value`. */
export function become(program: string, argv: readonly string[], environment: readonly string[]): never {
  const libc = bind({
    execve: { args: ['ptr', 'ptr', 'ptr'], returns: 'i32' },
    fcntl: { args: ['i32', 'i32', 'i32'], returns: 'i32' },
  })
  if (!libc) throw new Fault(`${program} cannot be started`, { hint })
  unblock(libc.fcntl)
  // What a pointer points to must stay reachable until the call.
  const texts: Uint8Array[] = []
  const text = (value: string): bigint => {
    const bytes = new TextEncoder().encode(`${value}\0`)
    texts.push(bytes)
    return BigInt(ptr(bytes))
  }
  const vector = (values: readonly string[]) => BigUint64Array.from([...values.map(text), 0n])
  const [list, settings] = [vector(argv), vector(environment)]
  const path = new TextEncoder().encode(`${program}\0`)
  libc.execve(ptr(path), ptr(list), ptr(settings))
  throw new Fault(`${program} cannot be started`, { hint: 'install the package that it belongs to' })
}

const F_GETFL = 3
const F_SETFL = 4
const O_NONBLOCK = 0o4000

// The runtime may have made them non-blocking; that stays with the open file, and other programs stumble over it.
function unblock(fcntl: (descriptor: number, command: number, value: number) => number): void {
  for (const descriptor of [0, 1, 2]) {
    const flags = fcntl(descriptor, F_GETFL, 0)
    if (flags >= 0 && (flags & O_NONBLOCK) !== 0) fcntl(descriptor, F_SETFL, flags & ~O_NONBLOCK)
  }
}
