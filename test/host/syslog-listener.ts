// Takes every datagram sent to a unix socket and appends it to a file: usage: bun syslog-listener.ts SOCKET FILE
import { dlopen, ptr } from 'bun:ffi'
import { appendFileSync } from 'node:fs'

const [, , path = '', file = ''] = process.argv
const { socket, bind, recv } = dlopen('libc.so.6', {
  socket: { args: ['i32', 'i32', 'i32'], returns: 'i32' },
  bind: { args: ['i32', 'ptr', 'u32'], returns: 'i32' },
  recv: { args: ['i32', 'ptr', 'u64', 'i32'], returns: 'i64' },
}).symbols

const name = new TextEncoder().encode(path)
const address = new Uint8Array(2 + name.length + 1)
address[0] = 1 // AF_UNIX
address.set(name, 2)
const descriptor = socket(1, 2, 0)
if (bind(descriptor, ptr(address), address.length) !== 0) throw new Error(`cannot listen on ${path}`)
console.log('listening')
const message = new Uint8Array(65_536)
for (;;) {
  const length = Number(recv(descriptor, ptr(message), BigInt(message.length), 0))
  if (length < 0) break
  appendFileSync(file, message.subarray(0, length))
  appendFileSync(file, '\n')
}
