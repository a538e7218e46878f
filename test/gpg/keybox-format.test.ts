import { expect, test } from 'bun:test'
import { concat, utf8 } from '../../src/base/bytes.ts'
import { isKeybox, parseKeybox } from '../../src/gpg/keybox-format.ts'
import { mutations } from '../fakes/mutate.ts'

const number = (value: number): Uint8Array => Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value)

/** kbx/keybox-blob.c: the header, which says only that this is a keybox. */
const header = concat(number(32), Uint8Array.of(1, 1, 0, 2), utf8('KBXf'), new Uint8Array(20))

function blob(type: number, key: Uint8Array): Uint8Array {
  const before = new Uint8Array(24)
  const rest = concat(Uint8Array.of(type, 1, 0, 0), number(40), number(key.length), before, key, new Uint8Array(20))
  return concat(number(rest.length + 4), rest)
}

test('the OpenPGP keys are found, and certificates of S/MIME are not', () => {
  const ring = concat(header, blob(2, utf8('one')), blob(3, utf8('x509')), blob(2, utf8('two')))
  expect(parseKeybox(ring)?.map((key) => new TextDecoder().decode(key))).toEqual(['one', 'two'])
})

test.each([
  ['nothing', new Uint8Array()],
  ['a key ring of old', utf8('\u0098'.repeat(64))],
  ['a cut one', concat(header, blob(2, utf8('one'))).subarray(0, 60)],
  ['a length of nothing', concat(header, new Uint8Array(8))],
  [
    'a key beyond its blob',
    concat(header, number(20), Uint8Array.of(2, 1, 0, 0), number(16), number(1 << 19), number(0)),
  ],
])('%s is none', (_name, bytes) => {
  expect(parseKeybox(bytes)).toBeUndefined()
})

test('nothing makes the parser fail, and what it finds lies inside', () => {
  let survived = 0
  const ring = concat(header, blob(2, utf8('one')), blob(2, utf8('two')))
  for (const bytes of mutations([ring])) {
    for (const key of parseKeybox(bytes) ?? []) expect(key.length).toBeLessThanOrEqual(bytes.length)
    survived++
  }
  expect(survived).toBeGreaterThan(1000)
  expect(isKeybox(ring)).toBe(true)
})
