// Kept passwords over a disk of plain values: what the C implementation wrote there, and what this program does.
import { expect, test } from 'bun:test'
import { formatJsonC, type JsonObject, parseJsonObject } from '../../src/base/json.ts'
import { type LoginName, parseLoginName } from '../../src/base/names.ts'
import { paths } from '../../src/base/paths.ts'
import { Secret } from '../../src/base/secret.ts'
import { type Config, checkConfig } from '../../src/config/load.ts'
import { parseVerifier } from '../../src/offline/argon2.ts'
import { generationFileName, openPassword, passwordFileName } from '../../src/offline/password-format.ts'
import { passwordCode } from '../../src/offline/password-policy.ts'
import { type OfflinePasswords, openOfflinePasswords } from '../../src/offline/passwords.ts'
import { argon2, spent } from '../fakes/argon2.ts'
import { type FakeWorld, fakeWorld } from '../fakes/world.ts'
import vectors from '../vectors/offline-cache.json'

const directory = '/var/cache/open-bastion/credentials'

function configOf(lines = ''): Config {
  const checked = checkConfig(`portal_url = https://auth.example.test\noffline_cache_enabled = true\n${lines}`)
  if (checked.kind === 'refused') throw new Error(checked.problems[0]!.text)
  return checked.config
}
const config = configOf()

const put = (world: FakeWorld, path: string, data: Uint8Array): void =>
  void world.disk.set(path, { data: Uint8Array.from(data), mode: 0o600, uid: 0, gid: 0, modifiedAt: world.clock.now })

type Set = (typeof vectors.sets)[number]

/** A host on which the C implementation ran. */
function upstreamHost(set: Set, now: number): FakeWorld {
  const world = fakeWorld({ now, argon2, files: set.machine_id_file ? { '/etc/machine-id': set.machine_id_file } : {} })
  if (set.key_file_hex) put(world, '/etc/open-bastion/cache.key', Uint8Array.fromHex(set.key_file_hex))
  if (set.instance_id_file) put(world, `${directory}/.instance_id`, new TextEncoder().encode(set.instance_id_file))
  put(world, `${directory}/.cred_salt`, Uint8Array.fromHex(set.salt_hex))
  for (const { file, file_bytes_hex } of set.entries)
    put(world, `${directory}/${file}`, Uint8Array.fromHex(file_bytes_hex))
  return world
}

const host = (): FakeWorld => fakeWorld({ argon2, files: { '/etc/machine-id': `${'0123456789abcdef'.repeat(2)}\n` } })
const user = parseLoginName('alice')!
const right = new Secret('correct horse battery staple')
const wrong = new Secret('wrong horse battery staple')
const fileOf = (name: LoginName): string => `${directory}/${passwordFileName(name)}`
const generationOf = (name: LoginName): string => `${paths.generations}/${generationFileName(name)}`
const copyOf = (world: FakeWorld, path: string): Uint8Array => Uint8Array.from(world.disk.get(path)!.data)

async function membersOf(world: FakeWorld, key: Uint8Array, path: string): Promise<JsonObject> {
  const opened = await openPassword(key, world.disk.get(path)!.data)
  if (opened.kind !== 'credential') throw new Error(opened.kind)
  return opened.credential.members
}

function withoutOurs(members: JsonObject): string {
  const { argon2: _, generation: __, last_failure: ___, ...upstreams } = members
  return formatJsonC(upstreams)
}

const checks = vectors.sets.flatMap((set) =>
  set.checks.flatMap((check) => {
    const name = parseLoginName(check.user)
    return name
      ? [
          {
            ...check,
            set,
            name,
            title: `${set.name}: ${check.user} at ${check.clock}, ${'note' in check ? check.note : check.expect}`,
          },
        ]
      : []
  }),
)

// What upstream did otherwise, by user and what was typed.
const differences: Readonly<Record<string, { readonly code?: number; readonly after?: 'differs' }>> = {
  // Nobody's password is empty.
  'mallory ': { code: passwordCode['wrong-password'], after: 'differs' },
  // One failure after a lock locked again.
  'judy wrong': { after: 'differs' },
  // A lock of decades is one of a clock that was wrong.
  'heidi wrong': { after: 'differs' },
  'heidi locked entry': { after: 'differs' },
}

test.each(checks)('$title', async ({ set, name, password, clock, expect_rc, after, ...check }) => {
  const world = upstreamHost(set, clock)
  const max =
    'max_failures' in check && check.max_failures ? `offline_cache_max_failures = ${check.max_failures}\n` : ''
  const difference = differences[`${name} ${password}`]
  const verdict = await openOfflinePasswords(world, configOf(max)).verify(name, new Secret(password))
  expect(passwordCode[verdict.kind]).toBe(difference?.code ?? expect_rc)
  const key = Uint8Array.fromHex(set.derived_key_hex)
  expect(world.disk.has(fileOf(name))).toBe(after.file_exists)
  if (after.file_exists && after.plaintext && difference?.after === undefined)
    expect(withoutOurs(await membersOf(world, key, fileOf(name)))).toBe(after.plaintext)
})

