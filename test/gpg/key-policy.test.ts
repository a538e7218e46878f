import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { parseKeyFingerprint, printableId } from '../../src/gpg/key-policy.ts'

test.each([
  ['Zoë Müller <zoe@example.org>', 'Zoë Müller <zoe@example.org>'],
  ['a\u001b[2Jb', 'a?[2Jb'],
  ['two\nlines\r', 'two?lines?'],
  ['\u202egnp.exe', '?gnp.exe'],
  ['\ud800', '\ufffd'],
])('%j is shown as %j', (given, shown) => {
  expect(printableId(given)).toBe(shown)
})

test('no user id can steer a terminal', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(printableId(text)).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
    }),
  )
})

const digits = '0123456789ABCDEF0123456789ABCDEF01234567'

test.each([
  [digits, digits],
  [digits.toLowerCase(), digits],
  [digits.replace(/(.{4})/g, '$1 '), digits],
  [`0x${digits}`, digits],
  [digits.slice(1), undefined],
  ['alice@example.org', undefined],
])('the fingerprint %s', (given, parsed) => {
  expect(parseKeyFingerprint(given)).toBe(parsed)
})
