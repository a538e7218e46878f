// The stand-in portal as a program, for tests that are steered by a shell:
//   bun test/portal/main.ts --port N --control-port M --dir DIR [--host NAME]… [--address A] [--tls 1.2]
//   curl -d '{"user":"dwho"}' http://127.0.0.1:M/control/mintToken      →  {"result":"…"}
import { parseArgs } from 'node:util'
import { servePortal } from './server.ts'

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    'control-port': { type: 'string', default: '0' },
    dir: { type: 'string' },
    host: { type: 'string', multiple: true, default: ['localhost', '127.0.0.1'] },
    address: { type: 'string', default: '127.0.0.1' },
    tls: { type: 'string', default: '1.3' },
  },
})
if (values.dir === undefined) throw new Error('--dir DIR is missing: the directory for the certificates')

const served = servePortal({
  dir: values.dir,
  names: values.host,
  port: Number(values.port),
  address: values.address,
  tls: values.tls === '1.2' ? '1.2' : '1.3',
})

type Verb = (argument: unknown) => unknown
// Each verb takes one plain object; what a test sends is the test's own business.
const verbs = new Map(Object.entries(served.control)) as ReadonlyMap<string, Verb>

const answer = async (request: Request): Promise<Response> => {
  const name = /^\/control\/(\w+)$/.exec(new URL(request.url).pathname)?.[1] ?? ''
  const verb = verbs.get(name)
  if (request.method !== 'POST' || verb === undefined) {
    return Response.json({ error: 'POST /control/<verb>', verbs: [...verbs.keys()] }, { status: 404 })
  }
  try {
    const text = await request.text()
    return Response.json({ result: (await verb(text === '' ? {} : JSON.parse(text))) ?? null })
  } catch (thrown) {
    return Response.json({ error: String(thrown) }, { status: 400 })
  }
}

const control = Bun.serve({
  hostname: '127.0.0.1',
  port: Number(values['control-port']),
  idleTimeout: 0,
  fetch: answer,
})

console.log(
  JSON.stringify({
    url: served.url,
    control: `http://127.0.0.1:${control.port}/control`,
    ca: served.caPath,
    pin: served.pin,
    pid: process.pid,
  }),
)

process.on('SIGTERM', () => process.exit(0))
process.on('SIGINT', () => process.exit(0))
