// service-accounts.conf: accounts for programs, each bound to one key. The syntax of a line is openbastion.conf's. A
// section with a problem is no account, but its name stays known: a login under it is refused, and the portal is not
// asked.

import { type ConfProblem, formatConf, parseConf } from '../base/conf-syntax.ts'
import { type Fingerprint, type LoginName, parseFingerprint, parseGroupName, parseLoginName } from '../base/names.ts'
import { sanitizeGecos, validHome, validShell } from './passwd-fields-format.ts'
import { isReservedUid } from './uid.ts'

export type ServiceAccount = {
  readonly name: LoginName
  readonly fingerprint: Fingerprint
  readonly sudoAllowed: boolean
  /** sudo without a password: the account has none. */
  readonly sudoNopasswd: boolean
  readonly gecos?: string
  readonly shell?: string
  readonly home?: string
  readonly uid?: number
  readonly gid?: number
}
export type ServiceAccounts = {
  readonly accounts: ReadonlyMap<string, ServiceAccount>
  /** Names of sections that are no account, with the first reason. */
  readonly broken: ReadonlyMap<string, string>
  readonly problems: readonly ConfProblem[]
}
export type ServiceRules = { readonly approvedShells: readonly string[]; readonly homePrefixes: readonly string[] }

/** Upstream reads 1023 characters at a time, and the rest of the line as another line. */
const longestLine = 1023

const aliases: Readonly<Record<string, string>> = {
  fingerprint: 'key_fingerprint',
  ssh_key: 'key_fingerprint',
  sudo: 'sudo_allowed',
  nopasswd: 'sudo_nopasswd',
  description: 'gecos',
  home_dir: 'home',
}
const known = ['key_fingerprint', 'sudo_allowed', 'sudo_nopasswd', 'gecos', 'shell', 'home', 'uid', 'gid']

const booleans: ReadonlyMap<string, boolean> = new Map(
  Object.entries({
    true: true,
    yes: true,
    on: true,
    1: true,
    false: false,
    no: false,
    off: false,
    0: false,
    '': false,
  }),
)

const strangeText = 'the line holds a byte order mark, or a blank that is neither a space nor a tab; remove it'

type Section = {
  /** Undefined when the header is wrong: its keys belong to no account. */
  readonly name: string | undefined
  readonly line: number
  readonly values: Map<string, { readonly value: string; readonly line: number }>
  readonly problems: ConfProblem[]
}

/** Every account, and every line that is wrong. */
export function parseServiceAccounts(text: string, rules: ServiceRules): ServiceAccounts {
  const sections = readSections(text)
  const outside = sections.shift()!
  const accounts = new Map<string, ServiceAccount>()
  const broken = new Map<string, string>()
  for (const section of sections) {
    if (section.name === undefined) continue
    const earlier = sections.find((other) => other.name === section.name)!
    if (earlier !== section)
      section.problems.push({ line: section.line, text: `${section.name} is there already, in line ${earlier.line}` })
    const account = judgeSection(section, rules)
    const [problem] = section.problems
    if (problem === undefined && account) accounts.set(account.name, account)
    else {
      accounts.delete(section.name)
      broken.set(section.name, broken.get(section.name) ?? `line ${problem?.line}: ${problem?.text}`)
    }
  }
  return { accounts, broken, problems: [outside, ...sections].flatMap(({ problems }) => problems) }
}

function readSections(text: string): Section[] {
  const sections: Section[] = [{ name: undefined, line: 0, values: new Map(), problems: [] }]
  for (const [at, raw] of text.split('\n').entries()) {
    const line = at + 1
    if (raw.trim().startsWith('[')) sections.push(readHeader(raw, line))
    else readEntry(sections.at(-1)!, raw, line)
  }
  return sections
}

