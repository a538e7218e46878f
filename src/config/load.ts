// openbastion.conf → Config, or every problem at once. Runs in every login, so the common case takes one pass.
import * as v from 'valibot'
import { decodeUtf8 } from '../base/bytes.ts'
import { type ConfEntry, parseConf } from '../base/conf-syntax.ts'
import { Fault } from '../base/fault.ts'
import type { Files } from '../base/world.ts'
import { aliases, type Config, type KeyName, keyNames, keys } from './schema.ts'
import { asksForNothing, isUnsupported, unsupportedFacts, unsupportedKeys } from './unsupported.ts'

export type { Config } from './schema.ts'

export const configPath = '/etc/open-bastion/openbastion.conf'

const limit = 1024 * 1024

/** `line` is 0 for a problem of the file as a whole. */
export type Problem = { readonly line: number; readonly text: string; readonly hint?: string }

export type Checked =
  | { readonly kind: 'accepted'; readonly config: Config; readonly warnings: readonly Problem[] }
  | { readonly kind: 'refused'; readonly problems: readonly Problem[]; readonly warnings: readonly Problem[] }

/** The configuration, or a Fault that names every problem with its line. */
export function loadConfig(files: Pick<Files, 'readTrusted'>, path = configPath): Config {
  const bytes = files.readTrusted(path, { limit, secret: true })
  if (bytes === undefined)
    throw new Fault(`${path} does not exist`, {
      hint: 'ob setup writes it (ob help setup); or write it yourself, mode 0600: its first line is portal_url',
    })
  const text = decodeUtf8(bytes)
  if (text === undefined) throw new Fault(`${path} is not UTF-8 text`, { hint: 'save it as UTF-8 without other bytes' })
  const { draft, config } = readConfig(text)
  if (draft.problems.length > 0) throw refusal(path, inOrder(draft.problems))
  return config
}

/** One line for the problem: the file, the line, what is wrong. */
export const problemText = (path: string, problem: Problem): string =>
  problem.line > 0 ? `${path} line ${problem.line}: ${problem.text}` : `${path}: ${problem.text}`

function refusal(path: string, problems: readonly Problem[]): Fault {
  const [only] = problems
  if (only && problems.length === 1)
    return new Fault(problemText(path, only), only.hint === undefined ? {} : { hint: only.hint })
  const lines = problems.map((problem) => problemText(path, problem) + (problem.hint ? ` (${problem.hint})` : ''))
  return new Fault(lines.join('\n'))
}

type Draft = {
  readonly values: Partial<Record<KeyName, string>>
  readonly lines: Map<string, number>
  readonly problems: Problem[]
  readonly warnings: Problem[]
}

/** The result of loading this text; warnings are for a person who checks, not for a login. */
export function checkConfig(text: string): Checked {
  const { draft, config } = readConfig(text)
  const { problems, warnings } = draft
  if (problems.length > 0) return { kind: 'refused', problems: inOrder(problems), warnings: inOrder(warnings) }
  return { kind: 'accepted', config, warnings: inOrder([...warnings, ...doubts(draft, config)]) }
}

const inOrder = (problems: readonly Problem[]): readonly Problem[] => problems.toSorted((a, b) => a.line - b.line)

// The config is whole only when there are no problems.
function readConfig(text: string): { readonly draft: Draft; readonly config: Config } {
  const conf = parseConf(text)
  const draft: Draft = { values: {}, lines: new Map(), problems: [...conf.problems], warnings: [] }
  for (const entry of conf.entries) take(draft, entry)
  const read: Partial<Record<KeyName, unknown>> = {}
  for (const name of keyNames) read[name] = readKey(draft, name)
  // Each value came out of the schema that Config is inferred from, or is its fallback.
  const config = read as Config
  if (config.min_uid >= config.max_uid)
    draft.problems.push({
      line: draft.lines.get('max_uid') ?? draft.lines.get('min_uid') ?? 0,
      text: `min_uid (${config.min_uid}) must be smaller than max_uid (${config.max_uid})`,
    })
  draft.problems.push(...missing(draft, config))
  return { draft, config }
}