test('how an entry of upstream’s was hashed is found out and written down, for either of its builds', async () => {
  const p4 = vectors.portal_verifiers.find(({ name }) => name === 'padded, p=4')!
  const [set] = vectors.sets
  const world = upstreamHost(set!, vectors.clock_checked)
  const key = Uint8Array.fromHex(set!.derived_key_hex)
  const { hash, salt } = parseVerifier(p4.verifier)!
  const { sealPassword: sealCredential } = await import('../../src/offline/password-format.ts')
  const members = {
    ...parseJsonObject(set!.entries[0]!.plaintext)!,
    password_hash: hash.toBase64(),
    salt: salt.toBase64(),
    created_at: vectors.clock_checked,
  }
  put(world, fileOf(user), await sealCredential(key, members, new Uint8Array(12)))
  expect((await openOfflinePasswords(world, config).verify(user, new Secret(p4.password))).kind).toBe('accepted')
  expect((await membersOf(world, key, fileOf(user)))['argon2']).toEqual({ m: 65_536, t: 3, p: 4 })
  spent.hashes = 0
  expect((await openOfflinePasswords(world, config).verify(user, new Secret(p4.password))).kind).toBe('accepted')
  expect(spent.hashes).toBe(1)
})

test('a verifier that the portal sends counts with the cost it names', async () => {
  for (const { name, verifier, password, verify_rc } of vectors.portal_verifiers) {
    const world = host()
    const credentials = openOfflinePasswords(world, config)
    const stored = await credentials.store(user, { verifier }, { shell: '/bin/bash' })
    expect(`${name}: ${stored}`).toBe(`${name}: ${parseVerifier(verifier) ? 'stored' : 'refused'}`)
    if (stored === 'refused') continue
    expect((await credentials.verify(user, new Secret(password))).kind).toBe('accepted')
    expect(verify_rc === undefined || [0, -8].includes(verify_rc)).toBe(true)
  }
})

async function keeping(lines = ''): Promise<{ world: FakeWorld; credentials: OfflinePasswords }> {
  const world = host()
  const credentials = openOfflinePasswords(world, configOf(lines))
  await credentials.store(user, { password: right }, { gecos: 'Alice', home: '/home/alice' })
  return { world, credentials }
}

test('the right password is accepted with what is known of the user, until its end', async () => {
  const { world, credentials } = await keeping('offline_cache_ttl = 3600\n')
  expect(await credentials.verify(user, right)).toEqual({
    kind: 'accepted',
    attributes: { gecos: 'Alice', home: '/home/alice' },
    createdAt: 1_800_000_000,
    expiresAt: 1_800_003_600,
  })
  world.clock.now += 3600
  expect((await credentials.verify(user, right)).kind).toBe('expired')
  expect((await credentials.verify(user, right)).kind).toBe('unknown')
})

test('five failures lock even for the right password, and the time left is the time left', async () => {
  const { world, credentials } = await keeping()
  for (let count = 1; count <= 5; count++) expect((await credentials.verify(user, wrong)).kind).toBe('wrong-password')
  world.clock.now += 60
  expect(await credentials.verify(user, right)).toMatchObject({ kind: 'locked', secondsLeft: 240 })
  world.clock.now += 240
  expect((await credentials.verify(user, wrong)).kind).toBe('wrong-password')
  expect((await credentials.verify(user, right)).kind).toBe('accepted')
  for (let count = 1; count <= 4; count++) await credentials.verify(user, wrong)
  expect((await credentials.verify(user, right)).kind).toBe('accepted')
})

test('every refusal costs the same number of hashes', async () => {
  const costs: Record<string, number> = {}
  const spend = async (name: string, work: () => Promise<{ kind: string }>): Promise<void> => {
    spent.hashes = 0
    const { kind } = await work()
    costs[`${name}: ${kind}`] = spent.hashes
  }
  const { world, credentials } = await keeping()
  await spend('ours', () => credentials.verify(user, wrong))
  await spend('empty', () => credentials.verify(user, new Secret('')))
  await spend('nobody', () => credentials.verify(parseLoginName('nobody')!, right))
  for (let count = 0; count < 5; count++) await credentials.verify(user, wrong)
  await spend('locked', () => credentials.verify(user, right))
  put(world, fileOf(user), new Uint8Array(100))
  await spend('broken', () => credentials.verify(user, right))
  const upstreams = openOfflinePasswords(upstreamHost(vectors.sets[0]!, vectors.clock_checked), config)
  await spend('upstream', () => upstreams.verify(user, wrong))
  const empty = openOfflinePasswords(host(), config)
  await spend('nothing kept', () => empty.verify(user, right))
  expect(costs).toEqual({
    'ours: wrong-password': 2,
    'empty: wrong-password': 2,
    'nobody: unknown': 2,
    'locked: locked': 2,
    'broken: invalid': 2,
    'upstream: wrong-password': 2,
    'nothing kept: unknown': 2,
  })
})

