import { expect, test } from 'bun:test'
import { parseLoginName } from '../../src/base/names.ts'
import { Secret } from '../../src/base/secret.ts'
import { checkConfig } from '../../src/config/load.ts'
import { openKnownTokens } from '../../src/offline/known-tokens.ts'
import { openTokenCache } from '../../src/offline/tokens.ts'
import { type FakeWorld, fakeWorld } from '../fakes/world.ts'
import vectors from '../vectors/token-cache.json'

const directory = '/var/cache/open-bastion'
const checked = checkConfig('portal_url = https://auth.example.test\n')
if (checked.kind === 'refused') throw new Error('the configuration of this test is refused')
const { config } = checked

const put = (world: FakeWorld, path: string, data: Uint8Array): void =>
  void world.disk.set(path, { data: Uint8Array.from(data), mode: 0o600, uid: 0, gid: 0, modifiedAt: world.clock.now })

const host = (): FakeWorld => fakeWorld({ files: { '/etc/machine-id': `${'0123456789abcdef'.repeat(2)}\n` } })
const user = parseLoginName('alice')!
const bob = parseLoginName('bob')!
const token = new Secret('tok-alice-1')
const other = new Secret('tok-alice-2')
const filesOf = (world: FakeWorld): readonly string[] =>
  [...world.disk.keys()].filter((path) => path.endsWith('.cache'))

const encrypted = vectors.sets.find(({ name }) => name === 'encrypted')!

// Reading without encryption is something this program cannot be told to do.
const checks = encrypted.checks.filter((check) => parseLoginName(check.user) && !('reader_encrypt' in check))

test.each(checks)('$token of $user at $clock: found as upstream found it', async (check) => {
  const world = fakeWorld({ now: check.clock, files: { '/etc/machine-id': encrypted.machine_id_file! } })
  put(world, `${directory}/.cache_salt`, Uint8Array.fromHex(encrypted.salt_hex!))
  for (const { file, file_bytes_hex } of encrypted.entries)
    if (file_bytes_hex) put(world, `${directory}/${file}`, Uint8Array.fromHex(file_bytes_hex))
  const found = await openTokenCache(world, config).lookup(new Secret(check.token), parseLoginName(check.user)!)
  expect(found.kind === 'hit').toBe(check.expect_hit)
  if (found.kind === 'hit') expect(found.authorized).toBe(check.authorized!)
})

test('an answer is kept for cache_ttl, for its token and user only', async () => {
  const world = host()
  const cache = openTokenCache(world, config)
  await cache.store(token, user, { authorized: true })
  expect(await cache.lookup(token, user)).toEqual({ kind: 'hit', authorized: true, expiresAt: 1_800_000_300 })
  expect((await cache.lookup(other, user)).kind).toBe('miss')
  expect((await cache.lookup(token, bob)).kind).toBe('miss')
  world.clock.now += 300
  expect((await cache.lookup(token, user)).kind).toBe('expired')
  expect(filesOf(world)).toEqual([])
})

test('no answer outlives its token', async () => {
  const world = host()
  const cache = openTokenCache(world, config)
  await cache.store(token, user, { authorized: true, tokenExpiresAt: 1_800_000_010 })
  expect(await cache.lookup(token, user)).toMatchObject({ expiresAt: 1_800_000_010 })
  await cache.store(other, user, { authorized: true, tokenExpiresAt: 1_800_000_000 })
  expect((await cache.lookup(other, user)).kind).toBe('miss')
})

test('a refusal is kept as one', async () => {
  const world = host()
  const cache = openTokenCache(world, config)
  await cache.store(token, user, { authorized: false })
  expect(await cache.lookup(token, user)).toMatchObject({ kind: 'hit', authorized: false })
})

test('an entry that anybody could have written is tampering', async () => {
  const world = host()
  const cache = openTokenCache(world, config)
  await cache.store(token, user, { authorized: false })
  put(world, filesOf(world)[0]!, new TextEncoder().encode('3780000000\n3780000000 1 alice\n'))
  expect((await cache.lookup(token, user)).kind).toBe('tampered')
})

