// `ob cache` over a disk of plain values.
import { expect, test } from 'bun:test'
import { mode } from '../../../modes/admin/cache.ts'
import { exitCode } from '../../../modes/run/exit.ts'
import { type LoginName, parseLoginName } from '../../../src/base/names.ts'
import { Secret } from '../../../src/base/secret.ts'
import type { World } from '../../../src/base/world.ts'
import { loadConfig } from '../../../src/config/load.ts'
import { openAuthCache } from '../../../src/offline/grants.ts'
import { authCacheFileName } from '../../../src/offline/grants-format.ts'
import { passwordFileName } from '../../../src/offline/password-format.ts'
import { openOfflinePasswords } from '../../../src/offline/passwords.ts'
import { openTokenCache } from '../../../src/offline/tokens.ts'
import { argon2 } from '../../fakes/argon2.ts'
import { type FakeWorld, fakeWorld } from '../../fakes/world.ts'

const alice = parseLoginName('alice')!
const bob = parseLoginName('bob')!
const right = new Secret('correct horse')
const authDirectory = '/var/cache/open-bastion/auth'
const passwordDirectory = '/var/cache/open-bastion/credentials'
const fileOfGrant = (user: string, host = 'host1'): string =>
  `${authDirectory}/${authCacheFileName({ user, host, group: 'default' })}`
const fileOfPassword = (user: string): string => `${passwordDirectory}/${passwordFileName(user)}`

async function grant(world: FakeWorld, user: LoginName, host = 'host1', seconds = 3600): Promise<void> {
  const authorization = { kind: 'granted', user, groups: ['dev'], sudoAllowed: true, attributes: {} } as const
  const name = { user, host, group: 'default' }
  await openAuthCache(world, loadConfig(world.files)).store(name, { authorization, seconds })
}

/** alice has everything, bob an answer of the portal. */
async function host(): Promise<FakeWorld> {
  const world = fakeWorld({
    argon2,
    files: {
      '/etc/machine-id': `${'0123456789abcdef'.repeat(2)}\n`,
      '/etc/open-bastion/openbastion.conf': 'portal_url = https://auth.example.test\n',
      '/etc/passwd': 'root:x:0:0::/root:/bin/sh\nbob:x:1000:1000::/home/bob:/bin/sh\n',
    },
  })
  const config = loadConfig(world.files)
  await grant(world, alice)
  await grant(world, bob)
  await openOfflinePasswords(world, config).store(alice, { password: right }, {})
  await openTokenCache(world, config).store(new Secret('a token'), alice, { authorized: true })
  return world
}

async function run(world: World & Pick<FakeWorld, 'printed'>, ...args: string[]) {
  const before = world.printed.out.length
  const ending = await mode.run(args, world)
  return { code: exitCode('admin', ending), text: world.printed.out.slice(before) + (ending.text ?? '') }
}

const damage = (world: FakeWorld, path: string, data: Uint8Array | string): void =>
  void Object.assign(world.disk.get(path)!, { data: typeof data === 'string' ? new TextEncoder().encode(data) : data })

const flip = (world: FakeWorld, path: string): void =>
  damage(
    world,
    path,
    world.disk.get(path)!.data.map((byte, at, all) => (at === all.length - 1 ? byte ^ 1 : byte)),
  )

test('list names who is kept, out of the seals', async () => {
  const { code, text } = await run(await host(), 'list')
  expect(code).toBe(0)
  expect(
    text
      .trim()
      .split('\n')
      .map((line) => line.split(/ +/).slice(0, 3).join(' '))
      .sort(),
  ).toEqual(['alice authorization valid', 'alice password valid', 'alice token valid', 'bob authorization valid'])
})

test('list --json is one JSON array', async () => {
  const { text } = await run(await host(), 'list', '--json')
  const kept = JSON.parse(text) as { user: string; kind: string; state: string }[]
  expect(kept).toHaveLength(4)
  expect(
    kept
      .filter(({ user }) => user === 'alice')
      .map(({ kind }) => kind)
      .sort(),
  ).toEqual(['authorization', 'password', 'token'])
  const empty = fakeWorld({
    files: { '/etc/open-bastion/openbastion.conf': 'portal_url = https://auth.example.test\n' },
  })
  expect((await run(empty, 'list', '--json')).text).toBe('[]\n')
  expect((await run(empty, 'list')).text).toBe('nothing is kept\n')
})

