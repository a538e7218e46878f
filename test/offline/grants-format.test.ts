import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { hex, utf8 } from '../../src/base/bytes.ts'
import { parseFingerprint } from '../../src/base/names.ts'
import {
  type AuthEntry,
  authCacheFileName,
  formatAuthEntry,
  openAuthBody,
  openAuthHeader,
  parseAuthEntry,
  sealAuthEntry,
} from '../../src/offline/grants-format.ts'
import { deriveKey, parseMachineId } from '../../src/secrets/kdf.ts'
import { fuzzText, mutations } from '../fakes/mutate.ts'
import vectors from '../vectors/auth-cache.json'

const [set] = vectors.sets
const key = Uint8Array.fromHex(set!.derived_key_hex)
const written = set!.entries.filter(({ store_rc }) => store_rc === 0)

const opened = async (file: Uint8Array) => {
  const header = openAuthHeader(key, file)
  return header.kind === 'header' ? openAuthBody(key, header.body, header.expiresAt) : header
}

test('the key is upstream’s', async () => {
  const machineId = parseMachineId(utf8(set!.machine_id_file))!
  expect(hex(await deriveKey({ machineId, salt: Uint8Array.fromHex(set!.salt_hex) }))).toBe(set!.derived_key_hex)
})

test('a file has upstream’s name', () => {
  for (const { user, server_group, host, file } of set!.entries)
    expect(authCacheFileName({ user, host, group: server_group ?? 'default' })).toBe(file)
})

test.each(written)('$user: what upstream wrote opens, and is written the same to the byte', async (one) => {
  const file = Uint8Array.fromHex(one.file_bytes_hex!)
  const found = await opened(file)
  if (found.kind !== 'entry') throw new Error(found.detail)
  expect(formatAuthEntry(found.entry)).toBe(one.plaintext!)
  expect(hex(await sealAuthEntry(key, found.entry, Uint8Array.fromHex(one.iv_hex!)))).toBe(one.file_bytes_hex!)
  const given = one.given as { authorized?: number; sudo_allowed?: number; groups?: string[]; shell?: string }
  expect(found.entry.authorized).toBe(given.authorized !== 0)
  expect(found.entry.sudoAllowed).toBe(given.sudo_allowed === 1)
  expect(found.entry.groups).toEqual(given.groups ?? [])
  expect(found.entry.shell).toBe(given.shell ?? '')
  expect(found.entry.expiresAt).toBe(one.written_at + one.ttl)
})

const alice = Uint8Array.fromHex(written[0]!.file_bytes_hex!)
const headerLength = alice.indexOf(0x0a) + 1
const rest = alice.subarray(headerLength)
const withHeader = (text: string): Uint8Array => Uint8Array.from([...utf8(text), ...rest])
const flipped = (index: number): Uint8Array => alice.map((byte, at) => (at === index ? byte ^ 1 : byte))
const code = written[0]!.header!.split(' ')[1]!

test.each<readonly [string, Uint8Array, string]>([
  ['untouched', alice, 'entry'],
  ['another MAC', withHeader(`3780000000 ${'0'.repeat(64)}\n`), 'tampered'],
  ['a later end with the old MAC', withHeader(`3790000000 ${code}\n`), 'tampered'],
  ['the header of another entry', withHeader(`${written.find(({ user }) => user === 'grace')!.header}\n`), 'tampered'],
  ['a flipped bit in the header', flipped(3), 'tampered'],
  ['a flipped bit in the IV', flipped(headerLength + 12), 'tampered'],
  ['a flipped bit in the text', flipped(headerLength + 40), 'tampered'],
  ['a flipped bit in the tag', flipped(alice.length - 1), 'tampered'],
  ['a byte less', alice.subarray(0, -1), 'tampered'],
  ['a byte more', Uint8Array.from([...alice, 10]), 'tampered'],
  ['another magic', flipped(headerLength + 10), 'unreadable'],
  ['nothing', new Uint8Array(0), 'unreadable'],
  ['only the header', alice.subarray(0, headerLength), 'unreadable'],
  ['a header that is too long', withHeader(`${'0'.repeat(60)}3780000000 ${code}\n`), 'unreadable'],
])('%s: %s', async (_, file, kind) => {
  expect((await opened(file)).kind).toBe(kind as 'entry')
})

const crafted = (name: string): string => vectors.tampered.find((one) => one.name === name)!.crafted_plaintext!

test.each(['json-v3', 'json-no-v', 'json-no-expires_at', 'json-no-user'])('%s is no entry', (name) => {
  expect(parseAuthEntry(crafted(name))).toBeUndefined()
})

test('an absent permission is none', () => {
  expect(parseAuthEntry(crafted('json-no-authorized'))?.authorized).toBe(false)
  expect(parseAuthEntry('{"v":4,"expires_at":1,"user":"a"}')).toMatchObject({ sudoAllowed: false, sudoNopasswd: false })
})

test('what is no text in a list of groups is left out, and what is no list is empty', () => {
  expect(parseAuthEntry(crafted('json-groups-mixed'))?.groups).toEqual(['a', 'b'])
  expect(parseAuthEntry(crafted('json-groups-string'))?.groups).toEqual([])
})

const fingerprint = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes) => parseFingerprint(`SHA256:${bytes.toBase64({ omitPadding: true })}`)!)
const text = fc.string({ unit: 'grapheme' }).filter((value) => value.isWellFormed())
const entries = fc.record({
  user: text,
  expiresAt: fc.integer({ min: 1, max: 4_102_444_800 }),
  authorized: fc.boolean(),
  sudoAllowed: fc.boolean(),
  sudoNopasswd: fc.boolean(),
  groups: fc.array(text),
  managedGroups: fc.array(text),
  gecos: text,
  shell: text,
  home: text,
  createdAt: fc.nat(),
  fingerprints: fc.array(fc.tuple(fingerprint, fc.nat()), { maxLength: 4 }).map((list) => new Map(list)),
})

test('what is sealed is opened again', async () => {
  await fc.assert(
    fc.asyncProperty(entries, fc.uint8Array({ minLength: 12, maxLength: 12 }), async (entry: AuthEntry, iv) => {
      expect(await opened(await sealAuthEntry(key, entry, iv))).toEqual({ kind: 'entry', entry })
    }),
  )
})

test('no change of a file opens it to anything else', async () => {
  const before = parseAuthEntry(written[0]!.plaintext!)!
  for (const file of mutations([alice])) {
    const found = await opened(file)
    if (found.kind === 'entry') expect(found.entry).toEqual(before)
  }
})

test('what is accepted would be understood the same when written again', () => {
  fuzzText(
    written.map(({ plaintext }) => plaintext!),
    (text) => {
      const entry = parseAuthEntry(text)
      if (entry) expect(parseAuthEntry(formatAuthEntry(entry))).toEqual(entry)
    },
  )
})
