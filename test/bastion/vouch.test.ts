// The bastion's side on a host in memory: what ob serve believes, what root's process asks the portal, what comes back.
import { expect, test } from 'bun:test'
import { mode as vouch } from '../../modes/daemon/vouch.ts'
import { utf8 } from '../../src/base/bytes.ts'
import { openHops } from '../../src/bastion/service.ts'
import {
  formatQuestion,
  formatVouchCall,
  parseQuestion,
  parseTarget,
  parseVouchCall,
  parseVouchMessage,
  parseVouchReply,
} from '../../src/bastion/vouch-format.ts'
import { formatKeyLine } from '../../src/ssh/certificate-format.ts'
import { splitMessages } from '../../src/userdb/varlink-format.ts'
import { mutations } from '../fakes/mutate.ts'
import { audited, fakeWorld, textOf } from '../fakes/world.ts'
import { enrolledHost, type Host } from '../modes/host.ts'
import { newKey } from './cast.ts'

const person = 'rtyler'
const key = await newKey()
const keyLine = formatKeyLine(key.blob)

async function bastion(extra = ''): Promise<Host> {
  const host = await enrolledHost({ config: `serve_hops = true\nhop_target_group = prod\n${extra}` })
  const file = host.world.disk.get('/etc/open-bastion/openbastion.conf')!
  file.data = utf8(new TextDecoder().decode(file.data).replace('server_group = backend', 'server_group = bastion'))
  return host
}

async function logIn(host: Host): Promise<void> {
  const token = host.portal.control.mintToken({ user: person })
  expect((await host.phase('auth', { PAM_USER: person }, token)).outcome).toBe('allowed token-accepted')
  expect((await host.phase('account', { PAM_USER: person })).outcome).toBe('allowed portal-allowed')
}

async function ask(host: Host, target = 'db1', fetch = host.world.fetch) {
  const question = parseQuestion(JSON.stringify({ host: target, key: keyLine }))!
  const world = { ...host.world, fetch, stdin: () => utf8(formatQuestion(question)) }
  const ending = await vouch.run([person], world)
  const outcome = ending.kind === 'outcome' ? `${ending.outcome.kind} ${ending.outcome.reason}` : 'usage'
  return { outcome, reply: parseVouchReply(ending.text ?? '') }
}

test('the portal vouches for who logged in, for this host and key, and the log names token and target', async () => {
  const host = await bastion()
  await logIn(host)
  const { outcome, reply } = await ask(host)
  expect([outcome, reply?.kind, reply?.user]).toEqual(['allowed hop-vouched', 'token', person])
  const payload = JSON.parse(atob(reply!.text.split('.')[1]!.replaceAll('-', '+').replaceAll('_', '/')))
  expect(payload).toMatchObject({ sub: person, target_host: 'db1', target_group: 'prod', bastion_group: 'bastion' })
  const line = audited(host.world).at(-1)!
  expect(line).toMatchObject({ event_type: 'AUTHZ_SUCCESS', service: 'hop', user: person, target: 'db1' })
  expect(line['details']).toContain(`token ${payload.jti}`)
  // The token itself is in no log.
  expect(JSON.stringify([audited(host.world), host.world.logged])).not.toContain(reply!.text.split('.')[2]!)
})

test('who was never seen is not vouched for', async () => {
  const host = await bastion()
  const { outcome, reply } = await ask(host)
  expect(outcome).toBe('denied hop-denied')
  expect(reply).toEqual({ user: person, kind: 'refused', text: expect.stringContaining('does not vouch for you') })
  expect(audited(host.world).at(-1)?.['event_type']).toBe('AUTHZ_DENIED')
})

test('a certificate is paid with the voucher of the login, which root alone can read and which ends', async () => {
  const host = await bastion('bastion_transport = cert\n')
  expect((await ask(host)).outcome).toBe('denied hop-voucher')
  await logIn(host)
  expect(host.world.disk.get(`/run/open-bastion/vouchers/${person}`)?.mode).toBe(0o600)
  const { outcome, reply } = await ask(host)
  expect([outcome, reply?.kind]).toEqual(['allowed hop-vouched', 'certificate'])
  expect(audited(host.world).at(-1)?.['details']).toMatch(/certificate serial \d+/)
  const { voucher } = JSON.parse(textOf(host.world, `/run/open-bastion/vouchers/${person}`)!)
  expect(JSON.stringify(audited(host.world))).not.toContain(voucher)
  host.world.clock.now += 86_400
  const late = await ask(host)
  expect([late.outcome, late.reply?.text]).toEqual([
    'denied hop-voucher',
    expect.stringContaining('Log in to this host again'),
  ])
})

test('a host that is no bastion keeps no voucher', async () => {
  const host = await bastion()
  const file = host.world.disk.get('/etc/open-bastion/openbastion.conf')!
  file.data = utf8(new TextDecoder().decode(file.data).replace('serve_hops = true', ''))
  await logIn(host)
  expect(textOf(host.world, `/run/open-bastion/vouchers/${person}`)).toBeUndefined()
})