test('show says everything about one user but secrets', async () => {
  const world = await host()
  const { text } = await run(world, 'show', 'alice')
  expect(text).toBe(
    [
      'authorization: valid',
      `  file: ${fileOfGrant('alice')}`,
      '  kept since: 2027-01-15T08:00:00Z',
      '  until: 2027-01-15T09:00:00Z',
      '  sudo: allowed',
      '  groups: dev',
      '  keys the portal accepted: 0',
      'password: valid',
      `  file: ${fileOfPassword('alice')}`,
      '  kept since: 2027-01-15T08:00:00Z',
      '  until: 2027-01-22T08:00:00Z',
      '  last accepted: 2027-01-15T08:00:00Z',
      '  failures: 0',
      '',
    ].join('\n'),
  )
  expect((await run(world, 'show', 'carol')).text).toBe('nothing is kept for carol\n')
  expect(Object.keys(JSON.parse((await run(world, 'show', 'alice', '--json')).text))).toEqual([
    'user',
    'forcedOnline',
    'kept',
  ])
})

test('show says when nothing of it is used', async () => {
  const world = await host()
  world.files.writeAtomic('/etc/open-bastion/force_online', 'alice\n', { mode: 0o644 })
  expect((await run(world, 'show', 'alice')).text).toContain('force_online names the user: what is kept is not used')
  expect((await run(world, 'show', 'bob')).text).not.toContain('force_online')
})

test('no output of any verb holds a hash, a salt or a password', async () => {
  const world = await host()
  const secrets = [...world.disk].filter(([path]) => /_salt$/.test(path)).map(([, { data }]) => data.toHex())
  for (const args of [['list'], ['show', 'alice'], ['stats'], ['verify'], ['unlock', 'alice'], ['invalidate', 'alice']])
    for (const json of [[], ['--json']]) {
      const { text } = await run(world, ...args, ...json)
      expect(text).not.toMatch(/password_hash|"salt"|argon2|horse/)
      for (const secret of secrets) expect(text).not.toContain(secret)
    }
})

test('stats counts by state', async () => {
  const world = await host()
  flip(world, fileOfGrant('bob'))
  const { text } = await run(world, 'stats', '--json')
  expect(JSON.parse(text)).toEqual({
    authorization: { valid: 1, tampered: 1 },
    password: { valid: 1 },
    token: { valid: 1 },
  })
  expect((await run(world, 'stats')).text).toContain('authorizations: 2 (')
})

test('invalidate destroys everything about a user, under whatever name of the host, and nobody else’s', async () => {
  const world = await host()
  await grant(world, alice, 'old-name')
  const old = Uint8Array.from(world.disk.get(fileOfPassword('alice'))!.data)
  const { code, text } = await run(world, 'invalidate', 'alice')
  expect(code).toBe(0)
  expect(text).toContain('alice: password, authorization, authorization, token destroyed\n')
  expect(text).toContain('copy-on-write')
  expect((await run(world, 'list')).text).toMatch(/^bob +authorization +valid.*\n$/)
  world.disk.set(fileOfPassword('alice'), { data: old, mode: 0o600, uid: 0, gid: 0, modifiedAt: 0 })
  const config = loadConfig(world.files)
  expect((await openOfflinePasswords(world, config).verify(alice, right)).kind).toBe('invalid')
  expect((await run(world, 'invalidate', 'carol')).text).toBe('nothing was kept for carol\n')
})

test('invalidate finds what does not open any more by the name of its file', async () => {
  const world = await host()
  flip(world, fileOfGrant('bob'))
  expect((await run(world, 'invalidate', 'bob')).text).toContain('bob: authorization destroyed')
  expect(world.disk.has(fileOfGrant('bob'))).toBe(false)
})

test('invalidate-all wants to be told twice, and keeps salts', async () => {
  const world = await host()
  const { code, text } = await run(world, 'invalidate-all')
  expect([code, text]).toEqual([64, '4 entries would be destroyed; ob cache invalidate-all --yes does it'])
  expect((await run(world, 'invalidate-all', '--yes')).text).toStartWith('4 entries destroyed\n')
  expect((await run(world, 'list')).text).toBe('nothing is kept\n')
  expect([...world.disk.keys()].filter((path) => path.endsWith('_salt'))).toHaveLength(3)
})

