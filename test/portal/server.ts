// The stand-in portal behind TLS on the loopback.
import { serverIdentity } from './certificates.ts'
import type { Control } from './control.ts'
import { createPortal } from './portal.ts'
import type { PortalOptions } from './state.ts'

export type ServeOptions = Omit<PortalOptions, 'url'> & {
  /** Where the certificates go; those of an earlier run for the same names are used again. */
  readonly dir: string
  /** Host names and addresses of the certificate; the first one is in the portal's URL. */
  readonly names?: readonly string[]
  /** 0 for any. */
  readonly port?: number
  readonly address?: string
  /** The one protocol version spoken: 1.3 unless given. */
  readonly tls?: '1.2' | '1.3'
}

/** What only a portal with a socket can do. */
export type ServerControl = Control & {
  /** Breaks every connection and listens again; nothing is forgotten. */
  readonly restart: () => Promise<void>
  /** Stops listening: connections are refused until `start`. */
  readonly halt: () => Promise<void>
  readonly start: () => void
}

export type ServedPortal = {
  readonly url: string
  readonly port: number
  readonly caPath: string
  readonly caPem: string
  readonly pin: string
  readonly control: ServerControl
  readonly stop: () => Promise<void>
}

// SSL_OP_NO_TLSv1, _1, _2 and _3 of OpenSSL.
const forbiddenVersions = { '1.2': 0x04000000 | 0x10000000 | 0x20000000, '1.3': 0x04000000 | 0x10000000 | 0x08000000 }

// A body that fails before its first byte makes Bun reset the connection without a status line.
const breakOff = (): Response => new Response(new ReadableStream({ pull: (controller) => controller.error() }))

export const servePortal = (options: ServeOptions): ServedPortal => {
  const { dir, names = ['localhost', '127.0.0.1'], address = '127.0.0.1', tls = '1.3', ...rest } = options
  const identity = serverIdentity(dir, names)
  const handler = { current: async (_: Request): Promise<Response> => breakOff() }
  const listen = (port: number) =>
    Bun.serve({
      hostname: address,
      port,
      idleTimeout: 255,
      tls: { cert: identity.cert, key: identity.key, secureOptions: forbiddenVersions[tls] },
      fetch: async (request) => {
        try {
          return await handler.current(request)
        } catch (thrown) {
          if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ECONNRESET') return breakOff()
          console.error(thrown)
          return new Response('Internal Server Error', { status: 500 })
        }
      },
    })
  let server: ReturnType<typeof listen> | undefined = listen(options.port ?? 0)
  const port = server.port ?? 0
  const url = `https://${names[0]}:${port}`
  const portal = createPortal({ ...rest, url })
  handler.current = portal.handle
  const halt = async (): Promise<void> => {
    await server?.stop(true)
    server = undefined
  }
  const start = (): void => {
    server ??= listen(port)
  }
  const restart = async (): Promise<void> => {
    await halt()
    start()
  }
  const { caPath, caPem, pin } = identity
  return { url, port, caPath, caPem, pin, control: { ...portal.control, restart, halt, start }, stop: halt }
}
