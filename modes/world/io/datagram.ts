// One message to a unix socket, for syslog and for systemd: Bun has no API for datagrams.
import { bind, ptr } from './ffi.ts'

const open = () =>
  bind({
    socket: { args: ['i32', 'i32', 'i32'], returns: 'i32' },
    connect: { args: ['i32', 'ptr', 'u32'], returns: 'i32' },
    send: { args: ['i32', 'ptr', 'u64', 'i32'], returns: 'i64' },
    close: { args: ['i32'], returns: 'i32' },
  })

let libc: ReturnType<typeof open>

const AF_UNIX = 1
const SOCK_DGRAM = 2
const SOCK_CLOEXEC = 0o2000000
const MSG_DONTWAIT = 0x40
const MSG_NOSIGNAL = 0x4000

/**
 * One datagram to a unix socket, never waiting; false when no process listens or the receiver is full, undefined where
 * the C library cannot be called.
 */
export function sendDatagram(path: string, message: Uint8Array): boolean | undefined {
  libc ??= open()
  if (!libc) return undefined
  const { socket, connect, send, close } = libc
  const name = new TextEncoder().encode(path)
  const address = new Uint8Array(2 + name.length + 1)
  address[0] = AF_UNIX
  address.set(name, 2)
  const descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)
  if (descriptor < 0) return false
  try {
    if (connect(descriptor, ptr(address), address.length) !== 0) return false
    return Number(send(descriptor, ptr(message), BigInt(message.length), MSG_DONTWAIT | MSG_NOSIGNAL)) > 0
  } finally {
    close(descriptor)
  }
}
