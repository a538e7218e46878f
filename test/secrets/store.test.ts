// The sealed store: whatever is done to its files, and whenever it is interrupted, it says what is wrong and loses
// nothing that could still be read.
import { expect, test } from 'bun:test'
import { Fault } from '../../src/base/fault.ts'
import { Secret } from '../../src/base/secret.ts'
import { openSecretStore } from '../../src/secrets/store.ts'
import { type FakeWorld, fakeWorld, type Options, textOf } from '../fakes/world.ts'

const directory = '/var/lib/open-bastion/secrets'
const keyFile = '/etc/open-bastion/cache.key'
const config = { secrets_use_keyring: true, secrets_keyring_name: 'open-bastion' }
const secrets = { client_secret: 'hunter2', request_signing_secret: 'signing key', refresh_token: 'r'.repeat(200) }

const machine = (options: Options = {}) =>
  fakeWorld({ ...options, files: { '/etc/machine-id': '3f2a9c1d5e7b4a60918273645566aabb\n', ...options.files } })

async function filled(options: Options = {}): Promise<FakeWorld> {
  const world = machine(options)
  for (const [name, text] of Object.entries(secrets)) await openSecretStore(world, config).write(name, new Secret(text))
  return world
}

const sealedFiles = (world: FakeWorld) =>
  [...world.disk.keys()].filter((path) => path.startsWith(`${directory}/`) && !path.includes('/.'))
const fileOf = (world: FakeWorld, name: string) => sealedFiles(world).find((path) => path.endsWith(`.${name}`))!

/** What every secret reads as now: its text, `undefined`, or the Fault. */
async function contents(world: FakeWorld) {
  const vault = openSecretStore(world, config)
  const read = async (name: string) => (await vault.read(name))?.expose()
  const all: Record<string, string | undefined> = {}
  for (const name of Object.keys(secrets))
    all[name] = await read(name).catch((error) => (error instanceof Fault ? error.message : Promise.reject(error)))
  return all
}

test('what was sealed is read again, by name, and stands nowhere in plain text', async () => {
  const world = await filled()
  expect(await contents(world)).toEqual(secrets)
  const vault = openSecretStore(world, config)
  expect(vault.names().map(({ name }) => name)).toEqual(Object.keys(secrets).sort())
  expect(await vault.read('notify_secret')).toBeUndefined()
  for (const [path, { data, mode }] of world.disk) {
    if (!path.startsWith(directory)) continue
    expect([path, mode]).toEqual([path, 0o600])
    for (const text of Object.values(secrets)) expect(Buffer.from(data).includes(text)).toBe(false)
  }
  expect(world.disk.get(keyFile)).toMatchObject({ mode: 0o600, uid: 0 })
  expect(world.disk.get(keyFile)!.data).toHaveLength(32)
})

test('an existing key file is used and never replaced', async () => {
  const world = await filled({ files: { [keyFile]: 'k'.repeat(40) } })
  expect(textOf(world, keyFile)).toBe('k'.repeat(40))
  expect(await contents(world)).toEqual(secrets)
})

test('two secrets of the same text look different', async () => {
  const world = machine()
  for (const name of ['a', 'b']) await openSecretStore(world, config).write(name, new Secret('same'))
  expect(world.disk.get(fileOf(world, 'a'))!.data).not.toEqual(world.disk.get(fileOf(world, 'b'))!.data)
})

test('a secret that is set again replaces the old one, and a removed one is gone', async () => {
  const world = await filled()
  const vault = openSecretStore(world, config)
  await vault.write('client_secret', new Secret('other'))
  expect((await vault.read('client_secret'))?.expose()).toBe('other')
  expect([await vault.remove('client_secret'), await vault.remove('client_secret')]).toEqual([true, false])
  expect(await vault.read('client_secret')).toBeUndefined()
  expect(await openSecretStore(machine(), config).read('client_secret')).toBeUndefined()
})

