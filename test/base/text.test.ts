import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { dirname, duration, escapeControls, forTerminal, printable, wrap } from '../../src/base/text.ts'

// ESC (clipboard write, OSC 52), CSI as one C1 character, a direction override, line separators.
const hostile = 'a\u001b]52;c;cm0gLXJm\u0007b\u009b2Jc\u202ed\u2028e\u007ff\r\ng\th'
const steers = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/

test('one line, and nothing in it steers a terminal', () => {
  expect(printable(hostile)).toBe('a?]52;c;cm0gLXJm?b?2Jc?d?e?f??g?h')
  expect(escapeControls('a\u009b\n')).toBe('a\\u009b\\u000a')
})

test('JSON means the same after it was made fit for a terminal', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 3, stringUnit: 'binary' }), (text) => {
      const shown = forTerminal(text)
      expect(JSON.parse(shown)).toEqual(JSON.parse(text))
      expect(shown).not.toMatch(steers)
    }),
  )
  expect(JSON.parse(forTerminal(JSON.stringify({ user: hostile })))).toEqual({ user: hostile })
})

test('lines and tabs of a text stay, a bare carriage return does not', () => {
  expect(forTerminal('a\n\tb\r\nc\rd')).toBe('a\n\tb\r\nc\\u000dd')
})

test('texts are broken between words only', () => {
  fc.assert(
    fc.property(fc.string(), fc.integer({ min: 1, max: 40 }), (text, width) => {
      const lines = wrap(text, width)
      expect(lines.join(' ')).toBe(text)
      for (const line of lines) expect(line.length <= width || !line.trim().includes(' ')).toBe(true)
    }),
  )
})

test.each([
  ['/a/b', '/a'],
  ['/a', '/'],
  ['/', '/'],
])('the directory of %s is %s', (path, directory) => {
  expect(dirname(path)).toBe(directory)
})

test.each([
  [-5, '0 s'],
  [119.4, '119 s'],
  [7199, '119 min'],
  [172_799, '47 h'],
  [172_800, '2 days'],
])('%d seconds are %s', (seconds, text) => {
  expect(duration(seconds)).toBe(text)
})
