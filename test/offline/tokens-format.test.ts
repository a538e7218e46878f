import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { concat, hex, utf8 } from '../../src/base/bytes.ts'
import {
  formatTokenEntry,
  openTokenEntry,
  parseTokenEntry,
  sealTokenEntry,
  tokenCacheFileName,
} from '../../src/offline/tokens-format.ts'
import { fuzzText, mutations } from '../fakes/mutate.ts'
import vectors from '../vectors/token-cache.json'

const encrypted = vectors.sets.find(({ name }) => name === 'encrypted')!
const plaintext = vectors.sets.find(({ name }) => name === 'plaintext')!
const key = Uint8Array.fromHex(encrypted.derived_key_hex!)
const written = encrypted.entries.filter(({ store_rc }) => store_rc === 0)

test('a file has upstream’s name', () => {
  for (const { token, user, file } of encrypted.entries) expect(tokenCacheFileName(token, user)).toBe(file)
})

test.each(written)('$file: what upstream sealed opens, and is written the same to the byte', async (one) => {
  const opened = await openTokenEntry(key, Uint8Array.fromHex(one.file_bytes_hex!))
  if (opened.kind !== 'entry') throw new Error(opened.detail)
  expect(opened.entry.user).toBe(one.user)
  expect(opened.entry.authorized).toBe(one.authorized)
  expect(formatTokenEntry(opened.entry)).toBe(one.plaintext!)
  expect(hex(await sealTokenEntry(key, opened.entry, Uint8Array.fromHex(one.iv_hex!)))).toBe(one.file_bytes_hex!)
})

test('nothing unsealed is ever believed', async () => {
  expect(plaintext.entries.length).toBeGreaterThan(2)
  for (const { file_bytes_hex } of plaintext.entries)
    expect((await openTokenEntry(key, Uint8Array.fromHex(file_bytes_hex!))).kind).toBe('tampered')
})

const file = Uint8Array.fromHex(written[0]!.file_bytes_hex!)
const body = file.subarray(file.indexOf(0x0a) + 1)
const withHeader = (text: string): Uint8Array => concat(utf8(text), body)

test.each<readonly [string, Uint8Array, string]>([
  ['untouched', file, 'entry'],
  ['a later end in the open', withHeader('3780000001\n'), 'tampered'],
  ['an earlier end in the open', withHeader('3779999999\n'), 'tampered'],
  ['a flipped tag', file.map((byte, at) => (at === file.length - 1 ? byte ^ 1 : byte)), 'tampered'],
  ['a byte less', file.subarray(0, -1), 'tampered'],
  ['a byte more', concat(file, new Uint8Array([0])), 'tampered'],
  ['a text behind the number', withHeader('3780000000 x\n'), 'unreadable'],
  ['a blank before it', withHeader(' 3780000000\n'), 'unreadable'],
  ['no first line', body, 'unreadable'],
  ['the first line alone', utf8('3780000000\n'), 'unreadable'],
  ['another magic', concat(utf8('3780000000\nLLNGCACHE01'), body.subarray(11)), 'unreadable'],
  ['an unsealed entry', utf8('3780000000\n3780000000 1 alice\n'), 'tampered'],
  ['half an unsealed entry', utf8('3780000000\n3780000000 1\n'), 'unreadable'],
  ['nothing', new Uint8Array(0), 'unreadable'],
])('%s: %s', async (_, bytes, kind) => {
  expect((await openTokenEntry(key, bytes)).kind).toBe(kind as 'entry')
})

test('what is sealed is opened again', async () => {
  const user = fc.string({ minLength: 1, maxLength: 60 }).filter((name) => name.isWellFormed() && !/[\n\0]/.test(name))
  const entries = fc.record({ user, expiresAt: fc.integer({ min: 1, max: 4_102_444_800 }), authorized: fc.boolean() })
  await fc.assert(
    fc.asyncProperty(entries, fc.uint8Array({ minLength: 12, maxLength: 12 }), async (entry, iv) => {
      expect(await openTokenEntry(key, await sealTokenEntry(key, entry, iv))).toEqual({ kind: 'entry', entry })
    }),
  )
})

test('no change of a file opens it to anything else', async () => {
  for (const bytes of mutations([file])) {
    const opened = await openTokenEntry(key, bytes)
    if (opened.kind === 'entry') expect(formatTokenEntry(opened.entry)).toBe(written[0]!.plaintext!)
  }
})

test('what is accepted would have been written the same', () => {
  fuzzText(['3780000000 1 alice\n', '1 0 dave smith\n'], (text) => {
    const entry = parseTokenEntry(text)
    if (entry) expect(formatTokenEntry(entry)).toBe(text)
  })
})