test('a renamed file does not open as another secret', async () => {
  const world = await filled()
  world.disk.set(fileOf(world, 'client_secret'), world.disk.get(fileOf(world, 'refresh_token'))!)
  expect((await contents(world))['client_secret']).toMatch(
    /client_secret does not open: it was damaged, or moved here$/,
  )
  expect((await contents(world))['refresh_token']).toBe(secrets.refresh_token)
})

test.each([
  ['cut short', (data: Uint8Array) => data.subarray(0, 30), 'does not open'],
  ['empty', () => new Uint8Array(0), 'is not a sealed secret'],
  ['of another kind', () => new TextEncoder().encode('hunter2'), 'is not a sealed secret'],
  ['changed in its last byte', (data: Uint8Array) => data.with(-1, data.at(-1)! ^ 1), 'does not open'],
] as const)('a file that is %s is named, and the others open', async (_, damage, says) => {
  const world = await filled()
  const path = fileOf(world, 'client_secret')
  const file = world.disk.get(path)!
  file.data = damage(file.data)
  const { client_secret, ...others } = await contents(world)
  expect(client_secret).toStartWith(path)
  expect(client_secret).toContain(says)
  const { client_secret: _gone, ...rest } = secrets
  expect(others).toEqual(rest)
})

test.each([
  ['belongs to somebody else', { uid: 1000 }, 'belongs to uid 1000'],
  ['can be read by others', { mode: 0o644 }, 'can be read by others (mode 0644)'],
] as const)('a file that %s is refused, be it a secret, the header or the key file', async (_, facts, says) => {
  for (const pick of [
    (world: FakeWorld) => fileOf(world, 'client_secret'),
    () => `${directory}/.store`,
    () => keyFile,
  ]) {
    const world = await filled()
    Object.assign(world.disk.get(pick(world))!, facts)
    expect((await contents(world))['client_secret']).toBe(`${pick(world)} ${says}`)
  }
})

test('another machine-id is said to be one, not called damage', async () => {
  const world = await filled()
  world.disk.get('/etc/machine-id')!.data = new TextEncoder().encode('0123456789abcdef0123456789abcdef\n')
  for (const text of Object.values(await contents(world)))
    expect(text).toContain('this host was cloned or re-installed')
  await expect(openSecretStore(world, config).write('x', new Secret('y'))).rejects.toThrow('cloned or re-installed')
  world.disk.delete('/etc/machine-id')
  expect((await contents(world))['client_secret']).toStartWith('/etc/machine-id is missing or empty')
})

test('another key file, a missing one and one that is too short are said to be that', async () => {
  const world = await filled()
  const file = world.disk.get(keyFile)!
  const whole = file.data
  file.data = whole.toReversed()
  expect((await contents(world))['client_secret']).toStartWith(`${keyFile} is not the key file`)
  file.data = whole.subarray(0, 31)
  expect((await contents(world))['client_secret']).toStartWith(`${keyFile} holds 31 bytes`)
  world.disk.delete(keyFile)
  expect((await contents(world))['client_secret']).toStartWith(`${keyFile} does not exist`)
  await expect(openSecretStore(world, config).write('x', new Secret('y'))).rejects.toThrow('does not exist')
  expect(world.disk.has(keyFile)).toBe(false)
  file.data = whole
  world.disk.set(keyFile, file)
  expect(await contents(world)).toEqual(secrets)
})

test('a damaged header is said to be damaged, one of a later version to be that', async () => {
  const world = await filled()
  const file = world.disk.get(`${directory}/.store`)!
  file.data = file.data.subarray(0, 40)
  expect((await contents(world))['client_secret']).toStartWith(`${directory}/.store is damaged`)
  file.data = new TextEncoder().encode('{"version":2}')
  expect((await contents(world))['client_secret']).toContain('later version')
})

test('a rotation keeps every secret under a new salt and leaves nothing old behind', async () => {
  const world = await filled()
  const before = {
    header: textOf(world, `${directory}/.store`),
    files: sealedFiles(world),
    kept: [...world.kept.keys()],
  }
  world.disk.set(`${directory}/00000000.remains`, { ...world.disk.get(before.files[0]!)! })
  expect(await openSecretStore(world, config).rotate({ discard: false })).toEqual({
    kept: Object.keys(secrets).sort(),
    dropped: [],
    forgotten: true,
  })
  expect(await contents(world)).toEqual(secrets)
  expect(textOf(world, `${directory}/.store`)).not.toBe(before.header)
  expect(sealedFiles(world)).toHaveLength(3)
  for (const path of before.files) expect(world.disk.has(path)).toBe(false)
  expect(world.kept.size).toBe(1)
  expect([...world.kept.keys()]).not.toEqual(before.kept)
})

