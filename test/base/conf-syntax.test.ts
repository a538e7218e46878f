import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { formatConf, longestLine, parseConf } from '../../src/base/conf-syntax.ts'
import { Fault } from '../../src/base/fault.ts'

const runs = Number(process.env['FUZZ'] ?? 2000)

const read = (text: string) => parseConf(text).entries.map(({ key, value, line }) => `${line} ${key}=${value}`)
const refused = (text: string) => parseConf(text).problems.map(({ line, text: why }) => `${line} ${why}`)

test.each([
  ['spaces around key and value are not part of them', '  a \t=  b c \n', ['1 a=b c']],
  ['comments and blank lines say nothing', '# x\n ; y = 1\n\n\t\na=1', ['5 a=1']],
  ['section headers say nothing', '[portal]\na=1\n [ x ] # why\n', ['2 a=1']],
  ['a comment may follow a value after a space', 'a = 1 # why\nb = 2\t#x', ['1 a=1', '2 b=2']],
  ['a # without a space before it belongs to the value', 'a = 1#2\nb=#3 x', ['1 a=1#2', '2 b=']],
  ['a ; never begins an inline comment', 'a = x ; y', ['1 a=x ; y']],
  ['double quotes are taken off', 'a = "b c"', ['1 a=b c']],
  ['single quotes are taken off', "a = ' b '", ['1 a= b ']],
  ['only one level of quotes is taken off', `a = "'b'"`, [`1 a='b'`]],
  ['a # within quotes belongs to the value', 'a = "b # c" # d', ['1 a=b # c']],
  ['the quote that closes is the last one', 'a = "c"d"', ['1 a=c"d']],
  ['a quote at the end alone belongs to the value', 'a = b"', ['1 a=b"']],
  ['a value may hold =', 'a = b=c==', ['1 a=b=c==']],
  ['a value may be empty', 'a =\nb = ""', ['1 a=', '2 b=']],
  ['lines may end with CR LF', 'a=1\r\nb=2\r\n', ['1 a=1', '2 b=2']],
  ['duplicates are all reported, in order', 'a=1\na=2', ['1 a=1', '2 a=2']],
  ['a byte order mark is not part of the first key', '\ufeffa=1', ['1 a=1']],
])('%s', (_, text, entries) => {
  expect(read(text)).toEqual(entries)
  expect(refused(text)).toEqual([])
})

test.each([
  ['a line without =', 'a = 1\nverify', '2 the line is not "key = value": it has no ='],
  ['a line without a key', ' = 1', '1 the line is not "key = value": it has no key'],
  ['a NUL', 'a = 1\0', '1 the line holds a control character'],
  ['an escape character', 'a = \x1b[0m', '1 the line holds a control character'],
  ['a CR inside a line', 'a = 1\rb = 2\n', '1 the line holds a control character'],
  ['a C1 control', 'a = \x9b0m', '1 the line holds a control character'],
  ['a quote that is never closed', 'a = "b', '1 the value begins with " but does not end with it'],
  ['text after the closing quote', `a = 'b' c`, `1 the value begins with ' but does not end with it`],
  ['a section header that does not end', '[portal', '1 the section header does not end with ]'],
  ['a line that is too long', `a = ${'x'.repeat(longestLine)}`, `1 the line is longer than ${longestLine} characters`],
])('%s is a problem of that line only', (_, text, problem) => {
  expect(refused(text)).toEqual([problem])
  expect(read(`${text}\nz=1`).at(-1)).toEndWith('z=1')
})

test('a problem never repeats the line, which may hold a secret', () => {
  const secret = 'hunter2'
  for (const line of [secret, `=${secret}`, `a="${secret}`, `a=${secret}\0`, `[${secret}`])
    expect(JSON.stringify(parseConf(line).problems)).not.toContain(secret)
})

test('a value that ended at a # is marked, because that may have been a mistake', () => {
  expect(parseConf('a = b # c\nd = "b # c"\ne = b#c').entries.map(({ cut }) => cut)).toEqual([true, false, false])
})

const entry = fc.record({
  key: fc.stringMatching(/^[a-z][a-z0-9_]{0,20}$/),
  value: fc.string({
    unit: fc.constantFrom('a', 'Z', '"', "'", '#', ' ', ';', '=', '\\', 'é', '[', ']', '\t'),
    maxLength: 12,
  }),
})

const written = (entries: Parameters<typeof formatConf>[0]): string | Fault => {
  try {
    return formatConf(entries)
  } catch (problem) {
    if (problem instanceof Fault) return problem
    throw problem
  }
}

test('what is written is read back, and only a value that mixes quotes and # is refused', () => {
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 5 }), (entries) => {
      const text = written(entries)
      if (text instanceof Fault) {
        expect(entries.some(({ value }) => /["'].*["']|["'#].*#/.test(value) || /^["'].*\s$/.test(value))).toBe(true)
        return
      }
      const again = parseConf(text)
      expect(again.problems).toEqual([])
      expect(again.entries.map(({ key, value }) => ({ key, value }))).toEqual(entries)
    }),
    { numRuns: runs },
  )
})

test.each([
  ['a key with =', { key: 'a=b', value: '' }],
  ['a key that is a comment', { key: '# a', value: '' }],
  ['a key that is a section', { key: '[a', value: '' }],
  ['an empty key', { key: '', value: 'a' }],
  ['a newline', { key: 'a', value: 'b\nc' }],
  ['a control character', { key: 'a', value: 'b\0' }],
  ['a value that both quotes would cut', { key: 'a', value: `"b" # 'c' # ` }],
])('%s cannot be written', (_, one) => {
  expect(() => formatConf([one])).toThrow(Fault)
})

test('any text gives entries and problems and never an exception', () => {
  const pieces = fc.constantFrom(
    'a',
    '=',
    '"',
    "'",
    '#',
    ';',
    '[',
    ']',
    ' ',
    '\n',
    '\r',
    '\0',
    '\t',
    'é',
    '\ud800',
    '\u2028',
  )
  fc.assert(
    fc.property(fc.string({ unit: pieces, maxLength: 60 }), (text) => {
      const conf = parseConf(text)
      const lines = text.split('\n').length
      for (const { line } of [...conf.entries, ...conf.problems]) expect(line >= 1 && line <= lines).toBe(true)
      for (const { key, value } of conf.entries) {
        expect(key).not.toBe('')
        expect(`${key}${value}`).not.toMatch(/[\0\r\n]/)
      }
    }),
    { numRuns: runs },
  )
})
