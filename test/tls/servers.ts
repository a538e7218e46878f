// Servers that speak TLS well, badly or not at all: openssl s_server for whatever a real one does, sockets of our own
// for what no real one should.

import { afterAll } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Socket } from 'bun'
import type { Issued } from './authority.ts'

// A test that fails stops nothing: whatever still runs ends with the last test.
const running = new Set<Bun.Subprocess>()
afterAll(() => {
  for (const child of running) child.kill()
})

export type Served = { readonly port: number; readonly stop: () => void }

const answer = 'HTTP/1.0 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}'

/** `openssl s_server`, which answers every GET of /ok with {}. */
export async function opensslServer(dir: string, issued: Issued, ...options: readonly string[]): Promise<Served> {
  writeFileSync(join(dir, 'ok'), answer)
  const at = options.includes('-6') ? '[::1]:0' : '127.0.0.1:0'
  const child = Bun.spawn(
    [
      ...['openssl', 's_server', '-accept', at, '-HTTP', '-cert', issued.cert, '-key', issued.key],
      ...options.filter((option) => option !== '-6'),
    ],
    { cwd: dir, stdin: 'ignore', stdout: 'pipe', stderr: 'ignore' },
  )
  running.add(child)
  const decoder = new TextDecoder()
  let text = ''
  for await (const part of child.stdout) {
    text += decoder.decode(part)
    const port = /^ACCEPT .*:(\d+)$/m.exec(text)?.[1]
    if (port !== undefined) return { port: Number(port), stop: () => child.kill() }
  }
  throw new Error(`openssl s_server ended: ${text}`)
}

type Talk = {
  readonly onOpen?: (socket: Socket) => void
  readonly onData?: (socket: Socket, data: Uint8Array) => void
  /** Speaks TLS with this certificate, else plain TCP. */
  readonly issued?: Issued
}

export function socketServer({ onOpen, onData, issued }: Talk): Served {
  const listener = Bun.listen({
    hostname: '127.0.0.1',
    port: 0,
    socket: {
      open: (socket) => onOpen?.(socket),
      data: (socket, data) => onData?.(socket, data),
      error: () => undefined,
    },
    ...(issued === undefined ? {} : { tls: { cert: issued.certPem, key: issued.keyPem } }),
  })
  return { port: listener.port, stop: () => listener.stop(true) }
}

/** Answers a request with these bytes, one piece at a time. */
export const answering = (issued: Issued, pieces: readonly (string | Uint8Array)[], pauseMs = 0): Served =>
  socketServer({
    issued,
    onData: (socket) => {
      const next = (i: number): void => {
        const piece = pieces[i]
        if (piece === undefined) return void socket.end()
        socket.write(piece)
        if (pauseMs === 0) next(i + 1)
        else setTimeout(() => next(i + 1), pauseMs)
      }
      next(0)
    },
  })

/** Passes bytes on to another port of this machine, and its answers back a few at a time. */
export const passingOn = (target: number, size: number, pauseMs: number): Served => {
  const peers = new Map<Socket, Promise<Socket>>()
  return socketServer({
    onOpen: (socket) => {
      let turn = Promise.resolve()
      const back = async (data: Uint8Array): Promise<void> => {
        for (let at = 0; at < data.length; at += size) {
          await Bun.sleep(pauseMs)
          socket.write(data.subarray(at, at + size))
        }
      }
      const data = (_peer: Socket, bytes: Uint8Array): void => {
        const copy = Uint8Array.from(bytes)
        turn = turn.then(() => back(copy))
      }
      peers.set(socket, Bun.connect({ hostname: '127.0.0.1', port: target, socket: { data } }))
    },
    onData: async (socket, data) => {
      const bytes = Uint8Array.from(data)
      const peer = await peers.get(socket)
      peer?.write(bytes)
    },
  })
}

/** An HTTP proxy for CONNECT (RFC 9110 §9.3.6) that remembers where it was asked to go. */
export function connectProxy(verdict = '200 OK'): Served & { readonly asked: string[] } {
  const asked: string[] = []
  const peers = new Map<Socket, Socket>()
  const served = socketServer({
    onData: async (socket, data) => {
      const peer = peers.get(socket)
      if (peer) return void peer.write(data)
      const head = new TextDecoder().decode(data)
      const [, host = '', port = ''] = /^CONNECT (.+):(\d+) HTTP\/1\.1\r\n/.exec(head) ?? []
      asked.push(head.split('\r\n')[0] ?? '')
      if (host !== '' && verdict.startsWith('200'))
        peers.set(
          socket,
          await Bun.connect({
            hostname: host.replace(/^\[|\]$/g, ''),
            port: Number(port),
            socket: { data: (_peer, back) => void socket.write(back), close: () => void socket.end() },
          }),
        )
      socket.write(`HTTP/1.1 ${verdict}\r\n\r\n`)
    },
  })
  return { ...served, asked }
}
