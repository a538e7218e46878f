import { expect, test } from 'bun:test'
import { parseLoginName } from '../../src/base/names.ts'
import { openRecoveryCodes } from '../../src/gpg/recovery.ts'
import { parseRecoveryCode } from '../../src/gpg/recovery-format.ts'
import { argon2, spent } from '../fakes/argon2.ts'
import { fakeWorld, textOf } from '../fakes/world.ts'

const [alice, bob] = [parseLoginName('alice')!, parseLoginName('bob')!]
const file = '/var/lib/open-bastion/recovery/alice'
const typed = (text: string | undefined) => parseRecoveryCode(text ?? '')!

async function withCodes() {
  const world = fakeWorld({ argon2 })
  const recovery = openRecoveryCodes(world)
  return { world, recovery, codes: await recovery.make(alice) }
}

test('ten codes, each of which counts once', async () => {
  const { recovery, codes } = await withCodes()
  expect(new Set(codes).size).toBe(10)
  for (const [at, code] of codes.entries()) {
    expect(recovery.left(alice)).toBe(10 - at)
    expect(await recovery.spend(alice, typed(code))).toBe(true)
    expect(await recovery.spend(alice, typed(code))).toBe(false)
  }
  expect(recovery.left(alice)).toBe(0)
}, 60_000)

test('the file holds no code, and only root can read it', async () => {
  const { world, codes } = await withCodes()
  expect(world.disk.get(file)?.mode).toBe(0o600)
  for (const code of codes) expect(textOf(world, file)).not.toContain(code.slice(3))
})

test('a code of another number, of another user, or of the list before does not count', async () => {
  const { recovery, codes } = await withCodes()
  expect(await recovery.spend(alice, { ...typed(codes[0]), number: 1 })).toBe(false)
  expect(await recovery.spend(bob, typed(codes[0]))).toBe(false)
  await recovery.make(alice)
  expect(await recovery.spend(alice, typed(codes[0]))).toBe(false)
}, 60_000)

test('a wrong code costs one hash, whoever it is typed for', async () => {
  const { recovery, codes } = await withCodes()
  const wrong = { ...typed(codes[0]), code: '0000-0000-0000-0000' }
  const costs: number[] = []
  for (const user of [alice, bob]) {
    const before = spent.hashes
    expect(await recovery.spend(user, wrong)).toBe(false)
    costs.push(spent.hashes - before)
  }
  expect(costs).toEqual([1, 1])
})

test('two at once: one of them', async () => {
  const { recovery, codes } = await withCodes()
  const both = await Promise.all([recovery.spend(alice, typed(codes[4])), recovery.spend(alice, typed(codes[4]))])
  expect(both.sort()).toEqual([false, true])
})

test('a code that cannot be crossed out lets nobody in', async () => {
  const { world, codes } = await withCodes()
  const files = {
    ...world.files,
    writeAtomic: () => {
      throw new Error('full')
    },
  }
  await expect(openRecoveryCodes({ ...world, files }).spend(alice, typed(codes[2]))).rejects.toThrow()
})
