// The stand-in service as a program, for tests on a real sshd:  bun test/weblogin/main.ts PORT CREDENTIAL
//   curl -d '["HANDLE"]' http://127.0.0.1:PORT/control/confirm      →  "BCD-FGH-JKL"
import { createService, type Lie } from './stand-in.ts'

const [port = '0', credential = ''] = process.argv.slice(2)
const base = `http://127.0.0.1:${port}`
const service = createService(base, credential)

const approved = (user: string, seconds: number) => ({
  ...{ approved: true, user, subject: user, issuer: 'https://idp.example.test', groups: [] },
  approval_expires_at: Math.floor(Date.now() / 1000 + seconds),
})

const lies: Readonly<Record<string, Lie | undefined>> = {
  none: undefined,
  html: () => new Response('<html>', { headers: { 'content-type': 'text/html' } }),
  fails: () => new Response('', { status: 500 }),
  slow: async (_path, honest) => {
    await Bun.sleep(20_000)
    return honest()
  },
  approvesOther: () => Response.json(approved('bob', 300)),
  approvesForEver: () => Response.json(approved('alice', 1e9)),
  approves: () => Response.json(approved('alice', 300)),
  moduleCached: () => Response.json({ result: 'OK', cached: true, username: 'una', info: '' }, { status: 201 }),
  moduleOther: (path, honest) =>
    path === '/start' ? honest() : Response.json({ result: 'SUCCESS', username: 'una.smith' }, { status: 201 }),
  huge: () => Response.json({ result: 'confirmed', user: 'x'.repeat(1 << 20) }),
}

Bun.serve({
  hostname: '127.0.0.1',
  port: Number(port),
  idleTimeout: 60,
  fetch: async (request) => {
    const verb = /^\/control\/(\w+)$/.exec(new URL(request.url).pathname)?.[1]
    if (verb === undefined) return service.answer(request)
    const args = (await request.json()) as unknown[]
    if (verb === 'lie') return Response.json(service.lie(lies[String(args[0])]) ?? null)
    const work = Reflect.get(service, verb) as (...args: readonly unknown[]) => unknown
    return Response.json((await work(...args)) ?? null)
  },
})
console.log('ready')