test('one user’s entry in another user’s place is tampering', async () => {
  const world = host()
  const cache = openTokenCache(world, config)
  await cache.store(token, bob, { authorized: true })
  const [ofBob] = filesOf(world)
  const sealed = world.disk.get(ofBob!)!.data
  await cache.store(token, user, { authorized: false })
  put(world, filesOf(world).find((path) => path !== ofBob)!, sealed)
  expect((await cache.lookup(token, user)).kind).toBe('tampered')
})

test('at the end of a session everything about the user is forgotten, and nothing else', async () => {
  const world = host()
  const cache = openTokenCache(world, config)
  await cache.store(token, user, { authorized: true })
  await cache.store(other, user, { authorized: true })
  await cache.store(token, bob, { authorized: true })
  expect(await cache.forgetUser(user)).toBe(2)
  expect((await cache.lookup(token, user)).kind).toBe('miss')
  expect((await cache.lookup(token, bob)).kind).toBe('hit')
  expect(world.disk.has(`${directory}/.cache_salt`)).toBe(true)
})

test('what is too old is removed when something new is kept, and the salt never', async () => {
  const world = host()
  const cache = openTokenCache(world, config)
  await cache.store(token, user, { authorized: true })
  world.clock.now += 4000
  await cache.store(other, user, { authorized: true })
  expect(filesOf(world)).toHaveLength(1)
  expect((await cache.lookup(other, user)).kind).toBe('hit')
})

test('a file of somebody else is not read', async () => {
  const world = host()
  const cache = openTokenCache(world, config)
  await cache.store(token, user, { authorized: true })
  world.disk.get(filesOf(world)[0]!)!.uid = 1000
  expect((await cache.lookup(token, user)).kind).toBe('unreadable')
})

test('a sealed answer that a token is not active is no active token', async () => {
  const world = host()
  await openTokenCache(world, config).store(token, user, { authorized: false })
  await openTokenCache(world, config).store(other, user, { authorized: true })
  const known = openKnownTokens(world, config)
  expect([await known.recall(user, token), await known.recall(user, other)]).toEqual(['unknown', 'active'])
})

/** Root's note of the connection, and the process that it is about (proc_pid_stat(5)): its 22nd field is its start. */
const process = (state: string, startedAt: number): string => `100 (sshd) ${state} ${'1 '.repeat(18)}${startedAt} 0\n`

test('cache_invalidate_on_logout: what was known is forgotten once a session of the user is over, and not before', async () => {
  const world = host()
  const known = openKnownTokens(world, config)
  const run = (text: string | undefined): void => {
    if (text === undefined) world.disk.delete('/proc/100/stat')
    else
      world.disk.set('/proc/100/stat', {
        ...{ data: new TextEncoder().encode(text), mode: 0o444, uid: 0, gid: 0, modifiedAt: 0 },
      })
  }
  // Ended, ended and its number given to another process, and ended but not yet waited for.
  for (const after of [undefined, process('S', 999), process('Z', 200)]) {
    run(process('S', 200))
    await known.keep(user, token, 300)
    known.sessionBegan(user)
    known.sessionBegan(bob)
    expect(await known.recall(user, token)).toBe('active')
    run(after)
    expect(await known.recall(user, token)).toBe('unknown')
    // Once for each session.
    await known.keep(user, token, 300)
    expect(await known.recall(user, token)).toBe('active')
  }
})

test('without cache_invalidate_on_logout no note is left', async () => {
  const world = host()
  const known = openKnownTokens(world, { ...config, cache_invalidate_on_logout: false })
  await known.keep(user, token, 300)
  known.sessionBegan(user)
  expect([...world.disk.keys()].filter((path) => path.includes('open_sessions'))).toEqual([])
  expect(await known.recall(user, token)).toBe('active')
})
