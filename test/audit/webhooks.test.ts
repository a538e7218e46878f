// Webhooks: what a login leaves behind, how it reaches the receiver, and what remains when it does not.
import { expect, test } from 'bun:test'
import { mode } from '../../modes/admin/notify.ts'
import {
  type Drained,
  drainSpool,
  mostWaiting,
  openWebhookHttp,
  queueEvent,
  readSpool,
} from '../../src/audit/webhooks.ts'
import { type Config, loadConfig } from '../../src/config/load.ts'
import { judgeWebhooks } from '../../src/health/webhooks.ts'
import { audited, type FakeWorld, fakeWorld } from '../fakes/world.ts'
import { enrolledHost } from '../modes/host.ts'

const spool = '/var/lib/open-bastion/notify'
const user = { PAM_USER: 'rtyler' }
const lines = 'notify_enabled = true\nnotify_url = https://hooks.example.test/ob?key=canary\nnotify_secret = sesame'
const pem = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n'

type Received = { readonly url: string; readonly headers: Headers; readonly body: string }

/** A host with a receiver whose answers come from a list; the last one stays. */
function receiver(answers: readonly (number | 'reset')[] = [200], config = lines) {
  const received: Received[] = []
  const left = [...answers]
  const world = fakeWorld({
    now: 1_800_000_000,
    files: {
      '/etc/open-bastion/openbastion.conf': `portal_url = https://auth.example.test\n${config}\n`,
      '/etc/ssl/certs/ca-certificates.crt': pem,
    },
    fetch: async (request) => {
      received.push({ url: request.url, headers: request.headers, body: await request.text() })
      const answer = left.length > 1 ? left.shift()! : (left[0] ?? 200)
      if (answer === 'reset') throw Object.assign(new Error('reset'), { code: 'ECONNRESET' })
      return new Response('taken', { status: answer })
    },
  })
  world.disk.get('/etc/ssl/certs/ca-certificates.crt')!.mode = 0o644
  const settings = (): Config => loadConfig(world.files)
  const drain = (): Promise<Drained> => drainSpool(world, settings(), openWebhookHttp(world, settings()))
  const queue = async (reason = 'locked-out'): Promise<void> => {
    const about = { correlation_id: 'c', host: 'host1', user: 'alice', result_code: 4 }
    await queueEvent(world, { ...about, timestamp: world.now(), event_type: 'RATE_LIMITED', reason })
    world.clock.now += 0.001
  }
  return { world, received, drain, queue }
}

const files = (world: FakeWorld, directory = spool): readonly string[] =>
  [...world.disk.keys()].filter((path) => path.startsWith(`${directory}/1`)).sort()

test('a lockout leaves one file of root’s, and the network is not waited for', async () => {
  const host = await enrolledHost({ config: `${lines}\nrate_limit_max_attempts = 1` })
  await host.phase('auth', user, 'wrong')
  expect(files(host.world)).toEqual([])
  const before = host.portal.control.requests().length
  expect((await host.phase('auth', user, 'wrong')).outcome).toBe('denied locked-out')
  expect(host.portal.control.requests().length).toBe(before)
  const [path = ''] = files(host.world)
  expect(files(host.world).length).toBe(1)
  expect(host.world.disk.get(path)).toMatchObject({ mode: 0o600, uid: 0 })
  expect(readSpool(host.world).waiting.map(({ body }) => JSON.parse(body))).toMatchObject([
    { event_type: 'RATE_LIMITED', user: 'rtyler', reason: 'locked-out', client_ip: '192.0.2.7' },
  ])
})

const chosen: readonly (readonly [string, string, number])[] = [
  ['nothing is left when webhooks are off', '', 0],
  ['nothing is left for an event that is not wanted', `${lines}\nnotify_events = CONFIG_ERROR`, 0],
  ['AUTH_DENIED is another word for AUTH_FAILURE', `${lines}\nnotify_events = AUTH_DENIED`, 1],
]
test.each(chosen)('%s', async (_name, config, expected) => {
  const host = await enrolledHost({ config })
  await host.phase('auth', user, 'wrong')
  expect(files(host.world).length).toBe(expected)
})

test('a spool that cannot be written changes no verdict and is told to syslog', async () => {
  const host = await enrolledHost({ config: `${lines}\nnotify_events = AUTH_SUCCESS` })
  host.break((path) => (path.startsWith(spool) ? 'there is no space left' : undefined))
  const token = host.portal.control.mintToken({ user: 'rtyler' })
  expect((await host.phase('auth', user, token)).outcome).toBe('allowed token-accepted')
  expect(host.world.logged.join()).toContain('there is no space left')
  expect(audited(host.world).at(-1)).toMatchObject({ event_type: 'AUTH_SUCCESS' })
})

