import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { formatForceOnline, mustBeOnline, parseForceOnline } from '../../src/offline/force-online-format.ts'
import { fuzzText } from '../fakes/mutate.ts'
import vectors from '../vectors/auth-cache.json'

// What differs from upstream, always towards asking the portal.
const differences: Readonly<Record<string, boolean>> = {
  // Upstream took a list of blanks and comments for a list of nobody.
  'force-online/comment alice': true,
  'force-online/comment bob': true,
  'force-online/blank bob': true,
  // A blank before the name made it another name.
  'force-online/spaces alice': true,
}

test.each(vectors.force_online)('$file for $user', ({ file, content, user, force_online }) => {
  const expected = differences[`${file} ${user}`] ?? force_online
  expect(mustBeOnline(parseForceOnline(content), user)).toBe(expected)
})

test('every difference is one', () => {
  const found = vectors.force_online.filter((one) => `${one.file} ${one.user}` in differences)
  expect(found.map(({ force_online }) => force_online)).toEqual([false, false, false, false])
})

test('no file is nobody', () => {
  expect(mustBeOnline(parseForceOnline(undefined), 'alice')).toBe(false)
})

test('lines may end as on other systems', () => {
  expect(mustBeOnline(parseForceOnline('bob\r\nalice\r\n'), 'alice')).toBe(true)
})

test('a list is read back as it was written', () => {
  const name = fc.stringMatching(/^[a-z_][a-z0-9_.-]{0,31}$/)
  fc.assert(
    fc.property(fc.uniqueArray(name, { minLength: 1 }), (names) => {
      expect(parseForceOnline(formatForceOnline(new Set(names)))).toEqual(new Set(names))
    }),
  )
  expect(parseForceOnline(formatForceOnline('everybody'))).toBe('everybody')
})

test('whatever the file holds, a name that is a line of it is in the list', () => {
  fuzzText(['# c\nalice\nbob\n'], (text) => {
    const list = parseForceOnline(text)
    if (`\n${text}\n`.includes('\nalice\n')) expect(mustBeOnline(list, 'alice')).toBe(true)
  })
})
