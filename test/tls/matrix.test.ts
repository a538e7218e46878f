// What a TLS peer can be, and what this program makes of it: one row a peer. An answer is believed, unreachable is
// weather, garbled is nonsense from the right peer, and a fault is a peer that is not the portal.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ask } from './ask.ts'
import { type Authority, type Issued, makeAuthority } from './authority.ts'
import { answering, connectProxy, opensslServer, passingOn, type Served, socketServer } from './servers.ts'

// Longer than the longest timeout of a request, so that a busy machine fails no row.
setDefaultTimeout(30_000)

let dir: string
let authority: Authority
let other: Authority
let good: Issued
let below: Issued
let self: Issued

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'ob-tls-'))
  authority = makeAuthority(join(dir, 'a'))
  other = makeAuthority(join(dir, 'b'))
  good = authority.issue('good')
  below = authority.issue('below', { below: true })
  self = authority.selfSigned('self')
})
afterAll(() => rmSync(dir, { recursive: true }))

type Peer = Served | Promise<Served>
type Options = {
  readonly host?: string
  readonly ca?: () => string
  readonly lines?: readonly string[]
  readonly seconds?: number
}
type Row = readonly [name: string, peer: () => Peer, expected: RegExp, options?: Options]

const openssl = (issued: Issued, ...options: readonly string[]): Peer => opensslServer(dir, issued, ...options)

async function outcomeOf(
  peer: Peer,
  { host = 'localhost', ca, lines = [], seconds = 10 }: Options = {},
): Promise<string> {
  const served = await peer
  try {
    return await ask({ url: `https://${host}:${served.port}`, ca: ca?.() ?? authority.pem, lines, seconds })
  } finally {
    served.stop()
  }
}

/** Only rows that end in time need to be short of it. */
const patience = (expected: RegExp): number => (expected.source.includes('in time') ? 1 : 10)

const alsoOld = ['min_tls_version = 12']

const rows: readonly Row[] = [
  // versions
  ['TLS 1.3', () => openssl(good, '-tls1_3'), /^answer 200$/],
  ['TLS 1.2 only', () => openssl(good, '-tls1_2'), /^fault refused: .*handshake.*min_tls_version/],
  ['TLS 1.2 only where that is allowed', () => openssl(good, '-tls1_2'), /^answer 200$/, { lines: alsoOld }],
  [
    'TLS 1.1 only where 1.2 is allowed',
    () => openssl(good, '-tls1_1', '-cipher', 'DEFAULT@SECLEVEL=0'),
    /^fault refused: .*handshake/,
    { lines: alsoOld },
  ],
  // certificates
  [
    'a certificate for another host',
    () => openssl(authority.issue('elsewhere', { names: ['other.example'] })),
    /^fault refused: .*another host/,
  ],
  ['the certificate of another authority', () => openssl(good), /^fault refused: .*authority/, { ca: () => other.pem }],
  [
    'an expired certificate',
    () => openssl(authority.issue('old', { from: -20, until: -1 })),
    /^fault refused: .*expired/,
  ],
  [
    'a certificate that is not valid yet',
    () => openssl(authority.issue('new', { from: 1, until: 20 })),
    /^fault refused: .*not valid yet.*clock/,
  ],
  ['a self-signed certificate', () => openssl(self), /^fault refused: .*self-signed/],
  ['a self-signed one that ca_cert names', () => openssl(self), /^answer 200$/, { ca: () => self.certPem }],
  [
    'a certificate for clients',
    () => openssl(authority.issue('client', { usage: 'clientAuth' })),
    /^fault refused: .*not one for servers/,
  ],
  ['an intermediate that is missing', () => openssl(below), /^fault refused: .*authority/],
  ['an intermediate that is there', () => openssl(below, '-cert_chain', below.chain), /^answer 200$/],
  [
    'a server that wants our certificate',
    () => openssl(good, '-Verify', '1'),
    /^fault refused: .*no certificate from us/,
  ],
  ['an IPv4 literal', () => openssl(good), /^answer 200$/, { host: '127.0.0.1' }],
  ['an IPv6 literal', () => openssl(good, '-6'), /^answer 200$/, { host: '[::1]' }],
  [
    'an IPv6 literal that the certificate does not name',
    () => openssl(authority.issue('v4', { names: ['localhost', '127.0.0.1'] }), '-6'),
    /^fault refused: .*another host/,
    { host: '[::1]' },
  ],
  // no TLS at all
  [
    'plain HTTP on this port',
    () => socketServer({ onData: (socket) => void socket.write('HTTP/1.1 400 Bad Request\r\n\r\n') }),
    /^fault refused: .*handshake/,
  ],
  [
    'ssh on this port',
    () => socketServer({ onOpen: (socket) => void socket.write('SSH-2.0-OpenSSH_9.2\r\n') }),
    /^fault refused: .*handshake/,
  ],
  // weather
  ['a peer that accepts and says nothing', () => socketServer({}), /^unreachable: .*in time/],
  [
    'a peer that hangs up',
    () => socketServer({ onOpen: (socket) => void socket.end() }),
    /^unreachable: no connection/,
  ],
  [
    'a peer that resets',
    () => socketServer({ onOpen: (socket) => void socket.terminate() }),
    /^unreachable: no connection/,
  ],
  [
    'a peer that hangs up in the handshake',
    () => socketServer({ onData: (socket) => void socket.end() }),
    /^unreachable: no connection/,
  ],
  ['nobody', () => ({ port: 1, stop: () => undefined }), /^unreachable: no connection.*ECONNREFUSED/],
]
// A row that is shorter than the test's parameters would make bun:test wait for a callback.
const named = <R extends readonly [string, ...unknown[]]>(list: readonly R[]) =>
  list.map((row) => [row[0], row] as const)

