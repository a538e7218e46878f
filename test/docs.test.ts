// What is committed for people to read is what the schema prints.
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
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

const page = (path: string): string => readFileSync(join(import.meta.dir, '..', path), 'utf8')

test('the smallest configuration of the installation page is one, in six lines', () => {
  const lines = page('docs/install.md').match(/^ {4}[a-z_]+ = .*$/gm) ?? []
  expect(lines.length).toBe(6)
  const checked = checkConfig(lines.map((line) => line.trim()).join('\n'))
  if (checked.kind === 'refused') throw new Error(JSON.stringify(checked.problems))
  expect(checked.warnings).toEqual([])
  expect(checked.config).toMatchObject({ server_group: 'web', create_user: true, ca_cert: '/etc/open-bastion/ca.pem' })
})

// What somebody who sets up a first host stumbled over, each seen.
test.each([
  ['README.md', /git clone .* && cd /],
  ['README.md', /apt-get install --no-install-recommends git nodejs npm/],
  ['docs/install.md', /^## Upgrade$/m],
  ['docs/install.md', /exchanged by a rename/],
  ['docs/install.md', /curl .*--cacert FILE/],
  ['docs/install.md', /`nscd` answers from a cache of its own/],
  ['docs/install.md', /`MaxStartups 10:30:100`\): of twelve logins/],
  ['docs/install.md', /in modes a, c, e, f, g and k a Unix password opens nothing/],
  ['docs/install.md', /local administrators sudo\s+by the portal's word/],
  ['docs/install.md', /cloud image .* is shut out/],
  ['docs/install.md', /`sudo -n`, as\s+Ansible uses it/],
  ['docs/setup.md', /a user's own\s+`~\/\.ssh\/authorized_keys` counts\s+again/],
] as const)('%s tells a newcomer: %s', (path, words) => {
  expect(words.test(page(path))).toBe(true)
})
