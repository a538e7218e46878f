// A web server of the runtime: TCP with or without TLS, or a unix socket behind a proxy.
import { chmodSync, rmSync } from 'node:fs'
import { Fault } from '../../../src/base/fault.ts'
import { codeOf } from '../files/errno.ts'

export type ListenAt =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string }

export type ServerOptions = {
  readonly at: ListenAt
  readonly tls?: { readonly cert: string; readonly key: string }
  /** How many proxies append to X-Forwarded-For. */
  readonly proxies: number
  readonly answer: (request: Request, address: string) => Promise<Response>
}

export type HttpServer = {
  /** Where it listens; the port that the kernel chose for port 0. */
  readonly address: string
  /** Takes no new connection and waits for what is being answered. */
  readonly stop: () => Promise<void>
}

const largestBody = 64 << 10
const idleSeconds = 30

export function listenHttp({ at, tls, proxies, answer }: ServerOptions): HttpServer {
  const common = {
    maxRequestBodySize: largestBody,
    development: false,
    ...(tls ? { tls: { cert: tls.cert, key: tls.key, lowMemoryMode: true } } : {}),
    fetch: (request: Request, server: Bun.Server<undefined>) =>
      answer(request, forwardedAddress(request, proxies) ?? server.requestIP(request)?.address ?? ''),
    error: () => new Response(null, { status: 500 }),
  }
  try {
    if (at.kind === 'unix') rmSync(at.path, { force: true })
    const server =
      at.kind === 'unix'
        ? Bun.serve({ ...common, unix: at.path })
        : Bun.serve({ ...common, hostname: at.host, port: at.port, idleTimeout: idleSeconds })
    // The mode of its directory says who may connect.
    if (at.kind === 'unix') chmodSync(at.path, 0o666)
    const address = at.kind === 'unix' ? at.path : `${at.host}:${server.port}`
    return {
      address,
      stop: async () => {
        // Its promise would wait for connections that are only kept open.
        void server.stop()
        for (let tries = 0; tries < 150 && server.pendingRequests > 0; tries++) await Bun.sleep(20)
        await server.stop(true)
      },
    }
  } catch (error) {
    const where = at.kind === 'unix' ? at.path : `${at.host}:${at.port}`
    throw new Fault(`cannot listen at ${where}: ${codeOf(error)}`, { hint: 'see the keys listen and tls_…' })
  }
}

/** The last address that the outermost of our proxies wrote; the addresses before it come from the client. */
function forwardedAddress(request: Request, proxies: number): string | undefined {
  if (proxies === 0) return undefined
  const list = (request.headers.get('x-forwarded-for') ?? '').split(',').map((item) => item.trim())
  const address = list.at(-proxies) ?? ''
  return /^[\da-fA-F:.]{2,45}$/.test(address) ? address : ''
}
