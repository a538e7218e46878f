// What is committed for people to read is what the schema prints.
import { expect, test } from 'bun:test'
import { committed, printed } from '../packaging/docs.ts'
import { checkConfig } from '../src/config/load.ts'
import { formatManual, formatMarkdown, formatSample } from '../src/config/print.ts'
import { keyNames, keys } from '../src/config/schema.ts'
import { unsupportedKeys } from '../src/config/unsupported.ts'

test.each(printed.map(({ path, text }) => [path, text] as const))(
  '%s is what bun packaging/docs.ts prints',
  async (path, text) => {
    expect(await committed(path)).toBe(await text())
  },
)

test('the sample sets nothing until something is uncommented', () => {
  const checked = checkConfig(formatSample())
  expect(checked.kind === 'refused' && checked.problems.map(({ text }) => text)).toEqual(['portal_url is not set'])
})

test('the sample with every key uncommented is valid and gives the defaults', () => {
  const checked = checkConfig(formatSample().replaceAll(/^#(?=[a-z])/gm, ''))
  if (checked.kind === 'refused') throw new Error(JSON.stringify(checked.problems))
  expect(checked.warnings).toEqual([])
  for (const key of keyNames) {
    const { fallback } = keys[key]
    const isEmpty = Array.isArray(fallback) ? fallback.length === 0 : fallback instanceof Map && fallback.size === 0
    if (fallback !== undefined && !isEmpty) expect([key, checked.config[key]]).toEqual([key, fallback])
  }
})

test('every key is in the sample, the manual page and the reference', () => {
  const [sample, manual, markdown] = [formatSample(), formatManual(), formatMarkdown()]
  for (const key of keyNames) {
    expect(sample).toMatch(new RegExp(`^#${key} =`, 'm'))
    expect(manual).toContain(`.It Ic ${key}\n`)
    expect(markdown).toContain(`| \`${key}\` |`)
  }
})

test('every key that is not supported is in the manual page and the reference', () => {
  const words = new Set(formatManual().split(/[\s,]+/))
  for (const key of unsupportedKeys()) {
    expect(words.has(key)).toBe(true)
    expect(formatMarkdown()).toContain(`\`${key}\``)
  }
})

test('the sample and the manual page are ASCII, whatever the locale of the reader', () => {
  expect(formatSample() + formatManual()).toMatch(/^[\n\x20-\x7e]*$/)
})