test('a refusal ends on a whole half second', async () => {
  const { world, credentials } = await keeping()
  const clock = { at: 0 }
  const timed = openOfflinePasswords({ ...world, monotonic: () => (clock.at += 130) }, config)
  await timed.verify(user, wrong)
  expect(world.slept.seconds).toBeCloseTo(0.37)
  expect((await credentials.verify(user, right)).kind).toBe('accepted')
})

test('an old copy of an entry counts no more: not to unlock it, not to bring it or an old password back', async () => {
  const { world, credentials } = await keeping()
  const fresh = copyOf(world, fileOf(user))
  for (let count = 1; count <= 5; count++) await credentials.verify(user, wrong)
  put(world, fileOf(user), fresh)
  expect((await credentials.verify(user, right)).kind).toBe('invalid')

  await credentials.store(user, { password: wrong }, {})
  put(world, fileOf(user), fresh)
  expect((await credentials.verify(user, right)).kind).toBe('invalid')

  await credentials.store(user, { password: right }, {})
  const last = copyOf(world, fileOf(user))
  expect(await credentials.forget(user)).toBe(true)
  expect((await credentials.verify(user, right)).kind).toBe('unknown')
  put(world, fileOf(user), last)
  expect((await credentials.verify(user, right)).kind).toBe('invalid')
  world.disk.delete(generationOf(user))
  expect((await credentials.verify(user, right)).kind).toBe('invalid')
})

test('nor does an entry of upstream’s from before', async () => {
  const [set] = vectors.sets
  const world = upstreamHost(set!, vectors.clock_checked)
  const old = copyOf(world, fileOf(user))
  const credentials = openOfflinePasswords(world, config)
  await credentials.verify(user, wrong)
  put(world, fileOf(user), old)
  expect((await credentials.verify(user, right)).kind).toBe('invalid')
})

test('what the C implementation wrote after us counts, and older copies of that do not', async () => {
  const [set] = vectors.sets
  const { created_at } = JSON.parse(set!.entries.find(({ user }) => user === 'alice')!.plaintext) as {
    created_at: number
  }
  // This program kept a password long before; then the host went back to the C implementation, which kept another.
  const world = upstreamHost(set!, created_at - 86_400)
  const theirs = copyOf(world, fileOf(user))
  const credentials = openOfflinePasswords(world, config)
  world.disk.delete(fileOf(user))
  await credentials.store(user, { password: wrong }, {})
  put(world, fileOf(user), theirs)
  world.clock.now = vectors.clock_checked
  const password = new Secret(set!.checks.find((one) => one.user === 'alice' && one.expect_rc === 0)!.password)
  expect((await credentials.verify(user, password)).kind).toBe('accepted')
  // From here on its number is ours again.
  put(world, fileOf(user), theirs)
  expect((await credentials.verify(user, password)).kind).toBe('invalid')
})

test('nor do they after this program forgot or replaced them, with whatever clock they were written', async () => {
  const [set] = vectors.sets
  for (const end of ['forget', 'store'] as const) {
    // The clock of the C implementation was ahead.
    const world = upstreamHost(set!, vectors.clock_checked - 90 * 86_400)
    const theirs = copyOf(world, fileOf(user))
    const credentials = openOfflinePasswords(world, config)
    if (end === 'forget') await credentials.forget(user)
    else await credentials.store(user, { password: wrong }, {})
    put(world, fileOf(user), theirs)
    world.clock.now = vectors.clock_checked
    expect((await credentials.verify(user, right)).kind).toBe('invalid')
  }
})

test('a lost salt is said, and a cache in which nothing is kept has lost none', async () => {
  const { world, credentials } = await keeping()
  world.disk.delete(`${directory}/.cred_salt`)
  const verdict = await credentials.verify(user, right)
  expect(verdict).toMatchObject({ kind: 'unreadable', secondsLeft: 0 })
  expect('detail' in verdict && verdict.detail).toContain(`${directory}/.cred_salt is gone`)
  expect((await credentials.verify(parseLoginName('bob')!, right)).kind).toBe('unknown')
})

