// The spool on a real disk with real locks: many logins at once, two drains at once, a drain that is killed.
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { formatWaiting, waitingFileName } from '../../src/audit/webhook-format.ts'
import { mostWaiting, readSpool } from '../../src/audit/webhooks.ts'
import { makeNonce } from '../../src/portal-client/request-signature.ts'
import { drainBelow, queueBelow, worldBelow } from './spool.ts'

setDefaultTimeout(30_000)

let root: string
const spool = '/var/lib/open-bastion/notify'

beforeEach(() => {
  // Not below /tmp: a file is only trusted when nobody else can write above it.
  root = mkdtempSync('/var/lib/ob-test-')
})
afterEach(() => rmSync(root, { recursive: true }))

const run = (what: string) =>
  Bun.spawn([process.execPath, join(import.meta.dir, 'spool.ts'), root, what], { stdin: 'ignore' })

/** Ten processes at once, as many logins are. */
const crowd = (each: number): Promise<unknown> =>
  Promise.all(Array.from({ length: 10 }, () => run(String(each)).exited))

type Receiver = { readonly url: string; readonly nonces: string[]; readonly stop: () => void }

function receive(react: (nonces: readonly string[]) => void = () => undefined): Receiver {
  const nonces: string[] = []
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: (request) => {
      nonces.push(request.headers.get('x-nonce') ?? '')
      react(nonces)
      return new Response('ok')
    },
  })
  return { url: `http://127.0.0.1:${server.port}/x`, nonces, stop: () => void server.stop(true) }
}

test('many logins at once lose no event, and only root can read them', async () => {
  await crowd(2)
  expect(readSpool(worldBelow(root)).waiting.length).toBe(20)
  expect(statSync(root + spool).mode & 0o777).toBe(0o700)
  for (const name of readdirSync(root + spool)) expect(statSync(join(root + spool, name)).mode & 0o777).toBe(0o600)
})

test('many logins at once on a full spool keep the bound and the count', async () => {
  mkdirSync(root + spool, { recursive: true, mode: 0o700 })
  for (let i = 0; i < mostWaiting - 5; i++) {
    const nonce = makeNonce(1_000_000_000_000 + i, crypto.getRandomValues(new Uint8Array(16)))
    const text = formatWaiting({ nonce, body: '{}', queuedAt: 1, attempts: 0, notBefore: 0 })
    writeFileSync(join(root + spool, waitingFileName(nonce)), text, { mode: 0o600 })
  }
  await crowd(5)
  const { waiting, dropped } = readSpool(worldBelow(root))
  expect([waiting.length, dropped]).toEqual([mostWaiting, 45])
})

test('two drains at once deliver each event once', async () => {
  await queueBelow(root, 10)
  const receiver = receive()
  const drained = await Promise.all([drainBelow(root, receiver.url), drainBelow(root, receiver.url)])
  expect(drained.map(({ delivered }) => delivered).sort((a, b) => a - b)).toEqual([0, 10])
  expect(new Set(receiver.nonces).size).toBe(10)
  expect(receiver.nonces.length).toBe(10)
  receiver.stop()
})

test('a drain killed while its event is delivered: the next one brings it again, under the same number', async () => {
  await queueBelow(root, 3)
  const killed = receive((nonces) => {
    if (nonces.length === 2) child.kill('SIGKILL')
  })
  const child = run(killed.url)
  await child.exited
  expect(child.signalCode).toBe('SIGKILL')
  killed.stop()
  expect(readSpool(worldBelow(root)).waiting.length).toBe(2)
  const receiver = receive()
  expect(await drainBelow(root, receiver.url)).toEqual({ delivered: 2, waiting: 0, dead: 0, problem: undefined })
  expect(receiver.nonces[0]).toBe(killed.nonces[1] ?? '')
  expect(new Set([...killed.nonces, ...receiver.nonces]).size).toBe(3)
  receiver.stop()
})

test('a spool that others can write is not read', async () => {
  await queueBelow(root, 1)
  Bun.spawnSync(['chmod', '777', root + spool])
  const receiver = receive()
  await expect(drainBelow(root, receiver.url)).rejects.toThrow('can be written by others')
  expect(receiver.nonces).toEqual([])
  receiver.stop()
})