test('unlock ends a lock inside the seal', async () => {
  const world = await host()
  const credentials = openOfflinePasswords(world, loadConfig(world.files))
  for (let count = 0; count < 5; count++) await credentials.verify(alice, new Secret('wrong'))
  expect((await run(world, 'show', 'alice')).text).toContain('password: locked')
  expect((await run(world, 'show', 'alice')).text).toContain('  locked: 300 s more')
  expect((await run(world, 'unlock', 'alice')).code).toBe(0)
  expect((await credentials.verify(alice, right)).kind).toBe('accepted')
  expect((await run(world, 'unlock', 'bob')).code).toBe(1)
  flip(world, fileOfPassword('alice'))
  const broken = await run(world, 'unlock', 'alice')
  expect([broken.code, broken.text]).toEqual([
    1,
    'what is kept for alice does not count; ob cache show alice says why\n',
  ])
})

test('cleanup removes what expired, what is no entry and what a dead write left; never a salt or what does not open', async () => {
  const world = await host()
  await grant(world, parseLoginName('carol')!, 'host1', 60)
  damage(world, fileOfPassword('alice'), '')
  flip(world, fileOfGrant('bob'))
  const left = `${authDirectory}/x.authcache.tmp.0123456789ab`
  world.files.writeAtomic(left, '', { mode: 0o600 })
  const salts = [...world.disk.keys()].filter((path) => /_salt|\.lock/.test(path))
  world.clock.now += 3599
  expect((await run(world, 'cleanup')).text).toBe(
    '3 files removed; 1 do not open and were left alone, ob cache verify names them\n',
  )
  world.clock.now += 2
  expect(JSON.parse((await run(world, 'cleanup', '--json')).text)).toEqual({ removed: 2, doubtful: 1 })
  expect(world.disk.has(left)).toBe(false)
  expect([...world.disk.keys()].filter((path) => /_salt|\.lock/.test(path))).toEqual(salts)
})

test('verify names what does not open, and whose it is where that can be known', async () => {
  const world = await host()
  expect(await run(world, 'verify')).toEqual({ code: 0, text: '4 entries, 4 open\n' })
  flip(world, fileOfGrant('bob'))
  world.disk.get(fileOfPassword('alice'))!.mode = 0o644
  const { code, text } = await run(world, 'verify')
  expect(code).toBe(1)
  expect(text.split('\n')).toEqual([
    `${fileOfGrant('bob')}: tampered: its seal is broken (user bob)`,
    `${fileOfPassword('alice')}: unreadable: ${fileOfPassword('alice')} can be read by others (mode 0644)`,
    '4 entries, 2 open',
    '',
  ])
  expect((JSON.parse((await run(world, 'verify', '--json')).text) as { problems: unknown[] }).problems).toHaveLength(2)
})

test('looking changes nothing', async () => {
  const world = await host()
  world.clock.now += 30 * 86_400
  const before = [...world.disk].map(([path, { data }]) => `${path} ${data.toHex()}`)
  for (const args of [['list'], ['show', 'alice'], ['stats'], ['verify']]) await run(world, ...args)
  expect([...world.disk].map(([path, { data }]) => `${path} ${data.toHex()}`)).toEqual(before)
})

test('a terminal is told how far it is, and the line is taken away', async () => {
  const world = await host()
  const watched = Object.assign(Object.create(world) as FakeWorld, {
    terminal: { columns: 80, colour: false, redraw: (text: string) => world.stderr(`<${text}>`) },
  })
  await run(watched, 'verify')
  expect(world.printed.err).toBe('<0 of 4><>')
})

test.each([
  [['list', 'alice'], 'list takes no user'],
  [['show'], 'show needs a user'],
  [['show', 'Not A Name'], '"Not A Name" is not a user name'],
  [['purge'], '"purge" is not list, stats, invalidate-all, cleanup, verify, show, invalidate, unlock'],
  [['list', '--yes'], 'list takes no --yes'],
  [['constructor'], '"constructor" is not list, stats, invalidate-all, cleanup, verify, show, invalidate, unlock'],
])('%j is refused', async (args, text) => {
  expect(await run(await host(), ...args)).toEqual({ code: 64, text })
})
