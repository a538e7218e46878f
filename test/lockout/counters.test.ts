// What strangers can make this host keep, and what they cannot get around.
import { expect, test } from 'bun:test'
import { Fault } from '../../src/base/fault.ts'
import { type Config, checkConfig } from '../../src/config/load.ts'
import { openLockouts } from '../../src/lockout/counters.ts'
import { lockoutFileName, lockoutKey } from '../../src/lockout/state-format.ts'
import { type FakeWorld, fakeWorld } from '../fakes/world.ts'

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
