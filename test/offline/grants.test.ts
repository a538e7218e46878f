// The authorization cache over a disk of plain values, with what the C implementation wrote there.
import { expect, test } from 'bun:test'
import { utf8 } from '../../src/base/bytes.ts'
import { parseFingerprint, parseLoginName } from '../../src/base/names.ts'
import { checkConfig } from '../../src/config/load.ts'
import { openAuthCache } from '../../src/offline/grants.ts'
import { type FakeWorld, fakeWorld } from '../fakes/world.ts'
import vectors from '../vectors/auth-cache.json'

const directory = '/var/cache/open-bastion/auth'
const checked = checkConfig('portal_url = https://auth.example.test\n')
if (checked.kind === 'refused') throw new Error('the configuration of this test is refused')
const { config } = checked

const [set] = vectors.sets
const user = parseLoginName('alice')!
const name = { user, host: 'bastion1', group: 'default' }
const grant = {
  kind: 'granted',
  user,
  groups: ['dev', 'équipe'],
  sudoAllowed: true,
  attributes: { gecos: 'Alice "A"', shell: '/bin/bash', home: '/home/alice' },
} as const
const one = parseFingerprint(`SHA256:${'A'.repeat(43)}`)!
const other = parseFingerprint(`SHA256:${'B'.repeat(43)}`)!

const put = (world: FakeWorld, path: string, data: Uint8Array): void =>
  void world.disk.set(path, { data, mode: 0o600, uid: 0, gid: 0, modifiedAt: world.clock.now })

/** A host on which the C implementation ran. */
function upstreamHost(now = vectors.clock_checked): FakeWorld {
  const world = fakeWorld({ now, files: { '/etc/machine-id': set!.machine_id_file } })
  put(world, `${directory}/.auth_salt`, Uint8Array.fromHex(set!.salt_hex))
  for (const { file, file_bytes_hex } of set!.entries)
    if (file_bytes_hex) put(world, `${directory}/${file}`, Uint8Array.fromHex(file_bytes_hex))
  return world
}

const host = (): FakeWorld => fakeWorld({ files: { '/etc/machine-id': `${'0123456789abcdef'.repeat(2)}\n` } })
const fileIn = (world: FakeWorld): string => [...world.disk.keys()].find((path) => path.endsWith('.authcache'))!

const change = (world: FakeWorld, facts: { uid?: number; mode?: number }): void =>
  void Object.assign(world.disk.get(fileIn(world))!, facts)

test.each(set!.checks)('$user of $server_group at $host: found as upstream found it', async (check) => {
  const asked = parseLoginName(check.user)!
  const world = upstreamHost(check.clock)
  const found = await openAuthCache(world, config).lookup({
    user: asked,
    host: check.host,
    group: check.server_group ?? 'default',
  })
  const allowed = check.expect_hit && check.entry!.authorized
  expect(found.kind === 'hit').toBe(allowed)
  if (found.kind === 'hit')
    expect(found.authorization).toMatchObject({
      user: asked,
      groups: check.entry!.groups,
      sudoAllowed: check.entry!.sudo_allowed,
    })
})

test('a file of more than 256 KiB is not read at all', async () => {
  const detail = async (size: number): Promise<string> => {
    const world = host()
    const cache = openAuthCache(world, config)
    await cache.store(name, { authorization: grant, seconds: 3600 })
    put(world, fileIn(world), new Uint8Array(size))
    const found = await cache.lookup(name)
    return found.kind === 'unreadable' ? found.detail : found.kind
  }
  expect(await detail(256 * 1024)).toContain('its first line')
  expect(await detail(256 * 1024 + 1)).not.toContain('its first line')
})

test('what is kept is found, with its age and end', async () => {
  const world = host()
  const cache = openAuthCache(world, config)
  await cache.store(name, { authorization: grant, seconds: 3600 })
  world.clock.now += 100
  expect(await cache.lookup(name)).toEqual({
    kind: 'hit',
    authorization: grant,
    ageSeconds: 100,
    expiresAt: 1_800_003_600,
    fingerprints: [],
  })
  for (const path of world.disk.keys())
    if (path.startsWith(directory)) expect(world.disk.get(path)!.mode & 0o077).toBe(0)
})

test('neither the user nor the answer can be read from the disk', async () => {
  const world = host()
  await openAuthCache(world, config).store(name, { authorization: grant, seconds: 3600 })
  for (const [path, { data }] of world.disk) {
    expect(path).not.toContain('alice')
    expect(new TextDecoder().decode(data)).not.toContain('alice')
  }
})

test('nothing is kept for another user, host or group', async () => {
  const world = host()
  const cache = openAuthCache(world, config)
  await cache.store(name, { authorization: grant, seconds: 3600 })
  expect((await cache.lookup({ ...name, user: parseLoginName('bob')! })).kind).toBe('miss')
  expect((await cache.lookup({ ...name, host: 'bastion2' })).kind).toBe('miss')
  expect((await cache.lookup({ ...name, group: 'prod' })).kind).toBe('miss')
})

test('what has expired is said to have, once, and is gone', async () => {
  const world = host()
  const cache = openAuthCache(world, config)
  await cache.store(name, { authorization: grant, seconds: 60 })
  world.clock.now += 60
  expect((await cache.lookup(name)).kind).toBe('expired')
  expect((await cache.lookup(name)).kind).toBe('miss')
})

test('a key counts until its own end, however often the answer is kept anew without it', async () => {
  const world = host()
  const cache = openAuthCache(world, config)
  await cache.store(name, { authorization: grant, fingerprint: one, seconds: 100 })
  world.clock.now += 60
  await cache.store(name, { authorization: grant, fingerprint: other, seconds: 100 })
  expect(await cache.lookup(name)).toMatchObject({ fingerprints: [one, other] })
  world.clock.now += 60
  await cache.store(name, { authorization: grant, seconds: 100 })
  expect(await cache.lookup(name)).toMatchObject({ fingerprints: [other] })
})

