// A hop as the backend sees it, on a host in memory: what sshd asks before the proof, and what PAM decides after it.
import { expect, test } from 'bun:test'
import { mode as principals } from '../../modes/sshd/principals.ts'
import { mode as heartbeat } from '../../modes/timer/heartbeat.ts'
import { formatKeyLine } from '../../src/ssh/certificate-format.ts'
import { parsePublicKeyLine } from '../../src/ssh/wire.ts'
import { audited, textOf } from '../fakes/world.ts'
import { enrolledHost, type Host } from '../modes/host.ts'
import { ask, backend, offer, person, proven, session, vouch } from './backend.ts'
import { carrier, newKey } from './cast.ts'

const jwks = '/var/lib/open-bastion/jwks.json'

test('a login leaves sshd’s helpers the rules and the keys of the portal, and takes them away with the configuration', async () => {
  const host = await backend()
  expect(host.world.disk.get('/var/lib/open-bastion/hops.json')?.mode).toBe(0o644)
  expect(host.world.disk.get(jwks)?.mode).toBe(0o644)
  const text = textOf(host.world, '/etc/open-bastion/openbastion.conf') ?? ''
  host.world.disk.get('/etc/open-bastion/openbastion.conf')!.data = new TextEncoder().encode(
    text.replace(/^bastion_jwt_allowed.*$/m, ''),
  )
  await host.phase('account', { PAM_USER: person })
  expect(textOf(host.world, '/var/lib/open-bastion/hops.json')).toBeUndefined()
})

test('a vouched key gets the line of its own authority, and its session opens; the audit names bastion and token', async () => {
  const host = await backend()
  const key = await carrier(await vouch(host), undefined, person)
  const line = `cert-authority,restrict,pty,principals="${person}" ssh-ed25519 ${key.plainBlob.toBase64()}\n`
  expect(await offer(host, key)).toBe(line)
  expect((await session(host, key)).outcome).toBe('allowed hop-vouched')
  expect(audited(host.world).at(-1)?.['details']).toMatch(
    new RegExp(`hop from ${host.id}, token [0-9a-f-]{36}, keys of the portal \\d+ s old`),
  )
})

test('the line permits what the configuration says, whatever the certificate wishes', async () => {
  const host = await backend('bastion_jwt_permits = pty, port-forwarding\n')
  const key = await carrier(await vouch(host), undefined, person)
  expect(await offer(host, key)).toStartWith('cert-authority,restrict,pty,port-forwarding,principals=')
})

const refusals: readonly (readonly [string, object, string, string])[] = [
  ['vouched for another host', { target_host: 'host2' }, person, 'denied hop-target'],
  ['vouched for another group', { target_group: 'other' }, person, 'denied hop-group'],
  ['vouched for somebody else', {}, 'dwho', 'denied hop-user'],
]
test.each(refusals)('%s: no line, and no session', async (_name, change, user, outcome) => {
  const host = await backend()
  const key = await carrier(await vouch(host, change), undefined, user)
  expect(await offer(host, key, user)).toBe('')
  expect(host.world.logged.at(-1)).toContain(outcome.split(' ')[1]!)
  expect((await session(host, key, user)).outcome).toBe(outcome)
})

test('a bastion that is taken from the list between question and session', async () => {
  const host = await backend()
  const key = await carrier(await vouch(host), undefined, person)
  expect(await offer(host, key)).not.toBe('')
  const file = host.world.disk.get('/etc/open-bastion/openbastion.conf')!
  file.data = new TextEncoder().encode(new TextDecoder().decode(file.data).replace(host.id, 'another'))
  expect((await session(host, key)).outcome).toBe('denied hop-bastion')
})

test('a token belongs to the first key that proved itself with it, each time', async () => {
  const host = await backend()
  const text = await vouch(host)
  const first = await newKey()
  const [mine, again, stolen] = [
    await carrier(text, first, person),
    await carrier(text, first, person),
    await carrier(text, undefined, person),
  ]
  expect((await session(host, mine)).outcome).toBe('allowed hop-vouched')
  expect((await session(host, stolen)).outcome).toBe('denied hop-replayed')
  expect(audited(host.world).at(-1)?.['event_type']).toBe('SECURITY_ERROR')
  expect((await session(host, again)).outcome).toBe('allowed hop-vouched')
  // What is left behind is one file a token, and goes after two hours.
  const left = () => host.world.files.list('/var/lib/open-bastion/hops')?.filter((name) => /^[0-9a-f]{64}$/.test(name))
  expect(left()).toHaveLength(1)
  host.world.clock.now += 7201
  await session(host, await carrier(await vouch(host), undefined, person))
  expect(left()?.length).toBeLessThanOrEqual(1)
})

