// From an openbastion.conf as Open Bastion's scripts write it, and its nss_openbastion.conf, to one that this program
// accepts. A line that had no effect there becomes a comment; one that had an effect keeps it, or is said to lose it.
// Pure.
import * as v from 'valibot'
import { type ConfEntry, formatConf, parseConf } from '../base/conf-syntax.ts'
import { checkConfig, type Problem } from './load.ts'
import { aliases, type KeyName, keys } from './schema.ts'
import { asksForNothing, isUnsupported, unsupportedFacts } from './unsupported.ts'
import { parseBoolean } from './value-types.ts'

export type Old = {
  readonly text: string
  /** nss_openbastion.conf, if there is one. */
  readonly nss: string | undefined
  /** /etc/open-bastion/allowed_bastions, if there is one: then only hops from a bastion get in there. */
  readonly allowedBastions?: string | undefined
  /** service-accounts.conf. */
  readonly services?: string | undefined
  /** The token file lies where releases before 0.3 kept it, and nowhere else. */
  readonly hasOldToken: boolean
}

/** `line` is 0 for a line that was added. `became` names no value that may be a secret. */
export type LineChange = { readonly line: number; readonly what: string; readonly became: string }

export type Migrated = {
  readonly text: string
  readonly changes: readonly LineChange[]
  /** What is left for a person. */
  readonly problems: readonly Problem[]
}

export const oldTokenFile = '/etc/open-bastion/token'

export function migrate({ text, nss, hasOldToken, allowedBastions, services = '' }: Old): Migrated {
  const changes: LineChange[] = []
  const { entries } = parseConf(text)
  const said = new Set<string>(entries.map(({ key }) => nameOf(key) ?? key))
  if (entries.some(({ key, value }) => /^crowdsec(_enabled)?$/.test(key) && parseBoolean(value))) said.add(bans)
  const lines = withoutMark(text, changes)
    .split('\n')
    .flatMap((line, at) => {
      const verdict = judgeLine(line, said)
      if (verdict === undefined) return [line]
      changes.push({ line: at + 1, what: verdict.what, became: verdict.became })
      return verdict.lines
    })
  const bastions = allowedBastions?.split(/[\s,;]+/).filter((id) => id !== '')
  const added = [
    ...fromNss(nss ?? '', said),
    ...(hasOldToken ? oldToken(said) : []),
    ...(bastions && bastions.length > 0 ? fromBastions(bastions, services, said) : []),
  ]
  changes.push(...added.map(({ change }) => change))
  const body = lines.join('\n')
  const end = added.length === 0 ? '' : `\n# added by ob config migrate\n${added.map(({ line }) => line).join('')}`
  const whole = body.endsWith('\n') || body === '' || end === '' ? body + end : `${body}\n${end}`
  const checked = checkConfig(whole)
  const problems = checked.kind === 'refused' ? checked.problems : []
  const isAny = bastions?.length === 0 && !said.has('bastion_jwt_allowed_bastions')
  return { text: whole, changes, problems: isAny ? [...problems, anyBastion] : problems }
}

function withoutMark(text: string, changes: LineChange[]): string {
  if (!text.startsWith('\ufeff')) return text
  changes.push({ line: 1, what: 'a byte order mark', became: 'removed: it hid the first line' })
  return text.slice(1)
}

function nameOf(key: string): KeyName | undefined {
  if (Object.hasOwn(keys, key)) return key as KeyName
  return Object.hasOwn(aliases(), key) ? aliases()[key] : undefined
}

type Verdict = { readonly what: string; readonly became: string; readonly lines: readonly string[] }

const comment = (line: string, what: string, why: string): Verdict => ({
  what,
  became: `a comment: ${why}`,
  lines: [`# ob config migrate: ${why}`, `# ${line.trimStart()}`],
})

const replaced = (entry: { key: string; value: string }, what: string, why: string): Verdict => ({
  what,
  became: `${entry.key} = ${entry.value}: ${why}`,
  lines: [`# ob config migrate: ${what}: ${why}`, formatConf([entry]).trimEnd()],
})

/** Undefined: the line stays. */
function judgeLine(line: string, said: ReadonlySet<string>): Verdict | undefined {
  const { entries, problems } = parseConf(line)
  const [entry] = entries
  if (!entry) {
    const hasNoValue = problems.some(({ text }) => text.endsWith('it has no =') || text.endsWith('it has no key'))
    return hasNoValue ? comment(line, 'a line without a key and a value', 'it had no effect') : undefined
  }
  if (isUnsupported(entry.key))
    return asksForNothing(entry.key, entry.value) ? undefined : judgeUnsupported(line, entry, said)
  const name = nameOf(entry.key)
  if (name === undefined) return comment(line, entry.key.slice(0, 40), 'no such key, there or here; it had no effect')
  return judgeKnown(line, entry, { name, said })
}

/** CrowdSec was switched on: its keys did something. All others that this version lacks were only read. */
const bans = 'CrowdSec'
const hadEffect = (key: string, said: ReadonlySet<string>): boolean =>
  key === 'offline_revalidation_grace' || (key.startsWith('crowdsec') && said.has(bans))

