// Whole phases against a peer that is not the portal: a security event of its own, once, and never an outage.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { tlsFetch } from '../../modes/world/io/network.ts'
import { audited } from '../fakes/world.ts'
import { enrolledHost, type Host } from '../modes/host.ts'
import { type ServedPortal, servePortal } from '../portal/server.ts'
import { type Authority, makeAuthority } from './authority.ts'
import { answering, opensslServer, type Served, socketServer } from './servers.ts'

setDefaultTimeout(30_000)

let dir: string
let portal: ServedPortal
let authority: Authority

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'ob-tls-'))
  portal = servePortal({ dir: join(dir, 'portal'), names: ['localhost'] })
  authority = makeAuthority(join(dir, 'ca'))
})
afterAll(async () => {
  await portal.stop()
  rmSync(dir, { recursive: true })
})

/** An enrolled host whose network is the real one. */
async function host(port: number, ca: string, config = ''): Promise<Host> {
  const settings = `portal_url = https://localhost:${port}\nca_cert = /ca.pem\n${config}`
  const tokens = await portal.control.enroll({})
  const files = { '/ca.pem': ca, '/var/lib/open-bastion/token': JSON.stringify(tokens) }
  const made = await enrolledHost({ config: settings, files })
  Object.assign(made.world, { fetch: tlsFetch })
  return made
}

const user = { PAM_USER: 'rtyler' }
const wrongPin = `cert_pin = sha256//${'A'.repeat(43)}=`

const impostors: readonly (readonly [string, () => Promise<Host>, string])[] = [
  ['a pin that does not match', () => host(portal.port, portal.caPem, wrongPin), 'cert_pin'],
  ['another authority', () => host(portal.port, authority.pem), 'authority'],
  ['a certificate for another host', async () => host((await elsewhere()).port, authority.pem), 'another host'],
  ['a peer without TLS', async () => host((await silentHttp()).port, authority.pem), 'handshake'],
]
const open: Served[] = []
const kept = (served: Served): Served => {
  open.push(served)
  return served
}
afterAll(() => {
  for (const served of open) served.stop()
})
const elsewhere = async (): Promise<Served> =>
  kept(await opensslServer(dir, authority.issue('elsewhere', { names: ['other.example'] })))
const silentHttp = async (): Promise<Served> =>
  kept(socketServer({ onData: (socket) => void socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}') }))

test.each(impostors)('%s is one security event a phase, and lets nobody in', async (_name, make, word) => {
  const made = await make()
  const phases = [
    ['auth', 'a-one-time-token'],
    ['account', ''],
  ] as const
  for (const [phase, typed] of phases) {
    const before = audited(made.world).length
    const { outcome, said } = await made.phase(phase, user, typed)
    expect(outcome).toBe('unavailable portal-untrusted')
    expect(said).toStartWith('This host cannot check your access right now.')
    const events = audited(made.world).slice(before)
    expect(events).toMatchObject([{ event_type: 'SECURITY_ERROR', reason: 'portal-untrusted' }])
    expect(String(events[0]?.['details'])).toContain(word)
  }
  expect([...made.world.disk.keys()].filter((path) => /\/ratelimit\/[0-9a-f]/.test(path))).toEqual([])
})

test('the right portal behind the right pin opens the door', async () => {
  const made = await host(portal.port, portal.caPem, `cert_pin = ${portal.pin}`)
  const token = portal.control.mintToken({ user: 'rtyler' })
  expect((await made.phase('auth', user, token)).outcome).toBe('allowed token-accepted')
  expect((await made.phase('account', user)).outcome).toBe('allowed portal-allowed')
})

const outages: readonly (readonly [string, () => Served, string, string])[] = [
  ['a peer that accepts and says nothing', () => socketServer({}), 'portal-unreachable', 'in time'],
  [
    'a peer that hangs up',
    () => socketServer({ onOpen: (socket) => void socket.end() }),
    'portal-unreachable',
    'no connection',
  ],
  [
    'nonsense inside TLS',
    () => answering(authority.issue('nonsense'), ['HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n']),
    'portal-garbled',
    'not HTTP',
  ],
]
test.each(outages)('%s is no security event', async (_name, peer, reason, word) => {
  const made = await host(kept(peer()).port, authority.pem, 'timeout = 1')
  expect((await made.phase('account', user)).outcome).toBe(`unavailable ${reason}`)
  const [event] = audited(made.world)
  expect(event).toMatchObject({ event_type: 'SERVER_ERROR', reason })
  expect(String(event?.['details'])).toContain(word)
})

test('a webhook with a certificate that is not trusted keeps its events, and the heartbeat goes on', async () => {
  const { mode } = await import('../../modes/timer/heartbeat.ts')
  const hooks = kept(await opensslServer(dir, authority.issue('hooks')))
  const config = [
    'notify_enabled = true',
    `notify_url = https://localhost:${hooks.port}/ok`,
    'notify_ca_cert = /other.pem',
    'notify_events = AUTH_FAILURE',
  ]
  const made = await host(portal.port, portal.caPem, config.join('\n'))
  made.world.disk.set('/other.pem', { ...made.world.disk.get('/ca.pem')! })
  await made.phase('auth', user, 'wrong')
  expect(await mode.run(['--once'], made.world)).toMatchObject({ outcome: { kind: 'allowed' } })
  expect(made.world.logged.join()).toMatch(/events wait: the webhook localhost:\d+ was refused: .*notify_ca_cert/)
})
