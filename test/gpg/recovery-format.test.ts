import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { formatCode } from '../../src/gpg/challenge-format.ts'
import {
  formatRecoveryCode,
  formatRecoveryFile,
  parseRecoveryCode,
  parseRecoveryFile,
} from '../../src/gpg/recovery-format.ts'
import { fuzzText } from '../fakes/mutate.ts'

test('a code is read back as it is written, and as people type it', () => {
  fc.assert(
    fc.property(fc.nat(9), fc.uint8Array({ minLength: 10, maxLength: 10 }), (number, bytes) => {
      const code = { number, code: formatCode(bytes) }
      const text = formatRecoveryCode(code)
      expect(parseRecoveryCode(text)).toEqual(code)
      expect(parseRecoveryCode(text.toLowerCase().replaceAll('-', ' '))).toEqual(code)
    }),
  )
})

test.each(['', 'R', 'R3', '7M2K-Q0RX-4TZN-C8VE', 'R10-7M2K-Q0RX-4TZN-C8VE', 'R3-7M2K-Q0RX-4TZN'])(
  '%j is no recovery code',
  (text) => {
    expect(parseRecoveryCode(text)).toBeUndefined()
  },
)

test('the code of a challenge is never taken for a recovery code', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 10, maxLength: 10 }), (bytes) => {
      expect(parseRecoveryCode(formatCode(bytes))).toBeUndefined()
    }),
  )
})

const file = { made: 1_795_948_800, left: { '0': '$argon2id$…', '9': '$argon2id$…' } }

test('a file is read back as it is written', () => {
  expect(parseRecoveryFile(formatRecoveryFile(file))).toEqual(file)
})

test('nothing makes the parser fail', () => {
  expect(fuzzText([formatRecoveryFile(file)], parseRecoveryFile)).toBeGreaterThan(1000)
  expect(fuzzText(['R3-7M2K-Q0RX-4TZN-C8VE'], parseRecoveryCode)).toBeGreaterThan(1000)
})
