// Ranges of ids inside user namespaces: a process of such an id is its owner's, so no other line may name one.
import { expect, test } from 'bun:test'
import { isWithin, parseSubordinateIds } from '../../src/accounts/subordinate-ids-format.ts'
import { fuzzText } from '../fakes/mutate.ts'

const alice = { owner: 'alice', first: 100_000, count: 65_536 }

test.each([
  ['alice:100000:65536', [alice]],
  [' alice:100000:65536 \n\n1000:165536:1\n', [alice, { owner: '1000', first: 165_536, count: 1 }]],
  ['# alice:100000:65536\n#alice:100000:65536\n', []],
  [':100000:65536\nalice\nalice:100000\nalice:100000:65536:x\n', []],
  ['alice:100000:\nalice::65536\nalice:-1:65536\nalice:100000:-1\nalice:1e5:65536\nalice:0x10:1\n', []],
  ['alice:100000x:65536\nalice:x100000:65536\nalice:100000:65536x\nalice:100000:x65536\n', []],
  [
    'alice:9999999999:1\nalice:99999999999:1\nalice:1:99999999999\n',
    [{ owner: 'alice', first: 9_999_999_999, count: 1 }],
  ],
])('%j holds %j', (text, ranges) => {
  expect(parseSubordinateIds(text)).toEqual(ranges)
})

test('a range holds its first id and not the one behind its last', () => {
  expect([99_999, 100_000, 165_535, 165_536].map((id) => isWithin(id, [alice]))).toEqual([false, true, true, false])
  expect(isWithin(100_000, [{ first: 100_000, count: 0 }])).toBe(false)
  expect(isWithin(1, [])).toBe(false)
  expect(isWithin(7, [alice, { first: 7, count: 1 }])).toBe(true)
})

test('no mutation yields a range that is not of whole numbers', () => {
  fuzzText(['alice:100000:65536\nbob:165536:65536\n'], (text) => {
    for (const { owner, first, count } of parseSubordinateIds(text)) {
      expect(owner).not.toBe('')
      expect([first, count].every((number) => Number.isSafeInteger(number) && number >= 0)).toBe(true)
    }
  })
})
