// portal.conf → PortalConfig, or every problem at once. Keys of the service come first, then a section for each
// provider.
import * as v from 'valibot'
import { type ConfProblem, parseConf } from '../base/conf-syntax.ts'
import {
  type PortalConfig,
  type ProviderConfig,
  providerSettings,
  type ServiceConfig,
  type Setting,
  serviceSettings,
} from './settings.ts'

export type ReadSettings =
  | { readonly kind: 'accepted'; readonly config: PortalConfig }
  | { readonly kind: 'refused'; readonly problems: readonly ConfProblem[] }

type Block = { readonly header: string; readonly line: number; readonly text: string }

const header = /^\s*\[provider\s+([a-z][a-z0-9-]{0,31})\]\s*(?:#.*)?$/

export function parsePortalConfig(text: string): ReadSettings {
  const problems: ConfProblem[] = []
  const [service, ...sections] = blocksOf(text)
  const config = readBlock<ServiceConfig>(service!, serviceSettings, problems)
  const providers = sections.map((block) => readProvider(block, sections, problems))
  if ((config.tls_certificate === undefined) !== (config.tls_key === undefined))
    problems.push({ line: 0, text: 'tls_certificate and tls_key need each other' })
  if (sections.length === 0) problems.push({ line: 0, text: 'there is no section [provider NAME]' })
  if (problems.length > 0) return { kind: 'refused', problems: problems.toSorted((a, b) => a.line - b.line) }
  return { kind: 'accepted', config: { ...config, providers } }
}

function blocksOf(text: string): readonly Block[] {
  const blocks: { header: string; line: number; lines: string[] }[] = [{ header: '', line: 0, lines: [] }]
  for (const [at, line] of text.split('\n').entries()) {
    if (line.trimStart().startsWith('[')) blocks.push({ header: line, line: at + 1, lines: [] })
    else blocks.at(-1)!.lines.push(line)
  }
  return blocks.map(({ header, line, lines }) => ({ header, line, text: lines.join('\n') }))
}

function readProvider(block: Block, all: readonly Block[], problems: ConfProblem[]): ProviderConfig {
  const name = header.exec(block.header)?.[1] ?? ''
  if (name === '')
    problems.push({ line: block.line, text: 'a section is [provider NAME], with a name of a-z, 0-9 and -' })
  const first = all.find((other) => header.exec(other.header)?.[1] === name)
  if (name !== '' && first !== block)
    problems.push({ line: block.line, text: `the provider ${name} is there already, in line ${first?.line}` })
  return { ...readBlock<Omit<ProviderConfig, 'name'>>(block, providerSettings, problems), name }
}

type Known = Readonly<Record<string, Setting<unknown>>>

// The result is whole only when there are no problems: each value came out of its schema, or is its fallback.
function readBlock<T>(block: Block, known: unknown, problems: ConfProblem[]): T {
  const settings = known as Known
  const conf = parseConf(block.text)
  problems.push(...conf.problems.map(({ line, text }) => ({ line: line + block.line, text })))
  const read: Record<string, unknown> = {}
  for (const [name, one] of Object.entries(settings)) read[name] = fallbackOf(one)
  for (const { key, value, line } of conf.entries) {
    const at = line + block.line
    if (!Object.hasOwn(settings, key)) problems.push({ line: at, text: unknownKey(key, block) })
    else if (value === '') read[key] = fallbackOf(settings[key]!)
    else {
      const checked = v.safeParse(settings[key]!.schema, value)
      if (checked.success) read[key] = checked.output
      else problems.push({ line: at, text: `${key} ${checked.issues[0].message}` })
    }
  }
  for (const [name, { required }] of Object.entries(settings))
    if (required && read[name] === undefined && !conf.entries.some(({ key, value }) => key === name && value !== ''))
      problems.push({ line: block.line, text: `${name} is not set` })
  return read as T
}

const fallbackOf = ({ schema, fallback, empty }: Setting<unknown>): unknown =>
  fallback === undefined ? empty : v.parse(schema, fallback)

// A word of another shape is not repeated: it may be the second half of a secret that was wrapped.
function unknownKey(key: string, { header: written }: Block): string {
  if (!/^[a-z][a-z0-9_]{0,39}$/.test(key)) return 'unknown key (keys are lower-case letters, digits and _)'
  const elsewhere = Object.hasOwn(written === '' ? providerSettings : serviceSettings, key)
  if (!elsewhere) return `unknown key "${key}"`
  return written === '' ? `${key} belongs into a section [provider NAME]` : `${key} belongs above the first section`
}
