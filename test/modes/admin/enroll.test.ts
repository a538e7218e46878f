// ob enroll against the stand-in portal: what an administrator of the portal does in time, and what else may happen.
import { expect, test } from 'bun:test'
import { mode } from '../../../modes/admin/enroll.ts'
import type { Ending } from '../../../modes/run/mode.ts'
import { Secret } from '../../../src/base/secret.ts'
import { loadConfig } from '../../../src/config/load.ts'
import { openSecretStore } from '../../../src/secrets/store.ts'
import { type FakeWorld, textOf } from '../../fakes/world.ts'
import { configText, enrolledHost, type Host } from '../host.ts'

const tokenFile = '/var/lib/open-bastion/token'

/** A host that was never enrolled. */
async function newHost(config = ''): Promise<Host> {
  const host = await enrolledHost({ config })
  host.world.disk.delete(tokenFile)
  host.portal.control.forgetRequests()
  return host
}

type Happenings = Readonly<Record<number, (userCode: string) => void>>
type Ran = { readonly outcome: string; readonly events: readonly Record<string, unknown>[]; readonly waited: number }

/** Runs it with --json; at some seconds of waiting something happens. */
async function enroll(host: Host, happenings: Happenings, ...args: readonly string[]): Promise<Ran> {
  const { world } = host
  world.printed.out = ''
  let waited = 0
  const lived: FakeWorld = {
    ...world,
    sleep: async (seconds) => {
      await world.sleep(seconds)
      waited += seconds
      happenings[waited]?.(userCodeOf(eventsOf(world)))
    },
  }
  const ending = await mode.run(['--json', ...args], lived)
  return { outcome: outcomeOf(ending), events: eventsOf(world), waited }
}

const eventsOf = (world: FakeWorld): readonly Record<string, unknown>[] =>
  world.printed.out
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))
const userCodeOf = (events: readonly Record<string, unknown>[]): string =>
  String(events.find(({ event }) => event === 'code')?.['user_code'])
const outcomeOf = (ending: Ending): string =>
  ending.kind === 'usage' ? 'usage' : `${ending.outcome.kind} ${ending.outcome.reason}`
const names = ({ events }: Ran): readonly unknown[] => events.map(({ event }) => event)
const polls = (host: Host): number => host.portal.control.requests({ path: '/oauth2/token' }).length

const approve = (host: Host) => (user_code: string) => host.portal.control.approve({ user_code, user: 'dwho' })

test('approved after a while, the host has its token, and the portal accepts it', async () => {
  const host = await newHost()
  const ran = await enroll(host, { 7: approve(host) })
  expect([ran.outcome, names(ran)]).toEqual(['allowed done', ['code', 'enrolled', 'heartbeats']])
  const saved = JSON.parse(textOf(host.world, tokenFile) ?? '')
  const now = Math.floor(host.world.now())
  expect(saved).toMatchObject({ expires_at: now + 3600, enrolled_at: now, renewed_at: now })
  expect([typeof saved.access_token, typeof saved.refresh_token]).toEqual(['string', 'string'])
  expect(host.world.disk.get(tokenFile)?.mode).toBe(0o600)
  expect(textOf(host.world, tokenFile)).not.toContain(userCodeOf(ran.events))
  expect((await host.phase('account', { PAM_USER: 'rtyler' })).outcome).toBe('allowed portal-allowed')
})

test('a person at a terminal reads an address, a code and a countdown, and a script none of the last', async () => {
  const host = await newHost()
  const code = () => /^ {4}([A-Z]{4}-[A-Z]{4})$/m.exec(host.world.printed.out)?.[1] ?? ''
  const sleep = async (seconds: number) => {
    await host.world.sleep(seconds)
    if (host.world.slept.seconds === 5) approve(host)(code())
  }
  const redrawn: string[] = []
  const terminal = { columns: 100, colour: false, redraw: (text: string) => void redrawn.push(text) }
  const ending = await mode.run([], { ...host.world, terminal, sleep })
  expect(outcomeOf(ending)).toBe('allowed done')
  expect(host.world.printed.out).toMatch(/^Open {3}https:\/\/auth\.example\.test\/\S+$/m)
  expect(host.world.printed.out).toContain(`its token is in ${tokenFile}`)
  expect(host.world.printed.out).toContain('█')
  expect(redrawn.filter((line) => /^waiting for approval, \d+ s left/.test(line))).toHaveLength(5)
  expect(redrawn.at(-1)).toBe('')
  await enroll(host, { 5: approve(host) }, '--force')
  expect(host.world.printed.err).toBe('')
})

