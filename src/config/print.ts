// Prints what people read about openbastion.conf from the schema the program reads it with, so they cannot differ.

import * as v from 'valibot'
import { formatConf } from '../base/conf-syntax.ts'
import { wrap } from '../base/text.ts'
import { aliases, type KeyName, keyNames, keys, type Section, sections } from './schema.ts'
import { unsupportedGroups } from './unsupported.ts'

type Described = {
  readonly name: KeyName
  readonly rule: string
  readonly fallback: string
  readonly example: string
  readonly section: Section
  /** Sentences. */
  readonly text: readonly string[]
}

const described = (): readonly Described[] => keyNames.map(describe)

function describe(name: KeyName): Described {
  const { fallback, facts } = keys[name]
  const { schema, says, section, unit, example = '', since } = facts()
  const text = [says]
  const others = Object.entries(aliases()).flatMap(([alias, key]) => (key === name ? [alias] : []))
  if (unit !== undefined) text.push(`In ${unit}.`)
  if (others.length > 0) text.push(`Also written ${others.join(', ')}.`)
  if (since !== undefined) text.push(`Not known to the C implementation.`)
  return { name, rule: v.getTitle(schema) ?? '', fallback: formatFallback(fallback), example, section, text }
}

function formatFallback(fallback: unknown): string {
  if (fallback === undefined || fallback instanceof Map) return ''
  if (!Array.isArray(fallback)) return String(fallback)
  return fallback.join(String(fallback[0]).startsWith('/') ? ':' : ', ')
}

const bySection = () =>
  (Object.keys(sections) as Section[]).map((section) => ({
    title: sections[section],
    keys: described().filter((key) => key.section === section),
  }))

// Configuration files and roff input are read under any locale.
export const ascii = (text: string): string => text.replaceAll('’', "'")

const syntax = [
  'A line is "key = value". Keys are flat and in lower case; a line "[section]" means nothing.',
  'A line that begins with # or ; is a comment, and so is the rest of a line after a # that follows a space.',
  'A value may stand in single or double quotes, which are taken off; within them # is an ordinary character.',
  'When a key is set twice, the last line counts.',
  'true, yes, 1, on and false, no, 0, off may be written in any letter case.',
  'An empty value unsets a key that has no default.',
  'Anything else that cannot be understood is an error: an unknown key, a value out of bounds, a line without =.',
  'No login is allowed while there is one, so run "ob doctor" after every change.',
] as const

const trust = 'It must belong to root and be readable by nobody else (mode 0600), because it may hold secrets.'

/** packaging/openbastion.conf.sample: every key, commented out, with its default or an example. */
export function formatSample(): string {
  const lines = ['openbastion.conf: see openbastion.conf(5).', trust, 'Only portal_url must be set.']
  const blocks = [lines.map((line) => `# ${line}\n`).join('')]
  for (const { title, keys: some } of bySection())
    blocks.push(`\n######## ${title}\n`, ...some.map((key) => `\n${formatSampleKey(key)}`))
  return ascii(blocks.join(''))
}

function formatSampleKey(key: Described): string {
  const value = key.fallback || key.example
  const origin = key.fallback === '' ? 'No default.' : 'Default:'
  const text = `${key.text.join(' ')} Must be ${key.rule}. ${origin}`
  return `${wrap(text, 100)
    .map((line) => `# ${line}\n`)
    .join('')}#${formatConf([{ key: key.name, value }]).trimEnd()}\n`
}

/** docs/configuration.md */
export function formatMarkdown(): string {
  const parts = [
    '# Configuration',
    'Printed from `src/config/schema.ts` by `packaging/docs.ts`; change it there.',
    `\`ob\` reads one file, \`/etc/open-bastion/openbastion.conf\`. ${trust}`,
    '## Syntax',
    syntax.map((rule) => `- ${rule}`).join('\n'),
  ]
  for (const { title, keys: some } of bySection())
    parts.push(`## ${title}`, table(['key', 'value', 'default', 'what it does'], some.map(markdownRow)))
  parts.push(
    '## Keys of the C implementation that this version does not support',
    'They are known, so that none is ignored in silence: a value in the second column (or an empty one) asks for nothing ' +
      'and is accepted, any other is an error.',
    table(['key', 'accepted', 'instead'], unsupportedGroups().map(unsupportedRow)),
  )
  return `${parts.join('\n\n')}\n`
}

export const code = (text: string): string => (text === '' ? '–' : `\`${text}\``)

const markdownRow = (key: Described) => [code(key.name), key.rule, code(key.fallback), key.text.join(' ')]

const unsupportedRow = (group: ReturnType<typeof unsupportedGroups>[number]) => [
  group.keys.map(code).join(', '),
  group.accepted.split(' or ').map(code).join(' or '),
  group.instead || '–',
]

export const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n')

// mdoc(7): a backslash is an escape, a leading dot or quote a request.
export const roff = (text: string): string =>
  ascii(text)
    .replaceAll('\\', '\\e')
    .replace(/^([.'])/, '\\&$1')
    .replaceAll('"', '\\(dq')

export const roffLines = (sentences: readonly string[]): string => sentences.map(roff).join('\n')

/** packaging/man/openbastion.conf.5 in mdoc(7). */
export function formatManual(): string {
  const parts = [
    '.Dd November 22, 2026\n.Dt OPENBASTION.CONF 5\n.Os\n.Sh NAME\n.Nm openbastion.conf\n.Nd configuration of ob',
    '.Sh DESCRIPTION',
    `.Xr ob 8\nreads one file,\n.Pa /etc/open-bastion/openbastion.conf .\n${roff(trust)}`,
    `.Ss Syntax\n${roffLines(syntax)}`,
    ...bySection().map(({ title, keys: some }) => `.Ss ${roff(title)}\n${tagged(some.map(manualItem))}`),
    '.Sh UNSUPPORTED KEYS',
    'These keys of the C implementation are known, so that none is ignored in silence.',
    'The value named here or an empty one asks for nothing and is accepted; any other is an error.',
    tagged(unsupportedGroups().map(manualUnsupported)),
    '.Sh FILES',
    tagged(['.It Pa /etc/open-bastion/openbastion.conf\nThe configuration.']),
    '.Sh EXAMPLES\n.Bd -literal -offset indent\nportal_url = https://auth.example.com\nclient_id = pam-access',
    'server_group = production    # as the portal names it\n.Ed',
    '.Sh SEE ALSO\n.Xr sshd_config 5 ,\n.Xr ob 8 ,\n.Xr pam_exec 8',
  ]
  return `${parts.join('\n')}\n`
}

export const tagged = (items: readonly string[]): string => `.Bl -tag -width Ds\n${items.join('\n')}\n.El`

function manualItem(key: Described): string {
  const fallback = key.fallback === '' ? 'No default.' : `Default: ${key.fallback}`
  return `.It Ic ${key.name}\n${roffLines([...key.text, `Must be ${key.rule}.`, fallback])}`
}

function manualUnsupported(group: ReturnType<typeof unsupportedGroups>[number]): string {
  const accepted = group.accepted === '' ? 'Only empty.' : `Accepted: ${group.accepted}.`
  const instead = group.instead === '' ? [] : [`Instead: ${group.instead}.`]
  return `.It Ic ${group.keys.join(' , ')}\n${roffLines([accepted, ...instead])}`
}