/** Keys that ask for others which are not set. */
function missing(draft: Draft, config: Config): readonly Problem[] {
  const lineOf = (name: KeyName): number => draft.lines.get(name) ?? 0
  const found: Problem[] = []
  if (config.notify_enabled && config.notify_url === undefined && draft.values.notify_url === undefined)
    found.push({
      line: lineOf('notify_enabled'),
      text: 'notify_enabled needs notify_url, which is not set',
      hint: 'add: notify_url = https://… or remove the line',
    })
  // The secret may lie in the sealed store, so that only its use can tell.
  if (config.oauth2_token_auth && config.client_id === undefined)
    found.push({
      line: lineOf('oauth2_token_auth'),
      text: 'oauth2_token_auth needs client_id, which is not set',
      hint: 'set it, and client_secret or client_key_file, as registered at the portal',
    })
  if (config.weblogin === 'pam-weblogin' && config.weblogin_url === undefined)
    found.push({
      line: lineOf('weblogin'),
      text: 'weblogin = pam-weblogin needs weblogin_url, which is not set',
      hint: 'run: ob weblogin import',
    })
  if (config.portal_url === withoutPortal && config.weblogin !== 'portal' && config.weblogin !== 'pam-weblogin')
    found.push({
      line: lineOf('weblogin'),
      text: 'portal_url is not set, and weblogin is neither portal nor pam-weblogin',
      hint: 'add: portal_url = https://auth.example.com',
    })
  const web = config.gpg_web === 'off' ? undefined : webNeeds(config)
  if (web !== undefined) found.push({ line: lineOf('gpg_web'), text: `gpg_web = ${config.gpg_web} needs ${web}` })
  return found
}

/** What the page of an OpenPGP challenge lacks. */
function webNeeds(config: Config): string | undefined {
  const { gpg_web, gpg_web_address, gpg_web_certificate, gpg_web_key, gpg_web_first_port, gpg_web_last_port } = config
  if (gpg_web_address === undefined) return 'gpg_web_address'
  if (gpg_web_first_port > gpg_web_last_port) return 'gpg_web_first_port to be no larger than gpg_web_last_port'
  if (gpg_web.endsWith('NoTls')) return config.gpg_web_insecure ? undefined : 'gpg_web_insecure = true: it has no TLS'
  return gpg_web_certificate && gpg_web_key ? undefined : 'gpg_web_certificate and gpg_web_key'
}

/** The group that a portal without a map of groups takes for a host that names none. */
export const groupOf = ({ server_group }: Pick<Config, 'server_group'>): string => server_group ?? 'default'

/** The address of no portal: this host decides by what a web login says. */
export const withoutPortal = ''

export const hasPortal = ({ portal_url }: Pick<Config, 'portal_url'>): boolean => portal_url !== withoutPortal

/** For what only a portal can answer. */
export const noPortal = (): Fault =>
  new Fault('this host has no portal: portal_url is not set', {
    hint: 'set portal_url, or use what needs no portal: the stacks mode-f and mode-k',
  })

function readKey(draft: Draft, name: KeyName): unknown {
  const written = draft.values[name]
  const { fallback, required, facts } = keys[name]
  if (written === undefined && required && draft.values.weblogin_url !== undefined) return withoutPortal
  if (written !== undefined) {
    const parsed = v.safeParse(facts().schema, written)
    if (parsed.success) return parsed.output
    draft.problems.push({ line: draft.lines.get(name) ?? 0, text: `${name} ${parsed.issues[0].message}` })
  } else if (required && !draft.problems.some((problem) => problem.hint === meaning(name)))
    draft.problems.push({ line: 0, text: `${name} is not set`, hint: 'add: portal_url = https://auth.example.com' })
  return fallback
}

