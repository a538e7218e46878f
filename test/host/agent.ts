// Runs inside the lab's private network: brings the loopback up without iproute2 and carries requests of the test
// process, which lives outside, to servers inside. One JSON object a line in, one a line out.
import { dlopen, FFIType, ptr } from 'bun:ffi'

type Relayed = { readonly id: number; readonly url: string; readonly body: string }

const internet = 2 // AF_INET
const datagram = 2 // SOCK_DGRAM
const getFlags = 0x8913 // SIOCGIFFLAGS, netdevice(7)
const setFlags = 0x8914 // SIOCSIFFLAGS
const interfaceUp = 1 // IFF_UP

function raiseLoopback(): boolean {
  const libc = dlopen('libc.so.6', {
    socket: { args: [FFIType.i32, FFIType.i32, FFIType.i32], returns: FFIType.i32 },
    ioctl: { args: [FFIType.i32, FFIType.u64, FFIType.ptr], returns: FFIType.i32 },
  })
  const request = new Uint8Array(40) // struct ifreq: 16 bytes of name, then the flags
  request.set(new TextEncoder().encode('lo'))
  const socket = libc.symbols.socket(internet, datagram, 0)
  const asked = libc.symbols.ioctl(socket, BigInt(getFlags), ptr(request))
  request[16] = request[16]! | interfaceUp
  const raised = libc.symbols.ioctl(socket, BigInt(setFlags), ptr(request))
  return socket >= 0 && asked >= 0 && raised >= 0
}

async function relay(line: string): Promise<void> {
  const asked: Relayed = JSON.parse(line)
  try {
    const headers = { 'content-type': 'application/json' }
    const reply = await fetch(asked.url, { method: 'POST', headers, body: asked.body, proxy: '' })
    console.log(JSON.stringify({ id: asked.id, status: reply.status, text: await reply.text() }))
  } catch (error) {
    console.log(JSON.stringify({ id: asked.id, status: 0, text: String(error) }))
  }
}

const up = raiseLoopback()
console.log(JSON.stringify({ id: 0, status: up ? 200 : 500, text: up ? 'up' : 'the loopback cannot be brought up' }))
for await (const line of console) if (line !== '') relay(line)
