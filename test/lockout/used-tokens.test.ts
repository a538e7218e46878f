// The store of used tokens: the first to claim a token has it, and the store is handed the disk alone.
import { expect, test } from 'bun:test'
import { paths } from '../../src/base/paths.ts'
import { Secret } from '../../src/base/secret.ts'
import { openUsedTokens } from '../../src/lockout/used-tokens.ts'
import { fakeWorld } from '../fakes/world.ts'

test('a token is claimed once, and again only when the claim was given back', () => {
  const used = openUsedTokens(fakeWorld())
  const token = new Secret('a-token')
  expect([used.take(token), used.take(token)]).toEqual(['won', 'lost'])
  used.release(token)
  expect(used.take(token)).toBe('won')
})

test('the store of used tokens has no network: that is a type error', () => {
  const parts: Parameters<typeof openUsedTokens>[0] = fakeWorld()
  // @ts-expect-error the type does not name it
  expect(parts.fetch).toBeDefined()
})

test('claims are root’s alone, and a claim of the day before is forgotten when another token is used', () => {
  const world = fakeWorld()
  const made: string[] = []
  const makeDirectory = (path: string, mode: number): void => {
    made.push(`${path} ${mode}`)
    world.files.makeDirectory(path, mode)
  }
  const files = { ...world.files, makeDirectory }
  const used = openUsedTokens({ ...world, files })
  expect(used.take(new Secret('one'))).toBe('won')
  expect(made).toEqual([`${paths.usedTokens} ${0o700}`])
  world.clock.now += 86_400
  expect(used.take(new Secret('two'))).toBe('won')
  expect(used.take(new Secret('one'))).toBe('lost')
  // Looked at once an hour.
  world.clock.now += 3600
  expect(used.take(new Secret('three'))).toBe('won')
  expect(used.take(new Secret('one'))).toBe('won')
  for (const [path, { data, mode }] of world.disk)
    expect([path.includes('one'), data.length, mode]).toEqual([false, 0, 0o600])
})

test('a used token stays used for a day, however often others are swept', () => {
  const world = fakeWorld()
  const used = openUsedTokens(world)
  expect(used.take(new Secret('one'))).toBe('won')
  for (let hour = 1; hour <= 24; hour++) {
    world.clock.now += 3600
    expect([hour, used.take(new Secret(`other ${hour}`)), used.take(new Secret('one'))]).toEqual([hour, 'won', 'lost'])
  }
})
