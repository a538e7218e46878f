import { expect, test } from 'bun:test'
import fc from 'fast-check'
import {
  defaultHomePrefixes,
  defaultShells,
  sanitizeGecos,
  validHome,
  validShell,
} from '../../src/accounts/passwd-fields-format.ts'
import { formatPasswdLine } from '../../src/accounts/passwd-format.ts'
import vectors from '../vectors/validators.json'

type Differences = Readonly<Record<string, { readonly ours: boolean; readonly why: string }>>
const list = (text: string): readonly string[] => text.split(':')
const inputs = <T extends { readonly input: string | null }>(rows: readonly T[]) =>
  rows.filter((row): row is T & { readonly input: string } => typeof row.input === 'string')

// Where upstream's PAM verdict is not ours, and why.
const shellDifferences: Differences = {
  '/bin/ /bin/': { ours: false, why: 'a directory is no shell' },
}
const homeDifferences: Differences = {
  '/home': { ours: false, why: 'everybody’s homes are nobody’s home' },
  '/var/home': { ours: false, why: 'everybody’s homes are nobody’s home' },
  '/var/home/': { ours: false, why: 'a last slash makes lstat follow a symbolic link' },
  '/home/a/': { ours: false, why: 'a last slash makes lstat follow a symbolic link' },
  '/home/a/b/': { ours: false, why: 'a last slash makes lstat follow a symbolic link' },
}
const customHomeDifferences: Differences = {
  '/home|/home': { ours: false, why: 'the prefix itself' },
  '/home|/home/': { ours: false, why: 'the prefix itself' },
  '/srv/home:/data|/data': { ours: false, why: 'the prefix itself' },
  '::/home:|/home': { ours: false, why: 'the prefix itself' },
  '/home:|/home': { ours: false, why: 'the prefix itself' },
  '/home:|/home/': { ours: false, why: 'the prefix itself' },
  '/home/|/home/alice': { ours: true, why: 'an administrator who ends a prefix with a slash means the same' },
  '/home/|/home/a': { ours: true, why: 'an administrator who ends a prefix with a slash means the same' },
}

test('default shells are upstream’s ten', () => {
  expect(defaultShells).toHaveLength(10)
  for (const row of inputs(vectors.shells)) {
    expect([row.input, validShell(row.input, defaultShells)]).toEqual([row.input, row.config_validate_shell])
  }
})

test('approved shells replace the list, by exact name', () => {
  for (const row of inputs(vectors.shells_custom_lists)) {
    const key = `${row.approved_shells} ${row.input}`
    const expected = shellDifferences[key]?.ours ?? row.config_validate_shell
    expect([key, validShell(row.input, list(row.approved_shells))]).toEqual([key, expected])
  }
})

// Upstream's two checks disagree about long homes: 256 is where its smaller buffer ends.
test('homes lie below a prefix', () => {
  for (const row of inputs(vectors.homes)) {
    const isLong = row.input.length > 255
    const expected = isLong ? false : (homeDifferences[row.input]?.ours ?? row.config_validate_home)
    expect([row.input, validHome(row.input, defaultHomePrefixes)]).toEqual([row.input, expected])
  }
})

test('approved home prefixes replace the list; an empty one opens nothing', () => {
  for (const row of inputs(vectors.homes_custom_lists)) {
    const key = `${row.approved_home_prefixes}|${row.input}`
    const expected = customHomeDifferences[key]?.ours ?? row.config_validate_home
    expect([key, validHome(row.input, list(row.approved_home_prefixes))]).toEqual([key, expected])
  }
})

// Its second check, which other parts of it used, and where that one is not this program's.
const pathDifferences: Readonly<Record<string, string>> = {
  '/home/|/home/alice': 'an administrator who ends a prefix with a slash means the same',
  '/home/|/home/a': 'an administrator who ends a prefix with a slash means the same',
  '::/home:|/srv/home/x': 'an empty prefix opens nothing',
  '::/home:|/home': 'an empty prefix opens nothing',
  '::/home:|/data': 'an empty prefix opens nothing',
  '::/home:|/data/x': 'an empty prefix opens nothing',
  '::/home:|/homex/a': 'an empty prefix opens nothing',
}

test('shells and homes, beside the second of upstream’s two checks', () => {
  const rows = [
    ...inputs(vectors.shells).map((row) => [row.input, row, validShell(row.input, defaultShells)] as const),
    ...inputs(vectors.shells_custom_lists).map(
      (row) => [`${row.approved_shells} ${row.input}`, row, validShell(row.input, list(row.approved_shells))] as const,
    ),
  ]
  for (const [key, { path_validator_check_shell }, ours] of rows)
    expect([key, ours]).toEqual([key, shellDifferences[key]?.ours ?? path_validator_check_shell])
  const homes = [
    ...inputs(vectors.homes).map((row) => [row.input, row, validHome(row.input, defaultHomePrefixes)] as const),
    ...inputs(vectors.homes_custom_lists).map(
      (row) =>
        [
          `${row.approved_home_prefixes}|${row.input}`,
          row,
          validHome(row.input, list(row.approved_home_prefixes)),
        ] as const,
    ),
  ]
  for (const [key, { input, path_validator_check_home }, ours] of homes) {
    const isOther = input.length > 255 || /.\/$/.test(input) || key in pathDifferences
    if (!isOther) expect([key, ours]).toEqual([key, path_validator_check_home])
  }
})

test('gecos are cleaned as upstream does', () => {
  for (const row of vectors.gecos) {
    if (typeof row.input !== 'string' || typeof row.sanitized !== 'string') continue
    expect(sanitizeGecos(row.input)).toBe(row.sanitized)
  }
})

test('any gecos fits a passwd line afterwards, in 256 bytes, and is not cleaned again', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => {
      const gecos = sanitizeGecos(text)
      expect(new TextEncoder().encode(gecos).length).toBeLessThanOrEqual(256)
      expect(sanitizeGecos(gecos)).toBe(gecos)
      expect(formatPasswdLine({ name: 'a', uid: 1, gid: 1, gecos, home: '/', shell: '/bin/sh' })).toContain(
        `:${gecos}:`,
      )
    }),
  )
})

test('a character is never cut in two, and nothing turns the text around', () => {
  expect(sanitizeGecos('é'.repeat(200))).toBe('é'.repeat(128))
  expect(sanitizeGecos('🔑'.repeat(65))).toBe('🔑'.repeat(64))
  expect(sanitizeGecos('a\u202eb\u2028c\u0085d\ud800')).toBe('a b c d\ufffd')
})
