// Prints what people read about portal.conf from the settings that the service reads it with.

import * as v from 'valibot'
import { formatConf } from '../base/conf-syntax.ts'
import { wrap } from '../base/text.ts'
import { ascii, code, roff, roffLines, table, tagged } from '../config/print.ts'
import { providerSettings, type Setting, serviceSettings } from './settings.ts'

type Described = {
  readonly name: string
  readonly rule: string
  readonly fallback: string
  readonly example: string
  readonly isRequired: boolean
  readonly text: readonly string[]
}

const described = (settings: unknown): readonly Described[] =>
  // Both lists are made of settings.
  Object.entries(settings as Readonly<Record<string, Setting<unknown>>>).map(([name, one]) => ({
    name,
    rule: v.getTitle(one.schema) ?? '',
    fallback: one.fallback ?? '',
    example: one.example ?? '',
    isRequired: one.required === true,
    text: one.unit === undefined ? [one.says] : [one.says, `In ${one.unit}.`],
  }))

const trust =
  'It must belong to root, be readable by the group of the service and by nobody else (owner root:ob-portal, mode 0640).'
const syntax =
  'The syntax of a line is that of openbastion.conf. Keys of the service come first; then one section for each provider, ' +
  'which begins with [provider NAME].'

/** packaging/portal.conf.sample */
export function formatPortalSample(): string {
  const lines = ['portal.conf: see portal.conf(5).', trust, 'Only the keys without # must be set.']
  const parts = [lines.map((line) => `# ${line}\n`).join('')]
  parts.push('\n######## The service\n', ...described(serviceSettings).map(sampleKey))
  parts.push('\n######## A provider; the name is part of addresses\n\n[provider idp]\n')
  parts.push(...described(providerSettings).map(sampleKey))
  return ascii(parts.join(''))
}

function sampleKey(key: Described): string {
  const origin = key.isRequired ? 'Must be set.' : key.fallback === '' ? 'No default.' : 'Default:'
  const text = wrap(`${key.text.join(' ')} Must be ${key.rule}. ${origin}`, 100)
  const line = formatConf([{ key: key.name, value: key.fallback || key.example }]).trimEnd()
  return `\n${text.map((part) => `# ${part}\n`).join('')}${key.isRequired ? '' : '#'}${line}\n`
}

/** docs/portal-configuration.md */
export function formatPortalMarkdown(): string {
  const head = ['key', 'value', 'default', 'what it does']
  const rows = (settings: unknown) =>
    described(settings).map((key) => [
      code(key.name),
      key.rule,
      key.isRequired ? '**must be set**' : code(key.fallback),
      key.text.join(' '),
    ])
  const parts = [
    '# Configuration of ob portal',
    'Printed from `src/portal-server/settings.ts` by `packaging/docs.ts`; change it there.',
    `\`ob portal\` reads \`/etc/open-bastion/portal.conf\`. ${trust} ${syntax}`,
    '## The service',
    table(head, rows(serviceSettings)),
    '## A provider: `[provider NAME]`',
    table(head, rows(providerSettings)),
  ]
  return `${parts.join('\n\n')}\n`
}

/** packaging/man/portal.conf.5 in mdoc(7). */
export function formatPortalManual(): string {
  const items = (settings: unknown) => tagged(described(settings).map(manualItem))
  const parts = [
    '.Dd November 29, 2026\n.Dt PORTAL.CONF 5\n.Os\n.Sh NAME\n.Nm portal.conf\n.Nd configuration of ob portal',
    `.Sh DESCRIPTION\n.Xr ob 8\nreads\n.Pa /etc/open-bastion/portal.conf\nin the mode\n.Ic portal .\n${roff(trust)}`,
    roff(syntax),
    `.Ss The service\n${items(serviceSettings)}`,
    `.Ss A provider\n${items(providerSettings)}`,
    '.Sh SEE ALSO\n.Xr openbastion.conf 5 ,\n.Xr ob 8',
  ]
  return `${parts.join('\n')}\n`
}

function manualItem(key: Described): string {
  const fallback = key.isRequired ? 'It must be set.' : key.fallback === '' ? 'No default.' : `Default: ${key.fallback}`
  return `.It Ic ${key.name}\n${roffLines([...key.text, `Must be ${key.rule}.`, fallback])}`
}
