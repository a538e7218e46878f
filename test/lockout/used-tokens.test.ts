// The store of used tokens: the first to claim a token has it, and the store is handed the disk alone.
import { expect, test } from 'bun:test'
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