test('two keys with one token at the same moment: one of them', async () => {
  const host = await backend()
  const text = await vouch(host)
  const both = await Promise.all([carrier(text, undefined, person), carrier(text, undefined, person)])
  const outcomes = await Promise.all(both.map((key) => session(host, key)))
  expect(outcomes.map(({ outcome }) => outcome).sort()).toEqual(['allowed hop-vouched', 'denied hop-replayed'])
})

test('where a hop is required, no other key is listed and no other session opens', async () => {
  const host = await backend('bastion_jwt_required = true\nbastion_jwt_exempt = backup\n')
  const plain = parsePublicKeyLine(formatKeyLine((await newKey()).blob))
  if ('problem' in plain) throw new Error(plain.problem)
  const listed = new TextEncoder().encode(`${formatKeyLine(plain.key.blob)}\n`)
  for (const user of [person, 'backup'])
    host.world.disk.set(`/etc/open-bastion/authorized_keys.d/${user}`, {
      data: listed,
      mode: 0o644,
      uid: 0,
      gid: 0,
      modifiedAt: 0,
    })
  expect(await offer(host, plain.key)).toBe('')
  expect(await offer(host, plain.key, 'backup')).toBe(`${formatKeyLine(plain.key.blob)}\n`)
  const refused = await session(host, plain.key)
  expect(refused.outcome).toBe('denied hop-required')
  expect(refused.said).toContain('ob proxy')
  const typed = await host.phase('open_session', { PAM_USER: person, SSH_AUTH_INFO_0: 'password\n' })
  expect(typed.outcome).toBe('denied hop-required')
})

test('where no bastion is named, a certificate for a hop counts nowhere', async () => {
  const host = await enrolledHost()
  const { bastion_voucher: voucher } = await ask(host, '/pam/authorize', {
    user: person,
    service: 'sshd',
    server_group: 'bastion',
  })
  const public_key = formatKeyLine((await newKey()).blob)
  const {
    certificate = '',
    key_id = '',
    serial = '',
  } = await ask(host, '/pam/bastion-cert', { user: person, voucher, public_key, target_host: 'host1' })
  const made = parsePublicKeyLine(certificate)
  if ('problem' in made) throw new Error(made.problem)
  const args = [person, key_id, serial, made.key.fingerprint, made.key.blob.toBase64()]
  const ending = await principals.run(args, host.world)
  expect(ending).toEqual({ kind: 'outcome', outcome: { kind: 'denied', reason: 'hop-not-configured' }, text: '' })
  expect((await session(host, made.key)).outcome).toBe('denied hop-not-configured')
})

test('where its bastion is named, a certificate of the portal for this hop counts, for this host and user alone', async () => {
  const host = await backend()
  const { bastion_voucher: voucher } = await ask(host, '/pam/authorize', {
    user: person,
    service: 'sshd',
    server_group: 'bastion',
  })
  const public_key = formatKeyLine((await newKey()).blob)
  const make = async (target_host: string) => {
    const answer = await ask(host, '/pam/bastion-cert', { user: person, voucher, public_key, target_host })
    const made = parsePublicKeyLine(answer['certificate'] ?? '')
    if ('problem' in made) throw new Error(made.problem)
    return {
      key: made.key,
      args: [person, answer['key_id']!, answer['serial']!, made.key.fingerprint, made.key.blob.toBase64()],
    }
  }
  const [good, other] = [await make('host1'), await make('host2')]
  expect((await principals.run(good.args, host.world)).text).toBe(`${person}\n`)
  expect((await session(host, good.key)).outcome).toBe('allowed hop-vouched')
  expect((await principals.run(other.args, host.world)).text).toBe('')
  expect((await session(host, other.key)).outcome).toBe('denied hop-target')
})

const fetched = (host: Host): number => JSON.parse(textOf(host.world, jwks) ?? '{"sets":[]}').sets[0]?.fetchedAt ?? 0
const asked = (host: Host): number => host.portal.control.requests({ path: '/oauth2/jwks' }).length

