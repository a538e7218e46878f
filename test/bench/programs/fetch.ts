// The least a Bun program can do to ask the portal one thing over TLS: no configuration, no state, no policy.
import { readFileSync } from 'node:fs'

const [url = '', ca = ''] = [process.env['BENCH_URL'] ?? process.argv[2], process.env['BENCH_CA'] ?? process.argv[3]]
const reply = await fetch(url, { tls: { ca: readFileSync(ca, 'utf8'), rejectUnauthorized: true }, redirect: 'error' })
await reply.text()
process.exit(reply.status === 200 ? 0 : 1)
