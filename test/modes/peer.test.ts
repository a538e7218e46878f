// What /proc says about who is at the other end, asked about this process.
import { expect, test } from 'bun:test'
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { peerProcesses } from '../../modes/peer.ts'

/** The source of a process whose only connection comes from this address, through a socket for IPv4 and IPv6 alike. */
async function sourceOf(address: string): Promise<string> {
  const server: Server = createServer()
  server.listen({ host: '::', port: 0, ipv6Only: false })
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const connected = once(server, 'connection')
  const client = Bun.spawn(
    [
      process.execPath,
      '-e',
      `require('node:net').connect({ host: '127.0.0.1', port: ${port}, localAddress: '${address}' })`,
    ],
    { stdout: 'ignore', stderr: 'ignore' },
  )
  const [socket] = (await connected) as [Socket]
  const source = peerProcesses.source(process.pid)
  socket.destroy()
  server.close()
  client.kill()
  await client.exited
  return source
}

test('two IPv4 addresses are two sources, also behind a socket that takes IPv6 too', async () => {
  const sources = [await sourceOf('127.0.0.1'), await sourceOf('127.0.0.2')]
  expect(sources).not.toContain('unknown')
  expect(new Set(sources).size).toBe(2)
})
