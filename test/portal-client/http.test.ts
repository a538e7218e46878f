// The one door to the network against the stand-in portal: what is an answer and what is weather. What a peer can do to
// TLS and HTTP themselves is in test/tls.
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openHttp } from '../../src/portal-client/http.ts'
import { fakeWorld } from '../fakes/world.ts'
import { type ServedPortal, servePortal } from '../portal/server.ts'
import { ask } from '../tls/ask.ts'

let directory: string
let portal: ServedPortal

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'ob-http-'))
  portal = servePortal({ dir: directory, names: ['localhost', '127.0.0.1'] })
})
afterAll(async () => {
  await portal.stop()
  rmSync(directory, { recursive: true })
})

const outcome = (more: { readonly url?: string; readonly ca?: string; readonly seconds?: number } = {}) =>
  ask({ url: portal.url, ca: portal.caPem, lines: [], seconds: 10, body: '{}', ...more })

test('the portal answers', async () => {
  expect(await outcome()).toBe('answer 401')
})

test('a name that does not resolve is weather', async () => {
  expect(await outcome({ url: 'https://nosuch.invalid' })).toMatch(/^unreachable: no connection/)
})

const weather = [
  ['a reset', { kind: 'reset' }, 10],
  ['an answer after the timeout', { kind: 'slow', seconds: 3 }, 1],
  ...[429, 500, 502, 503, 504].map((status) => [`HTTP ${status}`, { kind: 'down', status }, 10] as const),
] as const
test.each(weather)('%s is weather', async (_name, fault, seconds) => {
  portal.control.fault({ ...fault, times: 1 })
  expect(await outcome({ seconds })).toStartWith('unreachable:')
})

// A one-time token that is sent twice is a token that is refused.
test.each([
  ['an error', { kind: 'down', status: 500 }],
  ['a connection that breaks', { kind: 'reset', processed: true }],
] as const)('a POST is sent once, also on a connection used before: %s', async (_name, fault) => {
  await outcome()
  portal.control.forgetRequests()
  portal.control.fault({ ...fault, times: 1 })
  expect(await outcome()).toStartWith('unreachable:')
  expect(portal.control.requests().length).toBe(1)
})

test('a file without a certificate is named', async () => {
  expect(await outcome({ ca: 'nothing' })).toBe('fault broken: /ca.pem holds no PEM certificate')
})

test.each([
  [undefined, 'is not in the authorities of this host (ca_cert is not set)'],
  ['/ca.pem', 'is not in ca_cert'],
] as const)('an unknown authority is looked for where it can be: ca_cert = %s', async (ca_cert, words) => {
  const pem = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n'
  const world = fakeWorld({
    files: { '/ca.pem': pem, '/etc/ssl/certs/ca-certificates.crt': pem },
    fetch: async () => Promise.reject(Object.assign(new Error('TLS'), { code: 'SELF_SIGNED_CERT_IN_CHAIN' })),
  })
  const http = openHttp(world, { ca_cert, min_tls_version: 13, cert_pin: [], proxy: undefined, timeout: 10 })
  await expect(http({ method: 'GET', url: 'https://auth.example.test/', headers: {} })).rejects.toMatchObject({
    message: `the portal auth.example.test was refused: its certificate authority ${words}`,
    hint: expect.stringContaining('set or correct ca_cert'),
  })
})
