// One challenge in a browser, for as long as it can be answered. `ob gpg ask` starts it as a user that owns nothing;
// what to show comes on standard input, and nothing is written anywhere.
import { closeSync, openSync } from 'node:fs'
import { Fault } from '../../src/base/fault.ts'
import { allowed } from '../../src/base/outcome.ts'
import { qrDrawing } from '../../src/base/qr-code.ts'
import { formatPage, isAuthorized, type PageOrder, pageHeaders, parsePageOrder } from '../../src/gpg/page-format.ts'
import { ended, type Mode, usage } from '../run/mode.ts'
import { processSeed } from '../world/process/connection-id.ts'

const mostInput = 1 << 19

export const mode: Mode = {
  run: async (args, world) => {
    if (args.length > 0) return usage('gpg-page is what ob gpg ask runs; it takes no arguments')
    if (world.userId === 0) throw new Fault('gpg-page must not run as root')
    const order = parsePageOrder(world.stdin(mostInput))
    if (!order) return usage('gpg-page is what ob gpg ask runs')
    const server = listen(order, world.random(1)[0] ?? 0)
    world.stdout(JSON.stringify({ port: server.port, pid: process.pid }))
    detach()
    const until = world.monotonic() + order.seconds * 1000
    while (world.monotonic() < until && isAlive(order.caller)) await world.sleep(1)
    await server.stop(true)
    return ended(allowed('done'))
  },
}

/** The program that started us waits until these are closed; nothing that is opened later may take their numbers. */
function detach(): void {
  for (const descriptor of [0, 1, 2]) {
    closeSync(descriptor)
    openSync('/dev/null', 'r+')
  }
}

/** On the first free port, from a different one each time. */
function listen(order: PageOrder, start: number) {
  const { firstPort, lastPort } = order
  const count = lastPort - firstPort + 1
  for (let tries = 0; tries < count; tries++) {
    try {
      return serve(order, firstPort + ((start + tries) % count))
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error
    }
  }
  throw new Fault(`no port from ${firstPort} to ${lastPort} is free`)
}

function serve({ address, armored, login, tls }: PageOrder, port: number) {
  const body = formatPage(armored, qrDrawing(armored))
  return Bun.serve({
    hostname: address,
    port,
    reusePort: false,
    idleTimeout: 10,
    maxRequestBodySize: 1,
    ...(tls ? { tls: { key: tls.key, cert: tls.certificate } } : {}),
    fetch: (request) => {
      if (request.method !== 'GET' || new URL(request.url).pathname !== '/')
        return new Response('', { status: 404, headers: pageHeaders })
      if (!isAuthorized(request.headers.get('authorization'), login)) {
        const headers = { ...pageHeaders, 'www-authenticate': 'Basic realm="challenge", charset="UTF-8"' }
        return new Response('', { status: 401, headers })
      }
      return new Response(body, { headers: pageHeaders })
    },
    error: () => new Response('', { status: 500 }),
  })
}

/** Whether the login is still there. Where /proc is hidden it is taken to be. */
function isAlive(caller: string): boolean {
  try {
    return processSeed(Number(caller.split(' ')[1])) === caller
  } catch {
    return isHidden()
  }
}

const isHidden = (): boolean => {
  try {
    processSeed(1)
    return false
  } catch {
    return true
  }
}