test('a key file that others may read opens what was sealed with it', async () => {
  const world = host()
  put(world, '/etc/open-bastion/cache.key', new Uint8Array(32).fill(7))
  world.disk.get('/etc/open-bastion/cache.key')!.mode = 0o644
  await openOfflinePasswords(world, config).store(user, { password: right }, {})
  expect((await openOfflinePasswords(world, config).verify(user, right)).kind).toBe('accepted')
  world.disk.get('/etc/open-bastion/cache.key')!.mode = 0o666
  expect((await openOfflinePasswords(world, config).verify(user, right)).kind).toBe('io')
})

test('a success that changes no counter writes the entry and nothing else', async () => {
  const { world, credentials } = await keeping()
  const before = copyOf(world, generationOf(user))
  world.clock.now += 10
  expect((await credentials.verify(user, right)).kind).toBe('accepted')
  expect(copyOf(world, generationOf(user))).toEqual(before)
})

test('a lock is taken away by unlocking, inside the seal', async () => {
  const { credentials } = await keeping()
  for (let count = 1; count <= 5; count++) await credentials.verify(user, wrong)
  expect((await credentials.verify(user, right)).kind).toBe('locked')
  expect(await credentials.unlock(user)).toBe('unlocked')
  expect((await credentials.verify(user, right)).kind).toBe('accepted')
  expect(await credentials.unlock(parseLoginName('bob')!)).toBe('unknown')
})

test('one user’s entry in another user’s place counts for nobody', async () => {
  const { world, credentials } = await keeping()
  const bob = parseLoginName('bob')!
  put(world, fileOf(bob), copyOf(world, fileOf(user)))
  put(world, generationOf(bob), copyOf(world, generationOf(user)))
  expect((await credentials.verify(bob, right)).kind).toBe('invalid')
})

test('with a key file the machine-id alone opens nothing', async () => {
  const { world, credentials } = await keeping()
  put(world, '/etc/open-bastion/cache.key', new Uint8Array(32).fill(7))
  expect((await openOfflinePasswords(world, config).verify(user, right)).kind).toBe('unreadable')
  await credentials.store(user, { password: right }, {})
  expect((await openOfflinePasswords(world, config).verify(user, right)).kind).toBe('accepted')
  world.disk.delete('/etc/open-bastion/cache.key')
  expect((await openOfflinePasswords(world, config).verify(user, right)).kind).toBe('unreadable')
})

test('a file that cannot be trusted is no entry, and says which file', async () => {
  const { world, credentials } = await keeping()
  world.disk.get(fileOf(user))!.mode = 0o644
  const verdict = await credentials.verify(user, right)
  expect(verdict.kind).toBe('io')
  expect('detail' in verdict && verdict.detail).toContain(fileOf(user))
})

test('neither user nor password can be read from the disk', async () => {
  const { world } = await keeping()
  for (const [path, { data, mode }] of world.disk) {
    expect(path).not.toContain('alice')
    if (path.startsWith('/var')) expect(mode & 0o077).toBe(0)
    expect(new TextDecoder().decode(data)).not.toMatch(/alice|horse/)
  }
})

test('an empty password is never kept', async () => {
  expect(await openOfflinePasswords(host(), config).store(user, { password: new Secret('') }, {})).toBe('refused')
})

test('a shorter offline_cache_ttl counts for what is kept already', async () => {
  const world = host()
  await openOfflinePasswords(world, config).store(user, { password: right }, {})
  world.clock.now += 7200
  const verdict = async (extra: string) => (await openOfflinePasswords(world, configOf(extra)).verify(user, right)).kind
  expect(await verdict('offline_cache_ttl = 3600\n')).toBe('expired')
  expect(await verdict('offline_cache_ttl = 7300\n')).toBe('accepted')
})

test('who holds the lock of kept passwords stops nobody for long, and gains no tries by it', async () => {
  const world = host()
  const passwords = openOfflinePasswords(world, config)
  await passwords.store(user, { password: right }, {})
  const letGo = Promise.withResolvers<void>()
  // As a user's frozen sudo would hold it.
  const held = world.files.withLock(`${directory}/.lock-${passwordFileName(user).slice(0, 2)}`, () => letGo.promise)
  expect(await passwords.verify(user, right)).toMatchObject({
    kind: 'locked',
    secondsLeft: 5,
    detail: expect.stringContaining('another process holds'),
  })
  await expect(passwords.store(user, { password: wrong }, {})).rejects.toMatchObject({ kind: 'busy' })
  letGo.resolve()
  await held
  expect((await passwords.verify(user, right)).kind).toBe('accepted')
  expect((await passwords.verify(user, wrong)).kind).toBe('wrong-password')
}, 60_000)