function judgeUnsupported(line: string, entry: ConfEntry, said: ReadonlySet<string>): Verdict {
  const { key, value } = entry
  const { instead } = unsupportedFacts(key)
  if (key === 'default_shell' && !said.has('create_user_shell') && isAccepted('create_user_shell', value))
    return replaced({ key: 'create_user_shell', value }, key, 'the shell of new accounts')
  const effect = hadEffect(key, said) ? 'THIS IS LOST: not in this version' : 'it had no effect there'
  return comment(line, key, instead === '' ? effect : `${effect}; ${instead}`)
}

const isAccepted = (name: KeyName, value: string): boolean => v.safeParse(keys[name].facts().schema, value).success

const isNumber = (name: KeyName): boolean => /^a whole number/.test(v.getTitle(keys[name].facts().schema) ?? '')

type About = { readonly name: KeyName; readonly said: ReadonlySet<string> }

/** Words that were not understood there, so that the default counted. */
const levels: ReadonlySet<KeyName> = new Set(['audit_level', 'log_level', 'min_tls_version'])

function judgeKnown(line: string, { key, value, cut }: ConfEntry, { name, said }: About): Verdict | undefined {
  const { fallback } = keys[name]
  // There the comment belonged to the value, which was no number then.
  if (isNumber(name) && (cut || !isAccepted(name, value))) {
    if (name === 'timeout' && !cut && Number(value) > 20)
      return replaced({ key: name, value: '20' }, `${key} = ${value}`, 'a login must end within LoginGraceTime')
    if (cut && isAccepted(name, value) && String(fallback) === value) return undefined
    return comment(line, key, `it did not count there, so the default did: ${String(fallback ?? 'none')}`)
  }
  if (levels.has(name) && !isAccepted(name, value))
    return comment(line, key, `it did not count there, so the default did: ${String(fallback)}`)
  if (name === 'notify_enabled' && !said.has('notify_url'))
    return comment(line, key, 'no webhook was ever called there, and notify_url is not set')
  if (name === 'ssh_key_allowed_types' && !isAccepted(name, value)) {
    const known = value.split(/[\s,]+/).filter((word) => isAccepted(name, word))
    if (known.length === 0) return comment(line, key, 'no word of it was understood there')
    return replaced({ key, value: known.join(', ') }, key, 'without words that were not understood there')
  }
  if (name === 'cache_encrypted' && !isAccepted(name, value))
    return comment(line, key, 'what is cached is always sealed')
  return undefined
}

type Added = { readonly line: string; readonly change: LineChange }

const add = (key: KeyName, value: string, why: string): Added => ({
  line: formatConf([{ key, value }]),
  change: { line: 0, what: `${key} = ${value}`, became: why },
})

/** Keys of nss_openbastion.conf, and what they are here. */
const nssKeys: Readonly<Record<string, KeyName>> = {
  portal_url: 'portal_url',
  server_token_file: 'server_token_file',
  min_uid: 'min_uid',
  max_uid: 'max_uid',
  default_shell: 'create_user_shell',
  default_home_base: 'create_user_home_base',
  service_accounts_file: 'service_accounts_file',
}

const nssPath = 'nss_openbastion.conf'

function fromNss(text: string, said: ReadonlySet<string>): readonly Added[] {
  const last = new Map(parseConf(text).entries.map((entry) => [entry.key, entry.value]))
  return [...last].flatMap(([key, value]) => {
    const name = Object.hasOwn(nssKeys, key) ? nssKeys[key] : undefined
    if (name === undefined || said.has(name) || !isAccepted(name, value)) return []
    return String(keys[name].fallback) === value ? [] : [add(name, value, `added, from ${key} in ${nssPath}`)]
  })
}

const bastionsPath = '/etc/open-bastion/allowed_bastions'

/** Its helper for sshd took certificates of these bastions only; keys of accounts for programs never came to it. */
function fromBastions(ids: readonly string[], services: string, said: ReadonlySet<string>): readonly Added[] {
  const programs = [...services.matchAll(/^\s*\[([a-z_][a-z0-9_-]{0,31})\]/gm)].map(([, name]) => name!)
  const wanted = [
    ['bastion_jwt_allowed_bastions', ids.join(', ')],
    ['bastion_jwt_required', 'true'],
    ['bastion_jwt_exempt', [...new Set(programs)].join(', ')],
  ] as const
  return wanted.flatMap(([key, value]) =>
    value === '' || said.has(key) ? [] : [add(key, value, `added, as ${bastionsPath} had it`)],
  )
}

const anyBastion: Problem = {
  line: 0,
  text: `${bastionsPath} is empty: any bastion counted there, and here they are named`,
  hint: 'set bastion_jwt_allowed_bastions (ob status on each bastion shows its id) and bastion_jwt_required = true',
}

const oldToken = (said: ReadonlySet<string>): readonly Added[] =>
  said.has('server_token_file') ? [] : [add('server_token_file', oldTokenFile, 'added: the token lies there')]
