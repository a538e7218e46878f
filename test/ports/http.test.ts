// The one door to the network against real TLS on the loopback: what is an answer, what is weather, what is refused.
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { tlsFetch } from '../../modes/network.ts'
import { type Config, checkConfig } from '../../src/config/load.ts'
import { openHttp } from '../../src/ports/http.ts'
import { fakeWorld } from '../fakes/world.ts'
import { type ServedPortal, servePortal } from '../portal/server.ts'

let directory: string
let modern: ServedPortal
let old: ServedPortal
let elsewhere: ServedPortal

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'ob-http-'))
  modern = servePortal({ dir: join(directory, 'a'), names: ['localhost', '127.0.0.1'] })
  old = servePortal({ dir: join(directory, 'a'), names: ['localhost', '127.0.0.1'], tls: '1.2' })
  elsewhere = servePortal({ dir: join(directory, 'b'), names: ['elsewhere.example', '127.0.0.2'] })
})
afterAll(async () => {
  await Promise.all([modern, old, elsewhere].map((portal) => portal.stop()))
  rmSync(directory, { recursive: true })
})

function configure(lines: readonly string[]): Config {
  const checked = checkConfig(lines.join('\n'))
  if (checked.kind !== 'accepted') throw new Error(JSON.stringify(checked.problems))
  return checked.config
}

type Case = {
  readonly portal: ServedPortal
  readonly lines?: readonly string[]
  readonly url?: string
  readonly ca?: string
}

async function ask({
  portal,
  lines = [],
  url = `https://localhost:${portal.port}`,
  ca = portal.caPem,
}: Case): Promise<string> {
  const config = configure([`portal_url = ${url}`, 'ca_cert = /ca.pem', 'timeout = 1', ...lines])
  const world = { ...fakeWorld({ files: { '/ca.pem': ca } }), fetch: tlsFetch }
  world.disk.get('/ca.pem')!.mode = 0o644
  try {
    const answer = await openHttp(world, config)({ method: 'POST', url: `${url}/pam/verify`, headers: {}, body: '{}' })
    return answer.kind === 'answer' ? `answer ${answer.status}` : `${answer.kind}: ${answer.detail}`
  } catch (error) {
    return `fault: ${error instanceof Error ? error.message : ''}`
  }
}

test('TLS 1.3 with the right authority is an answer', async () => {
  expect(await ask({ portal: modern })).toBe('answer 401')
})

test('TLS 1.2 only is refused, and never weather', async () => {
  expect(await ask({ portal: old })).toStartWith('fault: the portal localhost')
})

test('TLS 1.2 only is accepted when min_tls_version says so', async () => {
  expect(await ask({ portal: old, lines: ['min_tls_version = 12'] })).toBe('answer 401')
})

test('another authority is refused, and never weather', async () => {
  expect(await ask({ portal: modern, ca: elsewhere.caPem })).toMatch(/^fault: .*authority/)
})

test('a certificate for another host is refused', async () => {
  expect(await ask({ portal: elsewhere })).toMatch(/^fault: .*another host/)
})

test('the right pin is accepted, also as the second of two', async () => {
  const wrong = `sha256//${'A'.repeat(43)}=`
  expect(await ask({ portal: modern, lines: [`cert_pin = ${modern.pin}`] })).toBe('answer 401')
  expect(await ask({ portal: modern, lines: [`cert_pin = ${wrong};${modern.pin}`] })).toBe('answer 401')
})

test('a wrong pin is refused, and never weather', async () => {
  const lines = [`cert_pin = sha256//${'A'.repeat(43)}=`]
  expect(await ask({ portal: modern, lines })).toMatch(/^fault: .*matches none of cert_pin/)
})

test('a right pin does not excuse a wrong host', async () => {
  expect(await ask({ portal: elsewhere, lines: [`cert_pin = ${elsewhere.pin}`] })).toMatch(/^fault: .*another host/)
})

test('nobody listening is weather', async () => {
  expect(await ask({ portal: modern, url: 'https://localhost:1' })).toMatch(/^unreachable: no connection/)
})

test('a name that does not resolve is weather', async () => {
  expect(await ask({ portal: modern, url: 'https://nosuch.invalid' })).toMatch(/^unreachable: no connection/)
})

const weather = [
  ['a reset', { kind: 'reset' }],
  ['an answer after the timeout', { kind: 'slow', seconds: 3 }],
  ['a body that dribbles past the timeout', { kind: 'dribble', seconds: 0.5 }],
  ['HTTP 502', { kind: 'down', status: 502 }],
] as const
test.each(weather)('%s is weather', async (_name, fault) => {
  modern.control.fault({ ...fault, times: 1 })
  expect(await ask({ portal: modern })).toStartWith('unreachable:')
})

test('more than 256 KiB is nonsense, also when it was compressed', async () => {
  modern.control.fault({ kind: 'oversize', times: 1 })
  expect(await ask({ portal: modern })).toStartWith('garbled: the answer is larger')
  modern.control.fault({ kind: 'gzip-bomb', times: 1 })
  expect(await ask({ portal: modern })).toStartWith('garbled: the answer is larger')
})

test('a redirect is not followed', async () => {
  modern.control.fault({ kind: 'redirect', times: 1, location: `http://127.0.0.1:${modern.port}/` })
  expect(await ask({ portal: modern })).toBe('answer 302')
})

test('a request is sent once, whatever comes back', async () => {
  modern.control.forgetRequests()
  modern.control.fault({ kind: 'down', status: 500, times: 1 })
  await ask({ portal: modern })
  expect(modern.control.requests().length).toBe(1)
})

test('a file without a certificate is named', async () => {
  expect(await ask({ portal: modern, ca: 'nothing' })).toBe('fault: /ca.pem holds no PEM certificate')
})
