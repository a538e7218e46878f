import { expect, test } from 'bun:test'
import { Fault } from '../../src/base/fault.ts'
import { parseFingerprint } from '../../src/base/names.ts'
import { openLedger } from '../../src/ca/ledger.ts'
import { type FakeWorld, fakeWorld, textOf } from '../fakes/world.ts'

const fingerprint = parseFingerprint(`SHA256:${'A'.repeat(43)}`)!
const enter = (world: FakeWorld, name = 'alice') =>
  openLedger(world).enter({ type: 'user', name, fingerprint, signer: fingerprint, validBefore: 1_800_036_000 })

test('a serial never comes twice: not in parallel, not when the clock is set back, not when the file is lost', async () => {
  const world = fakeWorld()
  const first = await Promise.all([1, 2, 3, 4].map(() => enter(world)))
  expect(new Set(first).size).toBe(4)
  const [largest = 0n] = [...first].sort().reverse()
  world.clock.now -= 86_400
  expect(await enter(world)).toBe(largest + 1n)
  world.clock.now += 2 * 86_400
  world.disk.delete('/var/lib/open-bastion/ca/serial')
  expect(await enter(world)).toBeGreaterThan(largest + 1n)
  expect(
    openLedger(world)
      .entries()
      .map(({ name }) => name),
  ).toEqual(Array(6).fill('alice'))
})

test('a serial that cannot be written down is not given out', async () => {
  for (const file of ['serial', 'issued']) {
    const world = fakeWorld({
      broken: (path) => (path.endsWith(`/ca/${file}`) ? 'no space left on device' : undefined),
    })
    expect(enter(world)).rejects.toThrow(Fault)
  }
})

test('a damaged number is a fault that names the remedy, and nothing is signed meanwhile', async () => {
  const world = fakeWorld({ files: { '/var/lib/open-bastion/ca/serial': 'twelve\n' } })
  expect(enter(world)).rejects.toThrow('holds no number')
  expect(textOf(world, '/var/lib/open-bastion/ca/issued')).toBeUndefined()
})