test('of many keys the last ones are remembered', async () => {
  const world = host()
  const cache = openAuthCache(world, config)
  const many = Array.from({ length: 40 }, (_, i) => parseFingerprint(`SHA256:${String(i).padStart(43, 'A')}`)!)
  for (const fingerprint of many) await cache.store(name, { authorization: grant, fingerprint, seconds: 100 })
  expect(await cache.lookup(name)).toMatchObject({ fingerprints: many.slice(-32) })
})

test('what is forgotten is gone', async () => {
  const world = host()
  const cache = openAuthCache(world, config)
  await cache.store(name, { authorization: grant, seconds: 3600 })
  expect(cache.forget(name)).toBe(true)
  expect(cache.forget(name)).toBe(false)
  expect((await cache.lookup(name)).kind).toBe('miss')
})

test('a first line whose MAC is wrong is tampering, and the file stays as evidence', async () => {
  const world = upstreamHost()
  const path = `${directory}/${set!.entries[0]!.file}`
  const text = set!.entries[0]!.file_bytes_hex!
  put(world, path, Uint8Array.fromHex(`${text.slice(0, 2)}38${text.slice(4)}`))
  const found = await openAuthCache(world, config).lookup(name)
  expect(found.kind).toBe('tampered')
  expect(found.kind === 'tampered' && found.detail).toContain(path)
  expect(world.disk.has(path)).toBe(true)
})

test('one user’s entry in another user’s place is tampering', async () => {
  const world = upstreamHost()
  const bob = set!.entries.find((entry) => entry.user === 'bob')!
  put(world, `${directory}/${set!.entries[0]!.file}`, Uint8Array.fromHex(bob.file_bytes_hex!))
  expect((await openAuthCache(world, config).lookup(name)).kind).toBe('tampered')
})

test.each<readonly [string, (world: FakeWorld) => void, string]>([
  ['an empty file', (world) => put(world, fileIn(world), new Uint8Array(0)), 'unreadable'],
  ['a file of somebody else', (world) => change(world, { uid: 1000 }), 'unreadable'],
  ['a file others may write', (world) => change(world, { mode: 0o622 }), 'unreadable'],
  ['a salt that is gone', (world) => void world.disk.delete(`${directory}/.auth_salt`), 'unreadable'],
  ['a salt that is too short', (world) => put(world, `${directory}/.auth_salt`, new Uint8Array(15)), 'unreadable'],
  ['another machine-id', (world) => put(world, '/etc/machine-id', utf8('f'.repeat(32))), 'tampered'],
])('%s allows nobody, and the next answer of the portal mends it', async (_, damage, kind) => {
  const world = host()
  await openAuthCache(world, config).store(name, { authorization: grant, seconds: 3600 })
  damage(world)
  expect((await openAuthCache(world, config).lookup(name)).kind).toBe(kind as 'unreadable')
  await openAuthCache(world, config).store(name, { authorization: grant, seconds: 3600 })
  expect((await openAuthCache(world, config).lookup(name)).kind).toBe('hit')
})

test('a clock set back makes the age of what is kept unknown', async () => {
  const world = host()
  const cache = openAuthCache(world, config)
  await cache.store(name, { authorization: grant, seconds: 3600 })
  world.clock.now -= 1000
  expect(await cache.lookup(name)).toMatchObject({ ageSeconds: Number.POSITIVE_INFINITY })
})

test('without a machine-id the directory has an id of its own, as upstream’s has', async () => {
  const world = fakeWorld({ files: { '/etc/machine-id': '\n' } })
  await openAuthCache(world, config).store(name, { authorization: grant, seconds: 3600 })
  expect(new TextDecoder().decode(world.disk.get(`${directory}/.instance_id`)!.data)).toMatch(/^[0-9a-f]{32}\n$/)
  expect((await openAuthCache(world, config).lookup(name)).kind).toBe('hit')
})

test('a shorter auth_cache_ttl counts for what is kept already', async () => {
  const world = host()
  await openAuthCache(world, { ...config, auth_cache_ttl: 3600 }).store(name, { authorization: grant, seconds: 3600 })
  world.clock.now += 600
  const found = (ttl: number) => openAuthCache(world, { ...config, auth_cache_ttl: ttl }).lookup(name)
  expect([(await found(500)).kind, (await found(700)).kind]).toEqual(['expired', 'hit'])
})

test('a key opens nothing past its own end, however long the answer lives', async () => {
  const world = host()
  const cache = openAuthCache(world, config)
  await cache.store(name, { authorization: grant, fingerprint: one, seconds: 100 })
  await cache.store(name, { authorization: grant, fingerprint: other, seconds: 1000 })
  const keys = async () => {
    const found = await cache.lookup(name)
    return found.kind === 'hit' && found.fingerprints
  }
  expect(await keys()).toEqual([one, other])
  world.clock.now += 100
  expect(await keys()).toEqual([other])
})

test('a newer first line before an older answer is refused', async () => {
  const world = host()
  const cache = openAuthCache(world, config)
  await cache.store(name, { authorization: grant, seconds: 100 })
  const older = world.disk.get(fileIn(world))!.data
  await cache.store(name, { authorization: { ...grant, sudoAllowed: false }, seconds: 100_000 })
  const newer = world.disk.get(fileIn(world))!.data
  const [line, body] = [newer.subarray(0, newer.indexOf(10) + 1), older.subarray(older.indexOf(10) + 1)]
  put(world, fileIn(world), Uint8Array.from([...line, ...body]))
  expect((await cache.lookup(name)).kind).toBe('tampered')
})