const headerName = (raw: string): string | undefined =>
  raw.length > longestLine ? undefined : /^\s*\[([^[\]]*)\]\s*(?:\s#.*)?$/.exec(raw)?.[1]

// The C implementation sees no header behind a byte order mark, and takes any other blank for a part of the value: what
// switched nothing on there must not switch sudo on here.
const strangeBlank = /[^\S \t\r\n]/

function readHeader(raw: string, line: number): Section {
  const written = headerName(raw)
  const name = written !== undefined && parseGroupName(written) && parseLoginName(written)
  const problems: ConfProblem[] = []
  if (strangeBlank.test(raw)) problems.push({ line, text: strangeText })
  else if (written === undefined)
    problems.push({ line, text: 'the section header is not [name]; the lines below it belong to no account' })
  else if (!name) problems.push({ line, text: 'a name is 1 to 32 of a-z 0-9 _ - and begins with a letter or _' })
  else if (name === 'root') problems.push({ line, text: 'root cannot be a service account' })
  return { name: name || undefined, line, values: new Map(), problems }
}

function readEntry(section: Section, raw: string, line: number): void {
  const problem = entryProblem(section, raw, line)
  if (problem !== undefined) section.problems.push({ line, text: problem })
}

function entryProblem(section: Section, raw: string, line: number): string | undefined {
  if (raw.length > longestLine) return `the line is longer than ${longestLine} characters`
  const { entries, problems } = parseConf(raw)
  const [entry] = entries
  if (!entry) return problems[0]?.text
  if (strangeBlank.test(raw)) return strangeText
  if (entry.cut) return 'a # behind a value is a part of it for Open Bastion; give the comment a line of its own'
  const key = Object.hasOwn(aliases, entry.key) ? aliases[entry.key]! : entry.key
  if (section.line === 0) return 'the line stands before the first [name]'
  if (!known.includes(key)) return `unknown key; known are ${known.join(', ')}`
  const earlier = section.values.get(key)
  if (earlier) return `${key} is there already, in line ${earlier.line}`
  section.values.set(key, { value: entry.value, line })
  return undefined
}

function judgeSection(section: Section, rules: ServiceRules): ServiceAccount | undefined {
  const read = <T>(key: string, parse: (text: string) => T | undefined, rule: string): T | undefined => {
    const written = section.values.get(key)
    if (written === undefined || written.value === '') return undefined
    const value = parse(written.value)
    if (value === undefined) section.problems.push({ line: written.line, text: `${key} must be ${rule}` })
    return value
  }
  const flag = (key: string): boolean => read(key, parseFlag, 'true or false, in lower case') ?? false
  const id = (key: string): number | undefined =>
    read(key, parseId, '1000 or more, below 61184, or 0 for none: lower and higher ids are reserved')
  const sha = 'SHA256: and 43 characters, as ssh-keygen -l prints it'
  const fingerprint = read('key_fingerprint', parseFingerprint, sha)
  const shell = read('shell', (text) => keep(text, validShell(text, rules.approvedShells)), 'one of approved_shells')
  const home = read('home', (text) => keep(text, validHome(text, rules.homePrefixes)), 'below approved_home_prefixes')
  const gecos = read('gecos', sanitizeGecos, 'text')
  const [uid, gid] = [id('uid') || undefined, id('gid') || undefined]
  const [sudoAllowed, sudoNopasswd] = [flag('sudo_allowed'), flag('sudo_nopasswd')]
  const name = parseLoginName(section.name ?? '')
  if (!fingerprint && section.problems.length === 0)
    section.problems.push({ line: section.line, text: `key_fingerprint is missing; it must be ${sha}` })
  if (!fingerprint || !name) return undefined
  return {
    name,
    fingerprint,
    sudoAllowed,
    sudoNopasswd,
    ...(gecos === undefined ? {} : { gecos }),
    ...(shell === undefined ? {} : { shell }),
    ...(home === undefined ? {} : { home }),
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
  }
}

/** True only in the letters that mean true to the C implementation; nothing that was no there is yes here. */
function parseFlag(text: string): boolean | undefined {
  const value = booleans.get(text.toLowerCase())
  return value && !booleans.has(text) ? undefined : value
}

const keep = (text: string, valid: boolean): string | undefined => (valid ? text : undefined)

function parseId(text: string): number | undefined {
  if (!/^(0|[1-9][0-9]{0,9})$/.test(text)) return undefined
  const id = Number(text)
  return id === 0 || (!isReservedUid(id) && id <= 65534) ? id : undefined
}

/** The lines of one account, section header first. */
export function formatServiceAccount(account: ServiceAccount): string {
  const { name, fingerprint, sudoAllowed, sudoNopasswd, gecos, shell, home, uid, gid } = account
  const values = {
    key_fingerprint: fingerprint,
    sudo_allowed: sudoAllowed || undefined,
    sudo_nopasswd: sudoNopasswd || undefined,
    ...{ gecos, shell, home, uid, gid },
  }
  const entries = Object.entries(values).flatMap(([key, value]) =>
    value === undefined ? [] : [{ key, value: String(value) }],
  )
  return `[${name}]\n${formatConf(entries)}`
}

/** The file with one more account at its end; everything else stays as it is. */
export function addSection(text: string, account: ServiceAccount): string {
  const before = text === '' || text.endsWith('\n') ? text : `${text}\n`
  return `${before}${before === '' ? '' : '\n'}${formatServiceAccount(account)}`
}

/** The file without the sections of this name. Comments directly above the next section are that section's. */
export function removeSection(text: string, name: string): string {
  const lines = text.split('\n')
  const kept: string[] = []
  for (let at = 0; at < lines.length; ) {
    if (headerName(lines[at]!) !== name) {
      kept.push(lines[at++]!)
      continue
    }
    let end = at + 1
    while (end < lines.length && !lines[end]!.trim().startsWith('[')) end++
    if (end < lines.length) while (end > at + 1 && isOwnText(lines[end - 1]!)) end--
    else if (lines.at(-1) === '') kept.push('')
    at = end
  }
  return kept.join('\n').replace(/\n{2,}$/, '\n')
}

const isOwnText = (line: string): boolean => /^\s*([#;]|$)/.test(line)