test('the keys are fetched again when they are old, and not by everybody at once', async () => {
  const host = await backend()
  const before = fetched(host)
  host.world.clock.now += 299
  await host.phase('account', { PAM_USER: person })
  expect(fetched(host)).toBe(before)
  host.world.clock.now += 2
  const start = asked(host)
  await Promise.all(Array.from({ length: 8 }, () => host.phase('account', { PAM_USER: person })))
  expect(asked(host) - start).toBe(1)
  expect(fetched(host)).toBe(before + 301)
})

test('the heartbeat fetches them too', async () => {
  const host = await backend()
  host.world.clock.now += 301
  const before = fetched(host)
  await heartbeat.run(['--once'], host.world)
  expect(fetched(host)).toBe(before + 301)
})

test('a token of a new key counts once the heartbeat was run by hand, however young the keys here are', async () => {
  const host = await backend()
  host.portal.control.rotateKeys({ kid: 'rsa-2', withdraw: true })
  const key = await carrier(await vouch(host), undefined, person)
  expect((await session(host, key)).outcome).toBe('denied hop-key-unknown')
  // The timer and logins wait until the keys are old.
  await heartbeat.run([], host.world)
  expect((await session(host, key)).outcome).toBe('denied hop-key-unknown')
  await heartbeat.run(['--once'], host.world)
  expect(await offer(host, key)).not.toBe('')
  expect((await session(host, key)).outcome).toBe('allowed hop-vouched')
})

const poison: readonly (readonly [string, string, string])[] = [
  ['a page', 'text/html', '<html>log in</html>'],
  ['nothing', 'application/json', ''],
  ['a set that was cut', 'application/json', '{"keys":[{"kty":"RSA","n":"AQ'],
  ['an empty set', 'application/json', '{"keys":[]}'],
  ['a symmetric key', 'application/json', '{"keys":[{"kty":"oct","k":"AAAA","kid":"x","use":"sig"}]}'],
  ['too much', 'application/json', `{"keys":[],"x":"${'x'.repeat(70_000)}"}`],
]
test.each(poison)('an answer that is %s leaves the keys as they are, with their age', async (_name, type, body) => {
  const host = await backend()
  const before = textOf(host.world, jwks)
  host.world.clock.now += 301
  const world = {
    ...host.world,
    fetch: async (url: string, init: RequestInit) =>
      url.includes('/oauth2/jwks')
        ? new Response(body, { headers: { 'content-type': type } })
        : host.portal.handle(new Request(url, init)),
  }
  await heartbeat.run(['--once'], world)
  expect(textOf(host.world, jwks)).toBe(before)
  expect(host.world.logged.join()).toContain('are not fetched')
  // And nobody tries again at once, but an administrator.
  await heartbeat.run([], host.world)
  expect(textOf(host.world, jwks)).toBe(before)
  await heartbeat.run(['--once'], host.world)
  expect(textOf(host.world, jwks)).not.toBe(before)
})

test('without the portal a hop counts as long as the keys do, and lets nobody in by itself', async () => {
  const host = await backend('auth_cache_enabled = false\n')
  const key = await carrier(await vouch(host), undefined, person)
  const away = {
    ...host,
    world: {
      ...host.world,
      fetch: () => Promise.reject(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })),
    },
  }
  const { mode } = await import('../../modes/pam/pam.ts')
  const env = {
    PAM_TYPE: 'open_session',
    PAM_SERVICE: 'sshd',
    PAM_USER: person,
    SSH_CONNECTION: '192.0.2.7 1 192.0.2.1 22',
    ...proven(key),
  }
  const run = async (type: string) => {
    const ending = await mode.run([], { ...away.world, env: { ...env, PAM_TYPE: type } })
    return ending.kind === 'outcome' ? `${ending.outcome.kind} ${ending.outcome.reason}` : 'usage'
  }
  expect(await offer(host, key)).not.toBe('')
  host.world.disk.delete('/run/open-bastion/connections')
  expect(await run('account')).toBe('unavailable portal-unreachable')
  const file = host.world.disk.get('/etc/open-bastion/openbastion.conf')!
  file.data = new TextEncoder().encode(`${new TextDecoder().decode(file.data)}bastion_jwt_offline_login = true\n`)
  for (const path of [...host.world.disk.keys()]) if (path.includes('/connections/')) host.world.disk.delete(path)
  expect(await run('account')).toBe('allowed hop-pending')
  expect(await run('open_session')).toBe('allowed hop-offline')
})
