import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { flagMember, formatJsonC, parseJsonObject, textMember, textsMember, wholeMember } from '../../src/base/json.ts'
import authCache from '../vectors/auth-cache.json'
import offlineCache from '../vectors/offline-cache.json'

const plaintexts = [...authCache.sets, ...offlineCache.sets].flatMap(({ entries }) =>
  entries.flatMap(({ plaintext }) => (plaintext === null ? [] : [plaintext])),
)

test('what json-c printed is printed the same', () => {
  expect(plaintexts.length).toBeGreaterThan(25)
  for (const text of plaintexts) expect(formatJsonC(parseJsonObject(text)!)).toBe(text)
})

test.each([
  [{}, '{ }'],
  [{ a: [] }, '{ "a": [ ] }'],
  [{ a: ['x', 'y'], b: null }, '{ "a": [ "x", "y" ], "b": null }'],
  [{ 'a/b': '/' }, '{ "a\\/b": "\\/" }'],
  [{ a: '\u0001\n"\\' }, '{ "a": "\\u0001\\n\\"\\\\" }'],
])('%j is printed as %s', (value, text) => {
  expect(formatJsonC(value)).toBe(text)
})

test('an object is read back, members in their order', () => {
  const value = fc.dictionary(
    fc.string({ minLength: 1 }).filter((name) => !/^\d+$/.test(name)),
    fc.jsonValue(),
  )
  fc.assert(
    fc.property(value, (object) => {
      const text = formatJsonC(JSON.parse(JSON.stringify(object)))
      const read = parseJsonObject(text)
      expect(read && formatJsonC(read)).toBe(text)
    }),
  )
})

test.each(['', '[]', '"a"', 'null', '{', '{ "a": 1 } x'])('%j is no object', (text) => {
  expect(parseJsonObject(text)).toBeUndefined()
})

test('a member of another type is no member, and neither is one that every object has', () => {
  const object = parseJsonObject('{ "text": 1, "whole": "1", "flag": 1, "texts": "a" }')!
  expect(textMember(object, 'text')).toBeUndefined()
  expect(textMember(object, 'constructor')).toBeUndefined()
  expect(wholeMember(object, 'whole')).toBeUndefined()
  expect(wholeMember({ whole: -1 }, 'whole')).toBeUndefined()
  expect(wholeMember({ whole: 1.5 }, 'whole')).toBeUndefined()
  expect(flagMember(object, 'flag')).toBeUndefined()
  expect(textsMember(object, 'texts')).toBeUndefined()
  expect(textsMember({ texts: ['a', 1, null, 'b'] }, 'texts')).toEqual(['a', 'b'])
})