test.each(named(rows))('%s', async (_name, [, peer, expected, options]) => {
  expect(await outcomeOf(peer(), { seconds: patience(expected), ...options })).toMatch(expected)
})

test.each([
  ['a handshake that takes too long', 20, 40, /^unreachable: .*in time/],
  ['a handshake in small pieces', 200, 1, /^answer 200$/],
] as const)('%s', async (_name, size, pause, expected) => {
  const target = await openssl(good)
  expect(await outcomeOf(passingOn(target.port, size, pause), { seconds: patience(expected) })).toMatch(expected)
  target.stop()
})

const head = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n'
const bomb = Bun.gzipSync(Buffer.alloc(64 << 20))
const told = (length: number): string => `${head}content-length: ${length}\r\n\r\n`

const answers: readonly (readonly [string, readonly (string | Uint8Array)[], RegExp, number?])[] = [
  ['headers that dribble', [...head], /^unreachable: .*in time/, 60],
  ['a body that dribbles', [told(100), ...'x'.repeat(100)], /^unreachable: .*in time/, 60],
  ['no end of provisional answers', Array(200).fill('HTTP/1.1 100 Continue\r\n\r\n'), /^unreachable: .*in time/, 20],
  ['a body that ends too early', [told(100), '{'], /^unreachable: no connection/],
  ['chunks that end too early', [`${head}transfer-encoding: chunked\r\n\r\n5\r\nab`], /^unreachable: no connection/],
  ['a body that ends with the connection', [`${head}\r\n{}`], /^answer 200$/],
  ['more than 256 KiB', [told(300_000), 'x'.repeat(300_000)], /^garbled: .*larger/],
  [
    '64 MiB in 64 KiB of gzip',
    [`${head}content-encoding: gzip\r\ncontent-length: ${bomb.length}\r\n\r\n`, bomb],
    /^garbled: .*larger/,
  ],
  ['what is not gzip', [`${head}content-encoding: gzip\r\ncontent-length: 4\r\n\r\nabcd`], /^garbled: .*not HTTP/],
  ['three megabytes of header', [`${head}x: ${'y'.repeat(3 << 20)}\r\n\r\n`], /^garbled: .*not HTTP.*TooLarge/],
  ['five thousand headers', [`${head}${'x: y\r\n'.repeat(5000)}\r\n`], /^garbled: .*not HTTP/],
  ['two lengths', [`${head}content-length: 2\r\ncontent-length: 3\r\n\r\n{}x`], /^garbled: .*not HTTP/],
  ['a chunk without a length', [`${head}transfer-encoding: chunked\r\n\r\nZZ\r\n`], /^garbled: .*not HTTP/],
  ['a zero byte in a header', [`${head}x: a\0b\r\n\r\n`], /^garbled: .*not HTTP/],
  ['another protocol', ['HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n'], /^garbled: .*not HTTP/],
]
test.each(named(answers))('inside TLS, %s', async (_name, [, pieces, expected, pause]) => {
  expect(await outcomeOf(answering(good, pieces, pause), { seconds: patience(expected) })).toMatch(expected)
})

test('a redirect to plain HTTP is not followed', async () => {
  let visits = 0
  const trap = socketServer({ onOpen: () => void visits++ })
  const location = `location: http://127.0.0.1:${trap.port}/`
  const peer = answering(good, [`HTTP/1.1 302 Found\r\n${location}\r\ncontent-length: 0\r\n\r\n`])
  expect(await outcomeOf(peer)).toBe('answer 302')
  expect(visits).toBe(0)
  trap.stop()
})

const wrongPin = `sha256//${'A'.repeat(43)}=`
const pins: readonly (readonly [string, () => string, RegExp])[] = [
  ['the right one', () => good.pin, /^answer 200$/],
  ['a wrong one', () => wrongPin, /^fault refused: .*matches none of cert_pin/],
  ['of two, the one in use, before a change of keys', () => `${good.pin};${self.pin}`, /^answer 200$/],
  ['of two, the one in use, after it', () => `${self.pin};${good.pin}`, /^answer 200$/],
  ['the authority’s, which is not the portal’s', () => below.pin, /^fault refused: .*matches none of cert_pin/],
]
test.each(pins)('a pin: %s', async (_name, pin, expected) => {
  expect(await outcomeOf(openssl(good), { lines: [`cert_pin = ${pin()}`] })).toMatch(expected)
})

