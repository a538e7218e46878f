import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { concat, hex, utf8 } from '../../src/base/bytes.ts'
import { formatJsonC, type JsonObject } from '../../src/base/json.ts'
import { usualCost } from '../../src/offline/argon2.ts'
import {
  changedMembers,
  newPassword,
  openGeneration,
  openPassword,
  parsePassword,
  passwordFileName,
  sealGeneration,
  sealPassword,
} from '../../src/offline/password-format.ts'
import { deriveKey, parseMachineId } from '../../src/secrets/kdf.ts'
import { fuzzText, mutations } from '../fakes/mutate.ts'
import vectors from '../vectors/offline-cache.json'

const sets = vectors.sets.map((set) => ({ ...set, key: Uint8Array.fromHex(set.derived_key_hex) }))
const written = sets.flatMap(({ name, key, entries }) => entries.map((entry) => ({ ...entry, set: name, key })))
const onDisk = (entry: object & { plaintext: string }): string =>
  'state_on_disk' in entry && typeof entry.state_on_disk === 'string' ? entry.state_on_disk : entry.plaintext

test.each(sets)(
  '$name: the key is upstream’s',
  async ({ machine_id_file, instance_id_file, key_file_hex, salt_hex, key }) => {
    const machineId = parseMachineId(utf8(machine_id_file ?? '')) ?? parseMachineId(utf8(instance_id_file ?? ''))!
    const keyFile = key_file_hex ? Uint8Array.fromHex(key_file_hex) : undefined
    expect(hex(await deriveKey({ keyFile, machineId, salt: Uint8Array.fromHex(salt_hex) }))).toBe(hex(key))
  },
)

test('a file has upstream’s name', () => {
  for (const { user, file } of written) expect(passwordFileName(user)).toBe(file)
})

test.each(written)('$set $user: what upstream wrote opens, and is written the same to the byte', async (one) => {
  const file = Uint8Array.fromHex(one.file_bytes_hex)
  const opened = await openPassword(one.key, file)
  if (opened.kind !== 'credential') throw new Error(opened.kind)
  const { members, ...credential } = opened.credential
  expect(formatJsonC(members)).toBe(onDisk(one))
  expect(hex(await sealPassword(one.key, members, file.subarray(8, 20)))).toBe(one.file_bytes_hex)
  expect(credential).toMatchObject({ user: one.user, cost: undefined, generation: undefined })
  expect(hex(credential.salt)).toBe(one.argon2_salt_hex)
})

const verifier = { cost: usualCost, salt: new Uint8Array(16).fill(1), hash: new Uint8Array(32).fill(2) }

test('a new entry has upstream’s members in upstream’s order, and ours behind them', () => {
  const attributes = { gecos: 'Alice', shell: '/bin/bash', home: '/home/alice' }
  const members = newPassword({ user: 'alice', createdAt: 1, expiresAt: 2, verifier, attributes, generation: 7 })
  const [upstreams, ours] = [Object.keys(JSON.parse(written[0]!.plaintext)), ['argon2', 'generation']]
  expect(Object.keys(members)).toEqual([...upstreams, ...ours])
  expect(parsePassword(formatJsonC(members))).toMatchObject({ user: 'alice', cost: usualCost, generation: 7 })
  // Nobody has failed yet, and nothing is locked.
  expect(parsePassword(formatJsonC(members))).toMatchObject({ failedAttempts: 0, lockedUntil: 0, lastSuccessAt: 1 })
})