const page = () => new Response('<html>', { headers: { 'content-type': 'text/html' } })
const notLoggedIn = () => Response.json({ error: '9', result: 0 }, { status: 401 })
test.each([
  ['a page', page],
  ['error 9', notLoggedIn],
  ['nothing there', () => new Response('', { status: 404 })],
])('a portal without bastion tokens (%s): auto takes the certificate, jwt says what to set', async (_name, answer) => {
  const host = await bastion()
  await logIn(host)
  const without = (async (url: string, init: RequestInit) =>
    String(url).endsWith('/pam/bastion-token')
      ? answer()
      : host.portal.handle(new Request(url, init))) as unknown as typeof host.world.fetch
  expect((await ask(host, 'db1', without)).reply?.kind).toBe('certificate')
  const strict = await bastion('bastion_transport = jwt\n')
  await logIn(strict)
  expect((await ask(strict, 'db1', without)).outcome).toStartWith('unavailable')
})

test.each([
  ['a token of somebody else', { sub: 'dwho', target_host: 'db1' }],
  ['a token for another host', { sub: person, target_host: 'db2' }],
])('%s is not passed on', async (_name, claims) => {
  const host = await bastion()
  await logIn(host)
  const { token } = await import('./cast.ts')
  const text = await token(claims)
  const wrong = (async () =>
    Response.json({ bastion_jwt: text, expires_in: 300 })) as unknown as typeof host.world.fetch
  expect((await ask(host, 'db1', wrong)).outcome).toBe('unavailable portal-garbled')
})

test('a portal that gives no answer', async () => {
  const host = await bastion()
  await logIn(host)
  const gone = (() =>
    Promise.reject(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }))) as unknown as typeof host.world.fetch
  const { outcome, reply } = await ask(host, 'db1', gone)
  expect(outcome).toBe('unavailable portal-unreachable')
  expect(reply?.text).toContain('cannot be reached')
})

const names = new Map([[20_001, 'alice']])
function serve(stdout: string) {
  const seen: unknown[] = []
  const world = {
    ...fakeWorld(),
    spawn: async (argv: readonly string[], options?: { readonly stdin?: string | Uint8Array }) => {
      seen.push(argv, options?.stdin)
      return { code: 0, stdout, stderr: '' }
    },
  }
  const directory = { follow: () => undefined, portalUser: (uid: number) => names.get(uid) }
  const hops = openHops({ world, directory } as never)
  const say = async (uid: number, bytes: Uint8Array<ArrayBuffer>) => {
    const conversation = hops.open({ uid, pid: 1 })
    const reply = await conversation?.receive(bytes)
    conversation?.end()
    return reply instanceof Uint8Array ? parseVouchMessage(splitMessages(Uint8Array.from(reply)).messages[0]!) : reply
  }
  return { seen, say }
}

test('ob serve asks about whom the kernel names, whatever the caller says', async () => {
  const { seen, say } = serve(JSON.stringify({ user: 'alice', kind: 'token', text: 'a.b.c' }))
  expect(await say(20_001, formatVouchCall('DB1.', keyLine))).toEqual({ user: 'alice', kind: 'token', text: 'a.b.c' })
  expect(seen).toEqual([['/proc/self/exe', 'vouch', 'alice'], JSON.stringify({ host: 'db1', key: keyLine })])
})

test.each([[0], [1000], [20_002]])('uid %d is no portal user, and nothing is started', async (uid) => {
  const { seen, say } = serve('')
  expect(await say(uid, formatVouchCall('db1', keyLine))).toMatchObject({
    kind: 'refused',
    text: expect.stringContaining('local account'),
  })
  expect(seen).toEqual([])
})

test('a process that says nothing usable is a refusal', async () => {
  for (const stdout of ['', 'x', '{}', '{"user":"alice","kind":"maybe","text":""}'])
    expect(await serve(stdout).say(20_001, formatVouchCall('db1', keyLine))).toMatchObject({ kind: 'refused' })
})

const rsa = 'ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAQQC7'
test.each([
  ['', keyLine],
  ['-oProxyCommand=x', keyLine],
  ['a b', keyLine],
  ['a\nb', keyLine],
  ['a;b', keyLine],
  ['x'.repeat(300), keyLine],
  ['db1', ''],
  ['db1', rsa],
  ['db1', `${keyLine}\n${keyLine}`],
  ['db1', keyLine.slice(0, -4)],
])('no question: host %p, key %p', (host, line) => {
  expect(parseVouchCall(formatVouchCall(host, line).slice(0, -1))).toBeUndefined()
})

test('hosts are named as they are compared', () => {
  expect(parseTarget('DB1.Example.COM.')).toBe('db1.example.com')
  expect(parseTarget('[2001:DB8::1]')).toBe('2001:db8::1')
  expect(parseTarget('-x')).toBeUndefined()
})

test('broken questions end in nothing, and what is taken is what was asked', () => {
  for (const broken of mutations([formatVouchCall('db1', keyLine).slice(0, -1)])) {
    const call = parseVouchCall(broken)
    if (call) expect(parseQuestion(formatQuestion(call))).toEqual(call)
  }
  for (const broken of mutations([utf8(JSON.stringify({ user: 'alice', kind: 'token', text: 'x' }))]))
    parseVouchReply(new TextDecoder().decode(broken))
})