const excuses: readonly (readonly [string, () => Issued, RegExp])[] = [
  ['another host', () => authority.issue('away', { names: ['other.example'] }), /another host/],
  ['another authority', () => other.issue('theirs'), /authority/],
  ['the past', () => authority.issue('past', { from: -20, until: -1 }), /expired/],
]
test.each(excuses)('a right pin does not excuse a certificate of %s', async (_name, issue, expected) => {
  const issued = issue()
  const outcome = await outcomeOf(openssl(issued), { lines: [`cert_pin = ${issued.pin}`] })
  expect(outcome).toStartWith('fault refused: ')
  expect(outcome).toMatch(expected)
})

const proxied: readonly (readonly [string, string, () => Issued, RegExp])[] = [
  ['one that connects', '200 OK', () => good, /^answer 200$/],
  ['one that forbids', '403 Forbidden', () => good, /^unreachable: the proxy makes no connection/],
  ['one that wants a password', '407 Proxy Authentication Required', () => good, /^unreachable: the proxy/],
  ['one that cannot connect', '502 Bad Gateway', () => good, /^unreachable: the proxy/],
  ['one that leads elsewhere', '200 OK', () => authority.issue('trap', { names: ['o.example'] }), /another host/],
]
test.each(proxied)('through a proxy: %s', async (_name, verdict, issue, expected) => {
  const proxy = connectProxy(verdict)
  const target = await openssl(issue())
  const lines = [`proxy = http://127.0.0.1:${proxy.port}`]
  expect(await outcomeOf(target, { lines })).toMatch(expected)
  expect(proxy.asked).toEqual([`CONNECT localhost:${target.port} HTTP/1.1`])
  proxy.stop()
})

test.each([
  ['away', () => ({ port: 1, stop: () => undefined }), /^unreachable: no connection/],
  ['silent', () => socketServer({}), /^unreachable: .*in time/],
] as const)('a proxy that is %s is weather', async (_name, makeProxy, expected) => {
  const proxy: Served = makeProxy()
  const lines = [`proxy = http://127.0.0.1:${proxy.port}`]
  expect(await outcomeOf(openssl(good), { lines, seconds: patience(expected) })).toMatch(expected)
  proxy.stop()
})

test('through a proxy a wrong pin is refused all the same', async () => {
  const proxy = connectProxy()
  const lines = [`proxy = http://127.0.0.1:${proxy.port}`, `cert_pin = ${wrongPin}`]
  expect(await outcomeOf(openssl(good), { lines })).toMatch(/^fault refused: .*matches none of cert_pin/)
  proxy.stop()
})

/** The same question in a process of its own. */
async function askElsewhere(command: readonly string[], port: number, env: Record<string, string>, host = 'localhost') {
  const question = JSON.stringify({ url: `https://${host}:${port}`, ca: authority.pem, lines: [], seconds: 10 })
  const child = Bun.spawn([...command, process.execPath, join(import.meta.dir, 'ask.ts'), question], {
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdin: 'ignore',
    stderr: 'pipe',
  })
  const [text, problem] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
  return `${text}${problem.trim()}`
}

const traps = ['HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY', 'http_proxy', 'ALL_PROXY', 'all_proxy']
test('proxies in the environment are not used', async () => {
  const proxy = connectProxy()
  const target = await openssl(good)
  const env = Object.fromEntries(traps.map((name) => [name, `http://127.0.0.1:${proxy.port}`]))
  expect(await askElsewhere([], target.port, env)).toBe('answer 200')
  expect(proxy.asked).toEqual([])
  target.stop()
  proxy.stop()
})

test('the environment switches no check off and adds no authority', async () => {
  const target = await openssl(other.issue('stranger'))
  writeFileSync(join(dir, 'other.pem'), other.pem)
  const more = { NODE_EXTRA_CA_CERTS: join(dir, 'other.pem'), SSL_CERT_FILE: join(dir, 'other.pem') }
  const env = { NODE_TLS_REJECT_UNAUTHORIZED: '0', ...more }
  expect(await askElsewhere([], target.port, env)).toMatch(/^fault refused: .*authority/)
  target.stop()
})

const unshare = ['unshare', '--map-root-user', '--mount']
const canUnshare = Bun.spawnSync([...unshare, 'true'], { stderr: 'ignore' }).success

test.skipIf(!canUnshare)('of several addresses, one that is dead does not matter', async () => {
  const target = await openssl(authority.issue('many', { names: ['portal.test'] }))
  const hosts = join(dir, 'hosts')
  writeFileSync(hosts, '127.0.0.9 portal.test\n::1 portal.test\n127.0.0.1 portal.test\n')
  const bind = ['sh', '-c', `mount --bind ${hosts} /etc/hosts && exec "$@"`, 'sh']
  expect(await askElsewhere([...unshare, ...bind], target.port, {}, 'portal.test')).toBe('answer 200')
  target.stop()
})
