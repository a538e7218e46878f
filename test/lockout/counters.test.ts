// What strangers can make this host keep, and what they cannot get around.
import { expect, test } from 'bun:test'
import { Fault } from '../../src/base/fault.ts'
import { type Config, checkConfig } from '../../src/config/load.ts'
import { mostCounters, openLockouts } from '../../src/lockout/counters.ts'
import { lockoutFileName, lockoutKey } from '../../src/lockout/state-format.ts'
import { type FakeWorld, fakeWorld } from '../fakes/world.ts'
import vectors from '../vectors/rate-limiter.json'

const config = ((): Config => {
  const checked = checkConfig('portal_url = https://auth.example.test\nrate_limit_max_attempts = 2\n')
  if (checked.kind === 'refused') throw new Error('the configuration of this test is refused')
  return checked.config
})()

const directory = '/run/open-bastion/newcomers'
const kept = (world: FakeWorld): number => [...world.disk.keys()].filter((path) => path.endsWith('.state')).length

test('however many sources fail, no more than so many of them are remembered', async () => {
  const world = fakeWorld()
  const lockouts = openLockouts(world, config, directory, 20)
  for (let i = 0; i < 100; i++) await lockouts.count(`newcomer:192.0.2.${i}`)
  expect(kept(world)).toBe(21)
  // Whoever is not among them waits with all the others.
  expect((await lockouts.left('newcomer:198.51.100.1')).secondsLeft).toBeGreaterThan(0)
  expect((await lockouts.left('newcomer:192.0.2.1')).secondsLeft).toBe(0)
})

test('failures that count no more are forgotten when others fail', async () => {
  const world = fakeWorld()
  const lockouts = openLockouts(world, config, directory)
  for (let i = 0; i < 50; i++) await lockouts.count(lockoutKey(`user${i}`, '192.0.2.1'))
  await lockouts.count(lockoutKey('eve', '192.0.2.1'))
  await lockouts.count(lockoutKey('eve', '192.0.2.1'))
  world.clock.now += 3_700
  await lockouts.count(lockoutKey('mallory', '192.0.2.1'))
  // eve failed twice: one is forgiven.
  expect(kept(world)).toBe(2)
})

test('whose counter is held up by a stopped process counts as locked, and nobody else', async () => {
  const world = fakeWorld()
  const [eve, bob] = [lockoutKey('eve', '192.0.2.1'), lockoutKey('bob', '192.0.2.1')]
  const lockOf = (key: string): string => `${directory}/.lock-${lockoutFileName(key).slice(0, 2)}`
  world.disk.set(lockOf(eve), { data: new Uint8Array(), mode: 0o600, uid: 0, gid: 0, modifiedAt: 0 })
  const waited: (number | undefined)[] = []
  const stopped: FakeWorld = {
    ...world,
    files: {
      ...world.files,
      withLock: async (path, work, seconds) => {
        waited.push(seconds)
        if (path === lockOf(eve)) throw new Fault('another process holds it', { kind: 'busy' })
        return world.files.withLock(path, work)
      },
    },
  }
  const lockouts = openLockouts(stopped, config, directory)
  expect((await lockouts.left(eve)).secondsLeft).toBeGreaterThan(0)
  expect((await lockouts.left(bob)).secondsLeft).toBe(0)
  for (let i = 0; i < 2; i++) await lockouts.count(bob)
  expect((await lockouts.left(bob)).secondsLeft).toBeGreaterThan(0)
  expect(waited.every((seconds) => seconds !== undefined && seconds <= 2)).toBe(true)
})

// What is tidied up, beside what the C implementation tidied up.
const cleanupDifferences: Readonly<Record<string, string>> = {
  'idle, older than an hour': 'one failure is forgiven for each longest lock of silence, and this was two',
  'lock over, old': 'one failure is forgiven for each longest lock of silence, and this was nine',
}

test.each(vectors.cleanup)('tidying up: $name', async ({ name, state, kept: stays, clock }) => {
  const world = fakeWorld({ now: clock })
  const path = `${directory}/${'0'.repeat(32)}.state`
  world.disk.set(path, { data: new TextEncoder().encode(state), mode: 0o600, uid: 0, gid: 0, modifiedAt: clock })
  await openLockouts(world, config, directory).count('somebody else')
  expect([name, world.disk.has(path)]).toEqual([name, stays || name in cleanupDifferences])
})

test('a file that is no state is removed when it is a day old, and what is no file of ours never', async () => {
  const world = fakeWorld()
  const ages = {
    'x.state': 86_401,
    'y.state': 86_000,
    'x.state.tmp.0a': 86_401,
    'y.state.tmp.0a': 86_000,
    other: 900_000,
  }
  for (const [name, age] of Object.entries(ages))
    world.disk.set(`${directory}/${name}`, {
      data: new TextEncoder().encode('zzz\n'),
      mode: 0o600,
      uid: 0,
      gid: 0,
      modifiedAt: world.clock.now - age,
    })
  await openLockouts(world, config, directory).count('somebody')
  const left = Object.keys(ages).filter((name) => world.disk.has(`${directory}/${name}`))
  expect(left).toEqual(['y.state', 'y.state.tmp.0a', 'other'])
})

test('a clock that was set back is written down, so that the lock ends', async () => {
  const world = fakeWorld()
  const lockouts = openLockouts(world, config, directory)
  for (let i = 0; i < 2; i++) await lockouts.count('eve')
  const wait = (await lockouts.left('eve')).secondsLeft
  expect(wait).toBeGreaterThan(0)
  world.clock.now -= 100_000
  expect((await lockouts.left('eve')).secondsLeft).toBe(wait)
  world.clock.now += wait
  expect((await lockouts.left('eve')).secondsLeft).toBe(0)
})

test('however many addresses a stranger has, the counters have a bound, and the newest stay', async () => {
  const world = fakeWorld()
  const old = { data: new TextEncoder().encode('1 0 1800000000 1800000000\n'), mode: 0o600, uid: 0, gid: 0 }
  for (let i = 0; i < mostCounters; i++)
    world.disk.set(`${directory}/${i.toString(16).padStart(8, '0')}.state`, {
      ...old,
      modifiedAt: world.clock.now - mostCounters + i,
    })
  world.disk.set(`${directory}/.swept`, { ...old, modifiedAt: world.clock.now })
  const lockouts = openLockouts(world, config, directory)
  for (let i = 0; i < 3; i++) await lockouts.count(lockoutKey('eve', `2001:db8:${i}::1`))
  expect(kept(world)).toBe(mostCounters - mostCounters / 16 + 3)
  expect(world.disk.has(`${directory}/00000000.state`)).toBe(false)
  expect(world.disk.has(`${directory}/0000ffff.state`)).toBe(true)
})