test('a rotation that the disk ends at any write leaves all old or all new', async () => {
  const outcomes = new Set<string>()
  for (let allowed = 0; allowed < 12; allowed++) {
    let writes = Number.POSITIVE_INFINITY
    const world = await filled({ broken: () => (writes-- > 0 ? undefined : 'no space left') })
    const before = textOf(world, `${directory}/.store`)
    writes = allowed
    const ended = await openSecretStore(world, config)
      .rotate({ discard: false })
      .then(() => 'done')
      .catch((error) => (error instanceof Fault ? 'fault' : Promise.reject(error)))
    writes = Number.POSITIVE_INFINITY
    const header = textOf(world, `${directory}/.store`) === before ? 'old' : 'new'
    outcomes.add(`${ended} ${header}`)
    expect(await contents(world)).toEqual(secrets)
    // What remains is tidied by the next rotation, which works.
    await openSecretStore(world, config).rotate({ discard: false })
    expect(sealedFiles(world)).toHaveLength(3)
    expect(await contents(world)).toEqual(secrets)
  }
  expect([...outcomes].sort()).toEqual(['done new', 'fault new', 'fault old'])
})

test('a full disk leaves the secret as it was', async () => {
  let full = false
  const world = await filled({ broken: () => (full ? 'no space left' : undefined) })
  full = true
  await expect(openSecretStore(world, config).write('client_secret', new Secret('other'))).rejects.toThrow(
    'no space left',
  )
  expect(await contents(world)).toEqual(secrets)
})

test('a rotation refuses while something does not open; told to discard, it names what it drops', async () => {
  const world = await filled()
  const file = world.disk.get(fileOf(world, 'client_secret'))!
  file.data = file.data.subarray(0, 20)
  await expect(openSecretStore(world, config).rotate({ discard: false })).rejects.toThrow('client_secret')
  expect((await contents(world))['refresh_token']).toBe(secrets.refresh_token)
  expect(await openSecretStore(world, config).rotate({ discard: true })).toEqual({
    kept: ['refresh_token', 'request_signing_secret'],
    dropped: ['client_secret'],
    forgotten: true,
  })
  expect(await contents(world)).toEqual({ ...secrets, client_secret: undefined as unknown as string })
})

test('after a clone, discarding starts an empty store', async () => {
  const world = await filled()
  world.disk.get('/etc/machine-id')!.data = new TextEncoder().encode('0123456789abcdef0123456789abcdef\n')
  const { kept, dropped } = await openSecretStore(world, config).rotate({ discard: true })
  expect([kept, dropped]).toEqual([[], Object.keys(secrets).sort()])
  await openSecretStore(world, config).write('client_secret', new Secret('new'))
  expect((await openSecretStore(world, config).read('client_secret'))?.expose()).toBe('new')
  expect(sealedFiles(world)).toHaveLength(1)
})

test('a reader that a rotation overtakes reads the new file', async () => {
  const world = await filled()
  const header = world.disk.get(`${directory}/.store`)!
  const old = { header: header.data, path: fileOf(world, 'client_secret') }
  await openSecretStore(world, config).rotate({ discard: false })
  const now = world.disk.get(`${directory}/.store`)!
  const renewed = now.data
  now.data = old.header
  const read = world.files.readTrusted
  const late: FakeWorld = {
    ...world,
    files: {
      ...world.files,
      readTrusted: (path, rules) => {
        // The header was read before the rotation, the secret is looked for after it.
        if (path === old.path) now.data = renewed
        return read(path, rules)
      },
    },
  }
  expect((await openSecretStore(late, config).read('client_secret'))?.expose()).toBe(secrets.client_secret)
})
