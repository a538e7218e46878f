import { expect, test } from 'bun:test'
import { utf8 } from '../../src/base/bytes.ts'
import { parseTyped } from '../../src/gpg/answer-format.ts'
import { fuzzText } from '../fakes/mutate.ts'

const placeholder = '\b\n\r\u007fINCORRECT'

test.each([
  ['7m2k-q0rx-4tzn-c8ve', 'code'],
  ['7m2k-q0rx-4tzn-c8ve\n', 'code'],
  ['code 7M2K-Q0RX-4TZN-C8VE', 'code'],
  ['7M2K-Q0RX-4TZN-C8VE\0', 'code'],
  ['R3-7M2K-Q0RX-4TZN-C8VE', 'recovery-code'],
  ['', 'absent'],
  ['  \n', 'absent'],
  ['\0', 'absent'],
  ['7M2K-Q0RX\0-4TZN-C8VE', 'other'],
  ['hunter2', 'other'],
  ['\u00ff\u00fe', 'other'],
  ['f'.repeat(510), 'other'],
  ['f'.repeat(511), 'cut'],
  [placeholder, 'placeholder'],
  [placeholder.slice(0, 5), 'placeholder'],
])('%j is %s', (text, kind) => {
  expect(parseTyped(utf8(text)).kind).toBe(kind as ReturnType<typeof parseTyped>['kind'])
})

test('bytes that are no text are nothing', () => {
  expect(parseTyped(Uint8Array.of(0xff, 0xfe, 0x80)).kind).toBe('other')
})

test('nothing makes the parser fail', () => {
  expect(fuzzText(['7M2K-Q0RX-4TZN-C8VE', 'R3-7M2K-Q0RX-4TZN-C8VE'], (text) => parseTyped(utf8(text)))).toBeGreaterThan(
    1000,
  )
})