test('members that this program does not know stay where they are', () => {
  const before: JsonObject = { ...JSON.parse(written[0]!.plaintext), more: { a: [1, 'x'] } }
  const after = changedMembers(before, { failedAttempts: 2, cost: usualCost, generation: 1, lastFailureAt: 9 })
  expect(after['more']).toEqual({ a: [1, 'x'] })
  expect(parsePassword(formatJsonC(after))).toMatchObject({ failedAttempts: 2, generation: 1, lastFailureAt: 9 })
  expect(Object.keys(after).slice(-4)).toEqual(['failed_attempts', 'argon2', 'generation', 'last_failure'])
  const again = changedMembers(after, {
    failedAttempts: 0,
    lockedUntil: 0,
    lastSuccessAt: 5,
    cost: usualCost,
    generation: 2,
    lastFailureAt: undefined,
  })
  expect(Object.keys(again).slice(-6)).toEqual([
    'more',
    'failed_attempts',
    'locked_until',
    'last_success',
    'argon2',
    'generation',
  ])
})

const crafted = vectors.tampered.flatMap(({ name, crafted_plaintext }) =>
  crafted_plaintext ? [{ name, text: crafted_plaintext }] : [],
)
// Upstream went by some of these: no end of life, or a number in quotes.
const accepted = ['json-failed_attempts-4-right-password', 'json-failed_attempts-4-wrong-password', 'json-user-other']

test.each(crafted)('$name', ({ name, text }) => {
  expect(parsePassword(text) !== undefined).toBe(accepted.includes(name))
})

test.each([
  ['no lanes', { m: 65_536, t: 3 }],
  ['too little memory', { m: 8, t: 3, p: 1 }],
  ['more memory than a login may take', { m: 1_048_576, t: 3, p: 1 }],
  ['a text', 'm=65536'],
])('a cost with %s makes it no entry', (_, argon2) => {
  expect(parsePassword(formatJsonC({ ...JSON.parse(written[0]!.plaintext), argon2 }))).toBeUndefined()
})

const [alice] = written
const file = Uint8Array.fromHex(alice!.file_bytes_hex)

test.each<readonly [string, Uint8Array, string]>([
  ['a flipped tag', file.map((byte, at) => (at === file.length - 1 ? byte ^ 1 : byte)), 'sealed'],
  ['a flipped letter', file.map((byte, at) => (at === 40 ? byte ^ 1 : byte)), 'sealed'],
  ['a byte less', file.subarray(0, -1), 'sealed'],
  ['a byte more', concat(file, new Uint8Array([10])), 'sealed'],
  ['another magic', concat(utf8('obcred01'), file.subarray(8)), 'malformed'],
  ['nothing', new Uint8Array(0), 'malformed'],
  ['the magic alone', file.subarray(0, 8), 'sealed'],
])('%s: %s', async (_, bytes, kind) => {
  expect((await openPassword(alice!.key, bytes)).kind).toBe(kind as 'sealed')
})

test('another key opens nothing', async () => {
  expect((await openPassword(sets[1]!.key, file)).kind).toBe('sealed')
})

test('a generation number opens for its user only', async () => {
  const user = fc.string({ minLength: 1 }).filter((name) => name.isWellFormed())
  const iv = fc.uint8Array({ minLength: 12, maxLength: 12 })
  await fc.assert(
    fc.asyncProperty(user, fc.integer({ min: 1, max: 2 ** 40 }), iv, async (name, generation, bytes) => {
      const sealed = await sealGeneration(alice!.key, { user: name, generation }, bytes)
      expect(await openGeneration(alice!.key, sealed, name)).toBe(generation)
      expect(await openGeneration(alice!.key, sealed, `${name}x`)).toBeUndefined()
    }),
  )
})

test('no change of a file opens it to anything else', async () => {
  for (const bytes of mutations([file])) {
    const opened = await openPassword(alice!.key, bytes)
    if (opened.kind === 'credential') expect(formatJsonC(opened.credential.members)).toBe(alice!.plaintext)
  }
})

test('what is accepted is understood the same when it is written again', () => {
  const ours = formatJsonC(
    newPassword({ user: 'a', createdAt: 1, expiresAt: 2, verifier, attributes: {}, generation: 7 }),
  )
  fuzzText([...written.map(onDisk), ours], (text) => {
    const credential = parsePassword(text)
    if (credential) expect(parsePassword(formatJsonC(credential.members))).toEqual(credential)
  })
})