test('nobody approves in time: nothing is written', async () => {
  const host = await newHost()
  const ran = await enroll(host, {})
  expect([ran.outcome, names(ran)]).toEqual(['denied gave-up', ['code', 'not-enrolled']])
  expect(ran.events.at(-1)?.['detail']).toBe('nobody approved the code in time')
  expect(ran.waited).toBe(Number(ran.events[0]?.['expires_in']))
  expect(host.world.disk.has(tokenFile)).toBe(false)
})

test('an administrator who refuses ends it at the next question', async () => {
  const host = await newHost()
  const ran = await enroll(host, { 3: (user_code) => host.portal.control.deny({ user_code }) })
  expect([ran.outcome, ran.waited]).toEqual(['denied gave-up', Number(ran.events[0]?.['interval'])])
  expect(host.world.disk.has(tokenFile)).toBe(false)
})

test('Ctrl-C ends it within a second, and nothing is written', async () => {
  const host = await newHost()
  const aborted = new AbortController()
  const world: FakeWorld = {
    ...host.world,
    interrupted: () => aborted.signal,
    sleep: async (seconds) => {
      await host.world.sleep(seconds)
      if (host.world.slept.seconds === 2) aborted.abort()
    },
  }
  expect(outcomeOf(await mode.run([], world))).toBe('denied gave-up')
  expect([host.world.slept.seconds, polls(host), host.world.disk.has(tokenFile)]).toEqual([2, 0, false])
  expect(host.world.printed.out).toContain('not enrolled: interrupted; nothing was changed')
})

test('a network that comes and goes does not end it', async () => {
  const host = await newHost()
  const down = () => host.portal.control.fault({ kind: 'down', path: '/oauth2/token' })
  const up = () => host.portal.control.fault({ kind: 'none' })
  const ran = await enroll(host, { 1: down, 21: up, 22: approve(host) })
  expect(ran.outcome).toBe('allowed done')
  expect(polls(host)).toBeGreaterThan(3)
})

test('an enrolled host is left alone, unless it is told otherwise', async () => {
  const host = await enrolledHost()
  const before = textOf(host.world, tokenFile)
  const again = await enroll(host, {})
  expect([again.outcome, names(again)]).toEqual(['allowed done', ['already-enrolled', 'heartbeats']])
  expect(textOf(host.world, tokenFile)).toBe(before)
  const forced = await enroll(host, { 5: approve(host) }, '--force')
  expect(names(forced)).toEqual(['code', 'enrolled', 'heartbeats'])
  expect(textOf(host.world, tokenFile)).not.toBe(before)
})

test.each(['zzz zzz', '{"access_token":1}', ''])('a token file that holds %j is replaced', async (content) => {
  const host = await newHost()
  host.world.files.makeDirectory('/var/lib/open-bastion', 0o711)
  host.world.files.writeAtomic(tokenFile, content, { mode: 0o600 })
  const ran = await enroll(host, { 5: approve(host) })
  expect(names(ran)).toEqual(['code', 'enrolled', 'heartbeats'])
  expect(JSON.parse(textOf(host.world, tokenFile) ?? '').access_token).toBeString()
})

test('a token that the portal forgot is no enrollment', async () => {
  const host = await enrolledHost()
  host.portal.control.dropEnrollment()
  expect(names(await enroll(host, { 5: approve(host) }))).toEqual(['code', 'enrolled', 'heartbeats'])
})

