// A derived key is kept for the next login, and never taken for another.
import { expect, test } from 'bun:test'
import { hex } from '../../src/base/bytes.ts'
import { openKeys, readKeyFile, readMachineId } from '../../src/secrets/derived-keys.ts'
import { fakeWorld, type Options } from '../fakes/world.ts'

const machineId = '0123456789abcdef0123456789abcdef'
const salt = Uint8Array.from({ length: 16 }, (_, at) => at)
const expected = '24b15923adcaf6478e3c51771181b2c9dee822a729832aaa5b7554cfc2232c0a'
const config = { secrets_use_keyring: true, secrets_keyring_name: 'open-bastion' }
const files = (world: ReturnType<typeof fakeWorld>) =>
  [...world.disk.keys()].filter((path) => path.startsWith('/run/open-bastion/keys/'))

const kept = async (options: Options, settings = config) => {
  const world = fakeWorld(options)
  expect(hex(await openKeys(world, settings).keyFor({ machineId }, salt))).toBe(expected)
  return world
}

test('a derived key is kept in the keyring, and no file holds it', async () => {
  const world = await kept({})
  expect([...world.kept.keys()]).toEqual([expect.stringMatching(/^open-bastion:[0-9a-f]{32}$/)])
  expect(files(world)).toEqual([])
})

test('where the kernel keeps no keys, a file below /run does, for root alone', async () => {
  for (const world of [await kept({ keyring: false }), await kept({}, { ...config, secrets_use_keyring: false })]) {
    expect(world.kept.size).toBe(0)
    expect(files(world)).toHaveLength(1)
    expect(world.disk.get(files(world)[0]!)?.mode).toBe(0o600)
  }
})

test('the next login finds the key and derives nothing', async () => {
  for (const options of [{}, { keyring: false }]) {
    const world = await kept(options)
    const counted = crypto.subtle.deriveBits
    let derived = 0
    crypto.subtle.deriveBits = (...args) => {
      derived++
      return counted.apply(crypto.subtle, args)
    }
    try {
      expect(hex(await openKeys(world, config).keyFor({ machineId }, salt))).toBe(expected)
      expect(derived).toBe(0)
      await openKeys(world, config).keyFor({ machineId, keyFile: new Uint8Array(32) }, salt)
      expect(derived).toBe(1)
    } finally {
      crypto.subtle.deriveBits = counted
    }
  }
})

test('a kept key that was cut, emptied or exchanged is derived again', async () => {
  const world = await kept({ keyring: false })
  const [path] = files(world)
  const file = world.disk.get(path!)!
  const whole = file.data
  for (const data of [whole.subarray(0, 47), new Uint8Array(0), new Uint8Array(48), whole.toReversed()]) {
    file.data = data
    expect(hex(await openKeys(world, config).keyFor({ machineId }, salt))).toBe(expected)
  }
})

test('a full or read-only /run costs time and nothing else', async () => {
  const world = await kept({ keyring: false, broken: (path) => (path.startsWith('/run/') ? 'full' : undefined) })
  expect(files(world)).toEqual([])
})

test('a kept key that others could read is not believed', async () => {
  const world = await kept({ keyring: false })
  const file = world.disk.get(files(world)[0]!)!
  file.mode = 0o644
  file.data = new Uint8Array(48)
  expect(hex(await openKeys(world, config).keyFor({ machineId }, salt))).toBe(expected)
})

test('a forgotten key is gone from both places', async () => {
  for (const options of [{}, { keyring: false }]) {
    const world = await kept(options)
    expect(openKeys(world, config).forget({ machineId }, salt)).toBe(true)
    expect([world.kept.size, files(world).length]).toEqual([0, 0])
  }
})

test('a key that may lie on in the keyring is not called forgotten', async () => {
  const world = await kept({})
  const unreachable = { ...world, keyring: { ...world.keyring, forget: () => false } }
  expect(openKeys(unreachable, config).forget({ machineId }, salt)).toBe(false)
})

test('a key file that is too short is refused by name', () => {
  const world = fakeWorld({ files: { '/etc/open-bastion/cache.key': 'short' } })
  expect(() => readKeyFile(world)).toThrow('/etc/open-bastion/cache.key holds 5 bytes')
  expect(readKeyFile(fakeWorld())).toBeUndefined()
})

test('a machine without a machine-id has no name', () => {
  expect(readMachineId(fakeWorld({ files: { '/etc/machine-id': `${machineId}\n` } }))).toBe(machineId)
  expect(readMachineId(fakeWorld({ files: { '/etc/machine-id': '\n' } }))).toBeUndefined()
  expect(readMachineId(fakeWorld())).toBeUndefined()
})

test('a damaged copy of a derived key is never used', async () => {
  for (const options of [{}, { keyring: false }]) {
    const world = await kept(options)
    const [copy] = options.keyring === false ? [world.disk.get(files(world)[0]!)!.data] : [...world.kept.values()]
    for (const at of [0, 31, 32, 47]) {
      copy![at]! ^= 1
      expect(hex(await openKeys(world, config).keyFor({ machineId }, salt))).toBe(expected)
      copy![at]! ^= 1
    }
  }
})
