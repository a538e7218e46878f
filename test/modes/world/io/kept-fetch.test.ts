// Connections that are kept, against a TLS server that forgets them as a network does: it listens and says nothing.
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import { keptFetch } from '../../../../modes/world/io/kept-fetch.ts'
import { serverIdentity } from '../../../portal/certificates.ts'

const directory = mkdtempSync(join(tmpdir(), 'ob-kept-'))
const identity = serverIdentity(directory, ['localhost'])
let server: Server
let port = 0
let connections = 0
let keepAlive = ''
/** Connections up to this one are forgotten. */
let forgotten = 0
const open = new Set<TLSSocket>()

beforeAll(async () => {
  server = createServer({ key: identity.key, cert: identity.cert }, (socket: TLSSocket) => {
    const number = ++connections
    open.add(socket)
    socket.on('error', () => undefined)
    socket.on('data', () => {
      if (number <= forgotten) return
      const text = String(number)
      socket.write(`HTTP/1.1 200 OK\r\n${keepAlive}Content-Length: ${text.length}\r\n\r\n${text}`)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as { readonly port: number }).port
})

afterAll(() => {
  server.close()
  // Or this process would keep them.
  for (const socket of open) socket.destroy()
  rmSync(directory, { recursive: true })
})

let now = 0
const fetch = keptFetch(() => now)
const tls = { ca: identity.caPem, minVersion: 0x0304 as const, pins: [] }
const ask = async (limit = 20_000): Promise<string> => {
  const init = { method: 'POST', body: '{}', signal: AbortSignal.timeout(limit) }
  return (await fetch(`https://localhost:${port}/`, init, tls, undefined)).text()
}

test('one connection serves many questions, and one that was idle for long serves none', async () => {
  const first = await ask()
  now += 49_000
  expect(await ask()).toBe(first)
  now += 51_000
  forgotten = Number(first)
  const second = await ask()
  expect(Number(second)).toBeGreaterThan(Number(first))
  expect(await ask()).toBe(second)
})

test('a server that says how long it waits is believed', async () => {
  keepAlive = 'Keep-Alive: timeout=5, max=100\r\n'
  await ask()
  const first = await ask()
  now += 3_900
  expect(await ask()).toBe(first)
  now += 4_100
  expect(await ask()).not.toBe(first)
  keepAlive = ''
})

test('after a question that failed, no connection of before is used', async () => {
  const kept = await Promise.all([ask(), ask(), ask()])
  forgotten = Math.max(...kept.map(Number))
  await expect(ask(300)).rejects.toThrow()
  expect(Number(await ask())).toBeGreaterThan(forgotten)
})