test('while the portal is away nobody can say whether a host is enrolled, and its token stays', async () => {
  const host = await enrolledHost()
  const before = textOf(host.world, tokenFile)
  host.portal.control.fault({ kind: 'down' })
  await expect(mode.run([], host.world)).rejects.toMatchObject({ hint: 'try again when the portal answers' })
  expect(textOf(host.world, tokenFile)).toBe(before)
})

test('a portal whose plugin does not know the new token is named as the cause', async () => {
  const host = await newHost()
  const broken = (user_code: string) => {
    host.portal.control.approve({ user_code, user: 'dwho' })
    host.portal.control.fault({ kind: 'down', status: 401, path: '/pam/authorize', body: { error: 'Invalid token' } })
  }
  await expect(enroll(host, { 3: broken })).rejects.toThrow(`saved in ${tokenFile}, but the portal does not accept it`)
})

test('a portal that gives no refresh token gives no enrollment: the host would lose it within the hour', async () => {
  const host = await newHost()
  const forgetful: FakeWorld = {
    ...host.world,
    fetch: async (url, init, tls, proxy) => {
      const answer = await host.world.fetch(url, init, tls, proxy)
      if (!url.endsWith('/oauth2/token') || answer.status !== 200) return answer
      const { refresh_token: _, ...rest } = (await answer.json()) as Record<string, unknown>
      return Response.json(rest)
    },
  }
  await expect(enroll({ ...host, world: forgetful }, { 3: approve(host) })).rejects.toThrow('gave no refresh token')
  expect(host.world.disk.has(tokenFile)).toBe(false)
})

test('a rehearsal changes nothing and says whether the portal answers', async () => {
  const host = await newHost()
  const before = [...host.world.disk.keys()]
  const rehearsed = await enroll(host, {}, '--dry-run')
  expect(rehearsed).toMatchObject({ outcome: 'allowed done', waited: 0 })
  expect(rehearsed.events).toMatchObject([{ event: 'dry-run', reachable: true, client_id: 'pam-access' }])
  expect(host.portal.control.requests().map(({ method }) => method)).toEqual(['GET'])
  const away: FakeWorld = {
    ...host.world,
    fetch: async () => Promise.reject(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })),
  }
  expect(outcomeOf(await mode.run(['--dry-run'], away))).toBe('unavailable portal-unreachable')
  expect([...host.world.disk.keys()]).toEqual(before)
  expect(host.world.printed.out).not.toContain('pamsecret')
})

test('a disk that takes no token leaves no half of one', async () => {
  const host = await newHost()
  host.break((path) =>
    path.startsWith(tokenFile) ? 'there is no space left on this file system; free some' : undefined,
  )
  await expect(enroll(host, { 5: approve(host) })).rejects.toThrow('there is no space left')
  expect(host.world.disk.has(tokenFile)).toBe(false)
})

test('arguments that nobody knows are refused before anything is asked', async () => {
  const host = await newHost()
  for (const args of [['--dryrun'], ['now']])
    expect([args, outcomeOf(await mode.run(args, host.world))]).toEqual([args, 'usage'])
  expect(host.portal.control.requests()).toEqual([])
})

