import { expect, test } from 'bun:test'
import { argon2Sync } from 'node:crypto'
import fc from 'fast-check'
import { hex, utf8 } from '../../src/base/bytes.ts'
import type { NativeArgon2 } from '../../src/base/world.ts'
import {
  formatVerifier,
  isCostBearable,
  libsodiumCost,
  openArgon2,
  parseVerifier,
  usualCost,
} from '../../src/offline/argon2.ts'
import { fuzzText } from '../fakes/mutate.ts'
import offlineCache from '../vectors/offline-cache.json'

const native: NativeArgon2 = async (message, { salt, memory, passes, lanes, length }) =>
  Uint8Array.from(
    argon2Sync('argon2id', { message, nonce: salt, parallelism: lanes, tagLength: length, memory, passes }),
  )
const cores = { 'hash-wasm': openArgon2(undefined), 'the runtime’s own': openArgon2(native) }

// argon2(1) of 20171227: echo -n PASSWORD | argon2 SALT -id -t T -k K -p P -l 32
const answers = [
  ['a known answer', 'of sixteen bytes', 64, 2, 2, 'ac34713d3f99150dde9177668ca7dd24d4a69a8bebede80b163af440cd6b2c7f'],
] as const

test.each(Object.entries(cores))('%s says what the reference program says', async (_, argon2) => {
  for (const [password, salt, memory, passes, lanes, hash] of answers)
    expect(hex(await argon2(utf8(password), utf8(salt), { memory, passes, lanes }))).toBe(hash)
})

const accepted = offlineCache.portal_verifiers.filter(({ verifier }) => parseVerifier(verifier) !== undefined)

test.each(Object.entries(cores))(
  '%s verifies what a portal may send',
  async (_, argon2) => {
    expect(accepted.map(({ name }) => name)).toEqual([
      'standard PHC (unpadded base64), p=1',
      'padded base64, p=1',
      'padded, p=4',
      'padded, m=16384 t=2',
    ])
    for (const { verifier, password } of accepted) {
      const { cost, salt, hash } = parseVerifier(verifier)!
      expect(hex(await argon2(utf8(password), salt, cost))).toBe(hex(hash))
    }
  },
  120_000,
)

test('both cores say the same for any small cost', async () => {
  const cost = fc.record({
    memory: fc.integer({ min: 64, max: 256 }),
    passes: fc.integer({ min: 1, max: 4 }),
    lanes: fc.integer({ min: 1, max: 8 }),
  })
  const password = fc.uint8Array({ minLength: 1, maxLength: 300 })
  const salt = fc.uint8Array({ minLength: 16, maxLength: 48 })
  await fc.assert(
    fc.asyncProperty(password, salt, cost, async (typed, salted, how) => {
      const [one, other] = await Promise.all(Object.values(cores).map((argon2) => argon2(typed, salted, how)))
      expect(hex(one!)).toBe(hex(other!))
    }),
    { numRuns: 40 },
  )
}, 30_000)

test.each<readonly [string, NativeArgon2]>([
  ['says something else', async () => new Uint8Array(32)],
  ['cannot', () => Promise.reject(new Error('not built in'))],
])('a core of the runtime that %s is not used', async (_, broken) => {
  const [password, salt, memory, passes, lanes, hash] = answers[0]
  expect(hex(await openArgon2(broken)(utf8(password), utf8(salt), { memory, passes, lanes }))).toBe(hash)
})

const [good] = accepted.map(({ verifier }) => verifier)

test.each([
  ...offlineCache.portal_verifiers.filter((one) => !accepted.includes(one)).map(({ verifier }) => verifier),
  good!.replace('m=65536', 'm=262145'),
  good!.replace('t=3', 't=17'),
  good!.replace('p=1', 'p=17'),
  good!.replace('m=65536', 'm=065536'),
  good!.replace('m=65536', 'm=9999999999'),
  `${good} `,
  `${good}\n`,
  good!.replace('$cPan', '$'),
])('%j is no verifier to go by', (text) => {
  expect(parseVerifier(text)).toBeUndefined()
})

test('the costs in use are bearable', () => {
  expect([usualCost, libsodiumCost].map(isCostBearable)).toEqual([true, true])
  expect(isCostBearable({ memory: Number.NaN, passes: 3, lanes: 1 })).toBe(false)
})

test('a verifier is read back as it was written', () => {
  const bytes = (minLength: number, maxLength: number) =>
    fc.uint8Array({ minLength, maxLength }).map((b) => Uint8Array.from(b))
  const cost = fc.record({
    memory: fc.integer({ min: 16_384, max: 262_144 }),
    passes: fc.integer({ min: 2, max: 16 }),
    lanes: fc.integer({ min: 1, max: 16 }),
  })
  fc.assert(
    fc.property(cost, bytes(16, 48), bytes(32, 32), (cost, salt, hash) => {
      expect(parseVerifier(formatVerifier({ cost, salt, hash }))).toEqual({ cost, salt, hash })
    }),
  )
})

test('what is accepted says the same when it is written again', () => {
  fuzzText(
    accepted.map(({ verifier }) => verifier),
    (text) => {
      const verifier = parseVerifier(text)
      if (verifier) expect(formatVerifier(verifier)).toBe(text.replaceAll('=$', '$').replaceAll(/=+(\$|$)/g, '$1'))
    },
  )
})