test('an event is delivered once, signed at the time of delivery, with the number it got when it happened', async () => {
  const { world, received, drain, queue } = receiver()
  await queue()
  const [waiting] = readSpool(world).waiting
  world.clock.now = 1_800_000_500
  expect(await drain()).toEqual({ delivered: 1, waiting: 0, dead: 0, problem: undefined })
  const [{ url, headers, body }] = received as [Received]
  expect(url).toBe('https://hooks.example.test/ob?key=canary')
  expect(headers.get('x-nonce')).toBe(waiting?.nonce ?? '')
  expect(headers.get('x-timestamp')).toBe('1800000500')
  const mac = new Bun.CryptoHasher('sha256', 'sesame').update(`1800000500.${body}`).digest('hex')
  expect(headers.get('x-signature-256')).toBe(`sha256=${mac}`)
  expect(await drain()).toMatchObject({ delivered: 0 })
  expect(received.length).toBe(1)
})

test('an event that the receiver refuses is tried again later and later, and does not hold up the others', async () => {
  const { world, received, drain, queue } = receiver([400, 200])
  await queue('first')
  await queue('second')
  expect(await drain()).toMatchObject({ delivered: 1, waiting: 1, problem: 'HTTP 400' })
  expect(await drain()).toMatchObject({ delivered: 0, waiting: 1 })
  world.clock.now += 31
  expect(await drain()).toMatchObject({ delivered: 1, waiting: 0 })
  const reasons = received.map(({ body }) => JSON.parse(body).reason)
  expect(reasons).toEqual(['first', 'second', 'first'])
  expect(received[0]?.headers.get('x-nonce')).toBe(received[2]?.headers.get('x-nonce') ?? '')
})

test('the pauses double up to an hour', async () => {
  const { world, drain, queue } = receiver([500])
  await queue()
  const pauses: number[] = []
  for (let i = 0; i < 9; i++) {
    await drain()
    const { notBefore = 0 } = readSpool(world).waiting[0] ?? {}
    pauses.push(Math.round(notBefore - world.clock.now))
    world.clock.now = notBefore
  }
  expect(pauses).toEqual([30, 60, 120, 240, 480, 960, 1920, 3600, 3600])
})

test('when nobody answers, the drain ends there', async () => {
  const { received, drain, queue } = receiver(['reset'])
  for (let i = 0; i < 5; i++) await queue()
  expect(await drain()).toMatchObject({ delivered: 0, waiting: 5, problem: expect.stringContaining('ECONNRESET') })
  expect(received.length).toBe(1)
})

test('after a day of trying an event is put aside and shown', async () => {
  const { world, drain, queue } = receiver([404])
  await queue()
  await drain()
  world.clock.now += 86_401
  expect(await drain()).toMatchObject({ dead: 1, waiting: 0 })
  expect(readSpool(world).dead.map(({ problem }) => problem)).toEqual(['HTTP 404'])
  const ending = await mode.run(['list'], world)
  expect(ending.text).toMatch(
    /^aside +2027-\S+ +RATE_LIMITED +2 tries +HTTP 404\n0 wait, 1 were put aside, 0 were dropped/,
  )
})

test('ob doctor’s judgement: nothing without webhooks, then how events fare, until clear forgets the lost ones', async () => {
  const off = receiver([200], '')
  expect(await judgeWebhooks(off.world, loadConfig(off.world.files))).toEqual([])
  const { world, drain, queue } = receiver([404])
  const verdict = async (): Promise<string> =>
    (await judgeWebhooks(world, loadConfig(world.files))).map(({ verdict, message }) => `${verdict} ${message}`).join()
  expect(await verdict()).toBe('good events reach the webhook')
  await queue()
  expect(await verdict()).toBe('good events reach the webhook')
  world.clock.now += 3601
  expect(await verdict()).toBe('bad 1 events wait for the webhook, and nothing delivers them')
  await drain()
  expect(await verdict()).toBe('bad 1 events wait for the webhook: HTTP 404')
  world.clock.now += 86_401
  await drain()
  expect(await verdict()).toBe('bad 1 events never reached the webhook: HTTP 404')
  expect((await mode.run(['clear'], world)).text).toBe('1 events forgotten\n')
  expect(await verdict()).toBe('good events reach the webhook')
})

test('a clock that was set back does not hold an event for ever', async () => {
  const { world, drain, queue } = receiver([500, 200])
  await queue()
  await drain()
  world.clock.now -= 10 * 86_400
  expect(await drain()).toMatchObject({ delivered: 1 })
})

test('at most a thousand wait: the oldest make room and are counted', async () => {
  const { world, queue } = receiver()
  for (let i = 0; i < mostWaiting + 3; i++) await queue(`event ${i}`)
  const { waiting, dropped } = readSpool(world)
  expect(waiting.length).toBe(mostWaiting)
  expect(dropped).toBe(3)
  expect(JSON.parse(waiting[0]?.body ?? '').reason).toBe('event 3')
  const bytes = files(world).reduce((sum, path) => sum + (world.disk.get(path)?.data.length ?? 0), 0)
  expect(bytes).toBeLessThanOrEqual(4 << 20)
})