test('what is no OpenID provider is no portal to enroll at, whatever it answers', async () => {
  const host = await newHost()
  host.portal.control.fault({ kind: 'down', status: 404 })
  const rehearsed = await enroll(host, {}, '--dry-run')
  expect(rehearsed.outcome).toBe('denied found-problems')
  expect(rehearsed.events).toMatchObject([
    { reachable: false, problem: expect.stringMatching(/no OpenID provider \(HTTP 404 .*check portal_url$/) },
  ])
})

const clocks: readonly (readonly [number, string])[] = [
  [600, '10 min ahead of'],
  [-600, '10 min behind'],
]
test.each(clocks)('a clock %i s off is said to be the cause, and not the secret', async (offset, words) => {
  const host = await newHost()
  const real = host.world.now()
  const world: FakeWorld = {
    ...host.world,
    now: () => real + offset,
    fetch: async (url, init, tls, proxy) => {
      const answer = await host.world.fetch(url, init, tls, proxy)
      const headers = new Headers(answer.headers)
      headers.set('date', new Date(real * 1000).toUTCString())
      const isRefused = url.endsWith('/oauth2/device')
      // What the portal makes of an assertion of another time.
      return isRefused
        ? Response.json({ error: 'invalid_client' }, { status: 400, headers })
        : new Response(answer.body, { status: answer.status, headers })
    },
  }
  await expect(mode.run([], world)).rejects.toMatchObject({
    message: 'the portal refused to start the enrollment: invalid_client',
    hint: expect.stringContaining(`the clock of this host is ${words} the portal's: synchronise`),
  })
})

const wrongGroup = "Server 'pam-access' is not authorized for server_group 'backend'"

test('a token that the portal would refuse does not replace one, and the cause is said', async () => {
  const host = await enrolledHost({ serverGroups: { 'pam-access': 'frontend' } })
  const before = textOf(host.world, tokenFile)
  await expect(enroll(host, { 5: approve(host) }, '--force')).rejects.toMatchObject({
    message: expect.stringContaining(
      `so ${tokenFile} stays: /pam/authorize: the portal refuses this host (HTTP 403): ${wrongGroup}`,
    ),
    hint: expect.stringContaining('set server_group'),
  })
  expect(textOf(host.world, tokenFile)).toBe(before)
})

test('a new host keeps what was approved, so that a corrected server_group needs nobody again', async () => {
  const host = await enrolledHost({ serverGroups: { 'pam-access': 'frontend' } })
  host.world.disk.delete(tokenFile)
  await expect(enroll(host, { 5: approve(host) })).rejects.toMatchObject({
    message: expect.stringContaining(wrongGroup),
    hint: expect.stringContaining('needs no new approval'),
  })
  host.world.files.writeAtomic(
    '/etc/open-bastion/openbastion.conf',
    configText().replace('server_group = backend', 'server_group = frontend'),
    { mode: 0o600 },
  )
  expect(names(await enroll(host, {}))).toEqual(['already-enrolled', 'heartbeats'])
})

const store = '/var/lib/open-bastion/secrets'
const refreshToken = (host: Host): string => JSON.parse(textOf(host.world, tokenFile) ?? '{}').refresh_token
const newMachine = (host: Host): void => {
  host.world.disk.get('/etc/machine-id')!.data = new TextEncoder().encode(`${'f'.repeat(32)}\n`)
}
const machine = { '/etc/machine-id': `${'0'.repeat(32)}\n` }

/** A host that ob enroll enrolled: its refresh token is sealed. */
async function sealedHost(config = ''): Promise<Host> {
  const host = await enrolledHost({ config, files: machine })
  host.world.disk.delete(tokenFile)
  expect(names(await enroll(host, { 5: approve(host) }))).toEqual(['code', 'enrolled', 'heartbeats'])
  expect(refreshToken(host)).toBe('sealed:refresh_token')
  host.portal.control.forgetRequests()
  return host
}

/** The refresh token of this host is one that the portal takes. */
async function expectRenewal(host: Host): Promise<void> {
  host.portal.control.expireAccessTokens()
  host.portal.control.setUser({ user: 'rtyler' })
  expect((await host.phase('account', { PAM_USER: 'rtyler' })).outcome).toStartWith('allowed')
}

test('secrets_encrypted, which is the default, seals the refresh token from the first enrollment on', async () => {
  await expectRenewal(await sealedHost())
  const plain = await enrolledHost({ config: 'secrets_encrypted = false', files: machine })
  await enroll(plain, { 5: approve(plain) }, '--force')
  expect(refreshToken(plain)).toMatch(/^[^:]{10,}$/)
})

test.each([
  ['and the token file was removed', true],
  ['and the token file stayed', false],
])('another machine-id, %s: the store is begun anew and the approved enrollment is kept', async (_, isRemoved) => {
  const host = await sealedHost()
  newMachine(host)
  if (isRemoved) host.world.disk.delete(tokenFile)
  const ran = await enroll(host, { 5: approve(host) })
  expect(names(ran)).toEqual(['code', 'store-anew', 'enrolled', 'heartbeats'])
  expect(refreshToken(host)).toBe('sealed:refresh_token')
  await expectRenewal(host)
})

test('where that store holds more than an enrollment gives, nobody is asked to approve', async () => {
  const host = await sealedHost()
  await openSecretStore(host.world, loadConfig(host.world.files)).write('notify_secret', new Secret('x'))
  newMachine(host)
  const before = textOf(host.world, tokenFile)
  await expect(enroll(host, {})).rejects.toMatchObject({
    message: expect.stringContaining('it holds notify_secret, which only you can give again'),
    hint: expect.stringContaining('ob secret rotate --discard'),
  })
  expect([textOf(host.world, tokenFile), host.portal.control.requests().length]).toEqual([before, 0])
})

test('a place where the token cannot be written is found before anybody is asked', async () => {
  const host = await newHost()
  host.break((path) => (path.startsWith(tokenFile) ? 'the disk is full' : undefined))
  await expect(enroll(host, {})).rejects.toThrow('the disk is full')
  expect(host.portal.control.requests({ path: '/oauth2/device' })).toEqual([])
})

test('an approved enrollment that cannot be sealed is saved all the same, and said to stand in plain text', async () => {
  const host = await enrolledHost({ files: machine })
  const full = (user_code: string) => {
    approve(host)(user_code)
    host.break((path) => (path.startsWith(store) ? 'the disk is full' : undefined))
  }
  const ran = await enroll(host, { 5: full }, '--force')
  expect(names(ran)).toEqual(['code', 'not-sealed', 'enrolled', 'heartbeats'])
  await expectRenewal(host)
})

test('passwords kept without a key file are not locked by making one', async () => {
  const files = { ...machine, '/var/cache/open-bastion/credentials/0.cred': 'OBCRED01' }
  const host = await enrolledHost({ files })
  const ran = await enroll(host, { 5: approve(host) }, '--force')
  expect(names(ran)).toEqual(['code', 'not-sealed', 'enrolled', 'heartbeats'])
  expect(host.world.disk.has('/etc/open-bastion/cache.key')).toBe(false)
})

test('a new enrollment replaces its own secret in the store, and no other', async () => {
  const host = await sealedHost()
  const vault = openSecretStore(host.world, loadConfig(host.world.files))
  await vault.write('notify_secret', new Secret('x'))
  await enroll(host, { 5: approve(host) }, '--force')
  expect((await vault.read('notify_secret'))?.expose()).toBe('x')
  await expectRenewal(host)
})

test.each([
  ['there is a key file', { '/etc/open-bastion/cache.key': 'k'.repeat(32) }, ''],
  ['passwords are sealed with another key file', {}, 'offline_cache_key_file = /etc/open-bastion/other.key'],
  ['nothing is kept but a salt', { '/var/cache/open-bastion/credentials/0.cred': undefined }, ''],
])('where %s, the refresh token is sealed', async (_, more, config) => {
  const kept = { '/var/cache/open-bastion/credentials/0.cred': 'OBCRED01', ...more }
  const files = Object.fromEntries(
    Object.entries(kept).flatMap(([path, text]) => (text === undefined ? [] : [[path, text]])),
  )
  const salt = { '/var/cache/open-bastion/credentials/.cred_salt': 's'.repeat(16) }
  const host = await enrolledHost({ config, files: { ...machine, ...salt, ...files } })
  expect(names(await enroll(host, { 5: approve(host) }, '--force'))).toEqual(['code', 'enrolled', 'heartbeats'])
})

test('every request of an enrollment is signed where request_signing_secret is set', async () => {
  const host = await newHost('request_signing_secret = sesame')
  await enroll(host, { 5: approve(host) })
  const requests = host.portal.control.requests()
  expect(new Set(requests.map(({ path }) => path))).toEqual(
    new Set(['/.well-known/openid-configuration', '/oauth2/device', '/oauth2/token', '/pam/authorize']),
  )
  for (const { headers } of requests) expect(headers['x-signature-256']).toMatch(/^sha256=[0-9a-f]{64}$/)
})