function take(draft: Draft, entry: ConfEntry): void {
  const { line, value } = entry
  const key = nameOf(entry.key)
  const name = key ?? entry.key
  if (key === undefined && !isUnsupported(name)) {
    draft.problems.push(unknownKey(entry))
    return
  }
  const before = draft.lines.get(name)
  if (before !== undefined)
    draft.warnings.push({ line, text: `${name} was set before, in line ${before}; this line counts` })
  draft.lines.set(name, line)
  if (key === undefined) {
    if (!asksForNothing(name, value)) draft.problems.push(unsupported(entry))
    return
  }
  if (entry.cut && keys[key].facts().secret)
    draft.problems.push({ line, text: `${name} holds a # after a space`, hint: 'put the value in quotes' })
  // An empty value unsets a key that has no default; every other key needs a value.
  if (value === '' && !needsValue(key)) delete draft.values[key]
  else draft.values[key] = value
}

function needsValue(key: KeyName): boolean {
  const { fallback, required } = keys[key]
  return required || (fallback !== undefined && !(Array.isArray(fallback) && fallback.length === 0))
}

function nameOf(written: string): KeyName | undefined {
  if (Object.hasOwn(keys, written)) return written as KeyName
  if (isUnsupported(written)) return undefined
  const others = aliases()
  return Object.hasOwn(others, written) ? others[written] : undefined
}

const meaning = (key: string): string => `did you mean ${key}?`

function unsupported({ key, line }: ConfEntry): Problem {
  const { accepted, instead } = unsupportedFacts(key)
  const remedy = accepted === '' ? 'remove the line' : `remove the line, or write ${key} = ${accepted}`
  const hint = `${remedy}, or run: ob config migrate`
  return { line, text: `${key} is not supported by this version`, hint: instead === '' ? hint : `${hint}; ${instead}` }
}

const keyShape = /^[a-z][a-z0-9_]{0,39}$/

// A word of another shape is not repeated: it may be the second half of a secret that was wrapped.
function unknownKey({ key, line }: ConfEntry): Problem {
  const text = keyShape.test(key) ? `unknown key "${key}"` : 'unknown key (keys are lower-case letters, digits and _)'
  const near = nearestKey(key.slice(0, 64).toLowerCase())
  return near === undefined ? { line, text } : { line, text, hint: meaning(near) }
}

function nearestKey(written: string): string | undefined {
  let nearest: string | undefined
  let least = 4
  for (const known of [...keyNames, ...Object.keys(aliases()), ...unsupportedKeys()]) {
    const distance = editDistance(written, known)
    if (distance >= least || distance >= known.length) continue
    least = distance
    nearest = known
  }
  if (nearest !== undefined || written.length < 3) return nearest
  return keyNames.find((known) => known.startsWith(written) || written.startsWith(known))
}

// Levenshtein, one row at a time.
function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 3) return 4
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)))
    row = next
  }
  return row[b.length]!
}

function doubts(draft: Draft, config: Config): readonly Problem[] {
  const lineOf = (...names: readonly KeyName[]) => Math.max(...names.map((name) => draft.lines.get(name) ?? 0))
  const found: Problem[] = []
  if (!config.approved_shells.includes(config.create_user_shell))
    found.push({
      line: lineOf('create_user_shell', 'approved_shells'),
      text: `create_user_shell ${config.create_user_shell} is not one of approved_shells`,
    })
  const base = `${config.create_user_home_base}/`
  if (!config.approved_home_prefixes.some((prefix) => base.startsWith(`${prefix}/`)))
    found.push({
      line: lineOf('create_user_home_base', 'approved_home_prefixes'),
      text: `create_user_home_base ${config.create_user_home_base} is not below any of approved_home_prefixes`,
    })
  if (config.rate_limit_initial_lockout > config.rate_limit_max_lockout)
    found.push({
      line: lineOf('rate_limit_initial_lockout', 'rate_limit_max_lockout'),
      text: 'rate_limit_initial_lockout is longer than rate_limit_max_lockout, which wins',
    })
  return found
}
