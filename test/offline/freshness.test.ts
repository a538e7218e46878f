import { expect, test } from 'bun:test'
import { ageOf, secondsToKeep } from '../../src/offline/freshness.ts'

test.each([
  ['nobody wants it kept', undefined, undefined, undefined],
  ['the portal says how long', undefined, 3600, 3600],
  ['the administrator keeps everything', 600, undefined, 600],
  ['the shorter of both', 600, 3600, 600],
  ['whoever says it', 7200, 3600, 3600],
])('%s', (_, administrator, portal, seconds) => {
  expect(secondsToKeep(administrator, portal)).toBe(seconds)
})

test.each([
  ['just written', 1000, 1000, 0],
  ['an hour ago', 1000, 4600, 3600],
  ['by a clock a little ahead', 1200, 1000, 0],
  ['in the future: the clock was set back', 9999, 1000, Number.POSITIVE_INFINITY],
])('%s', (_, writtenAt, now, age) => {
  expect(ageOf(writtenAt, now)).toBe(age)
})
