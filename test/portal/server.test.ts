// The portal behind TLS, in this process and as a program of its own.
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ServedPortal, servePortal } from './server.ts'

let dir = ''
let served: ServedPortal

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'portal-'))
  served = servePortal({ dir })
})

afterAll(async () => {
  await served.stop()
  rmSync(dir, { recursive: true })
})

const get = (portal: ServedPortal, path: string): Promise<Response> =>
  fetch(`${portal.url}${path}`, { tls: { ca: portal.caPem }, redirect: 'manual', keepalive: false })

const curl = async (...args: readonly string[]): Promise<number> =>
  Bun.spawn(['curl', '-s', '-o', '/dev/null', '-m', '5', ...args], { stdout: 'ignore' }).exited

test('the certificate belongs to the authority, and the pin to the certificate', async () => {
  expect((await get(served, '/ssh/ca')).status).toBe(200)
  const trusted = ['--cacert', served.caPath, `${served.url}/ssh/ca`]
  expect(await curl('--pinnedpubkey', served.pin, ...trusted)).toBe(0)
  expect(await curl('--pinnedpubkey', `sha256//${'A'.repeat(43)}=`, ...trusted)).toBe(90)
  expect(await curl(`${served.url}/ssh/ca`)).toBe(60)
})

test('only TLS 1.3 is spoken unless 1.2 is asked for', async () => {
  const old = servePortal({ dir, tls: '1.2' })
  const versions = (portal: ServedPortal, ...options: readonly string[]) =>
    curl('--cacert', portal.caPath, ...options, `${portal.url}/ssh/ca`)
  try {
    expect(await versions(served, '--tls-max', '1.2')).toBe(35)
    expect(await versions(served, '--tlsv1.3')).toBe(0)
    expect(await versions(old, '--tls-max', '1.2')).toBe(0)
    expect(await versions(old, '--tlsv1.3')).toBe(35)
  } finally {
    await old.stop()
  }
})

test('a connection can be reset, refused, and restored with nothing forgotten', async () => {
  const { refresh_token } = served.control.enroll({})
  served.control.fault({ kind: 'reset', times: 1 })
  expect(await curl('--cacert', served.caPath, `${served.url}/ssh/ca`)).toBe(56)
  await served.control.halt()
  expect(await curl('--cacert', served.caPath, `${served.url}/ssh/ca`)).toBe(7)
  served.control.start()
  await served.control.restart()
  const answer = await fetch(`${served.url}/pam/heartbeat`, {
    method: 'POST',
    body: JSON.stringify({ refresh_token }),
    tls: { ca: served.caPem },
  })
  expect(await answer.json()).toMatchObject({ status: 'ok' })
})

test('as a program it says where it is, obeys its control port and ends on SIGTERM', async () => {
  const program = Bun.spawn([process.execPath, join(import.meta.dir, 'main.ts'), '--dir', dir], { stdout: 'pipe' })
  try {
    const reader = program.stdout.getReader()
    const { value } = await reader.read()
    const ready = JSON.parse(new TextDecoder().decode(value)) as { url: string; control: string; ca: string }
    const say = async (verb: string, argument: unknown): Promise<Response> =>
      fetch(`${ready.control}/${verb}`, { method: 'POST', body: JSON.stringify(argument) })
    expect(await (await say('mintToken', { user: 'dwho' })).json()).toEqual({
      result: expect.stringMatching(/^[0-9a-f]{64}$/),
    })
    expect((await say('constructor', {})).status).toBe(404)
    expect((await say('approve', { user_code: 'BBBB-BBBB' })).status).toBe(400)
    expect(await curl('--cacert', ready.ca, `${ready.url}/ssh/ca`)).toBe(0)
  } finally {
    program.kill('SIGTERM')
  }
  expect(await program.exited).toBe(0)
})