test('killed between delivery and removal, the receiver gets the event again under the same number', async () => {
  const { world, received, drain, queue } = receiver()
  await queue()
  const before = new Map(world.disk)
  await drain()
  for (const [path, file] of before) world.disk.set(path, file)
  await drain()
  expect(new Set(received.map(({ headers }) => headers.get('x-nonce'))).size).toBe(1)
  expect(received.length).toBe(2)
})

test('files that are no events are taken away or left alone, and never sent', async () => {
  const { world, received, drain, queue } = receiver()
  await queue()
  const [path = ''] = files(world)
  world.disk.get(path)!.data = new TextEncoder().encode('{}')
  const facts = { data: new Uint8Array(), mode: 0o600, uid: 0, gid: 0 }
  world.disk.set(`${path}.tmp.00`, { ...facts, modifiedAt: world.clock.now - 3601 })
  world.disk.set(`${path}.tmp.11`, { ...facts, modifiedAt: world.clock.now })
  world.disk.set(`${spool}/README`, { ...facts, modifiedAt: 0 })
  await drain()
  expect(received).toEqual([])
  expect([...world.disk.keys()].filter((name) => name.startsWith(spool)).sort()).toEqual([
    `${path}.tmp.11`,
    `${spool}/README`,
  ])
})

test('ob notify test says what came back, and not where the secret path leads', async () => {
  const { world, received } = receiver([200])
  const ending = await mode.run(['test'], world)
  expect(ending.text).toBe('hooks.example.test took a test event (signed): HTTP 200\n')
  expect(JSON.parse(received[0]?.body ?? '')).toMatchObject({ event_type: 'NOTIFY_TEST', host: 'host1' })
  expect(files(world)).toEqual([])
})

test('ob heartbeat delivers too, also when the portal does not know this host any more', async () => {
  const { mode: heartbeat } = await import('../../modes/timer/heartbeat.ts')
  const host = await enrolledHost({
    config: `${lines}\nnotify_events = AUTH_FAILURE\nnotify_ca_cert = /etc/open-bastion/ca.pem`,
  })
  await host.phase('auth', user, 'wrong')
  host.portal.control.dropEnrollment()
  const ending = await heartbeat.run(['--once'], host.world)
  expect(ending).toMatchObject({ outcome: { kind: 'unavailable' } })
  expect(host.portal.control.requests({ path: '/ob' }).length).toBe(1)
})

const failures: readonly (readonly [string, number | 'reset', string])[] = [
  ['refuses', 401, 'did not take a test event (signed): HTTP 401'],
  ['redirects', 302, 'did not take a test event (signed): HTTP 302'],
  ['is overloaded', 503, 'did not take a test event (signed): the webhook answered HTTP 503'],
  ['is away', 'reset', 'did not take a test event (signed): no connection to hooks.example.test (ECONNRESET)'],
]
test.each(failures)('ob notify test, when the receiver %s', async (_name, answer, said) => {
  const { world } = receiver([answer])
  const ending = await mode.run(['test'], world)
  expect(ending.text).toContain(said)
  expect(ending.text).not.toContain('canary')
  expect(ending).toMatchObject({ outcome: { kind: 'denied' } })
})

test('ob notify deliver without webhooks, or with another verb, says what to do', async () => {
  const { world } = receiver([200], '')
  await expect(mode.run(['deliver'], world)).rejects.toMatchObject({
    message: expect.stringContaining('notify_enabled'),
  })
  await expect(mode.run(['test'], world)).rejects.toMatchObject({ message: 'notify_url is not set' })
  expect(await mode.run(['send'], world)).toMatchObject({ kind: 'usage' })
})

const addresses: readonly (readonly [string, boolean])[] = [
  ['https://hooks.example.test/x?y=z', true],
  ['https://[2001:db8::1]:8443/', true],
  ['http://localhost:9000/x', true],
  ['http://127.0.0.1/x', true],
  ['http://[::1]:80/x', true],
  ['http://hooks.example.test/x', false],
  ['http://127.0.0.1.evil.test/x', false],
  ['http://localhost.evil.test/', false],
  ['https://user:pw@hooks.example.test/', false],
  ['https://hooks.example.test/x#y', false],
  ['ftp://hooks.example.test/', false],
  ['hooks.example.test', false],
]
test.each(addresses)('notify_url = %s is accepted: %p', (address, accepted) => {
  const { world } = receiver([200], `notify_enabled = true\nnotify_url = "${address}"`)
  const load = (): unknown => loadConfig(world.files).notify_url
  if (accepted) expect(load()).toBeString()
  else expect(load).toThrow('notify_url must be')
})

test('a webhook on this host needs no certificate authorities', async () => {
  const { world, received } = receiver([200], 'notify_enabled = true\nnotify_url = http://127.0.0.1:9/x')
  world.disk.delete('/etc/ssl/certs/ca-certificates.crt')
  expect((await mode.run(['test'], world)).text).toContain('took a test event (not signed')
  expect(received.length).toBe(1)
})
