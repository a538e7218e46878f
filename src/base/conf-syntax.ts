// The syntax of openbastion.conf: upstream's lines and inline comments. Lines that upstream would drop unseen are
// problems here.
import { Fault } from './fault.ts'

export type ConfEntry = {
  readonly key: string
  readonly value: string
  readonly line: number
  /** An unquoted value ended at a `#`: for a password that is as likely a character of it as a comment. */
  readonly cut: boolean
}
export type ConfProblem = { readonly line: number; readonly text: string }
export type Conf = { readonly entries: readonly ConfEntry[]; readonly problems: readonly ConfProblem[] }

export const longestLine = 8192

const control = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/
const strayControl = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]|\r(?!\n)/

/** Every entry in file order, duplicates too (the last one counts), and every line that is not one. */
export function parseConf(text: string): Conf {
  const entries: ConfEntry[] = []
  const problems: ConfProblem[] = []
  const suspect = strayControl.test(text)
  const lines = text.split('\n')
  for (let i = 0; i < lines.length; i++) {
    const parsed = parseLine(lines[i]!, i + 1, suspect)
    if (parsed === undefined) continue
    if (typeof parsed === 'string') problems.push({ line: i + 1, text: parsed })
    else entries.push(parsed)
  }
  return { entries, problems }
}

/** The lines that parse to these entries; a Fault for one that no line can carry. */
export function formatConf(entries: readonly { readonly key: string; readonly value: string }[]): string {
  return entries.map(formatLine).join('')
}

function formatLine(entry: { readonly key: string; readonly value: string }): string {
  for (const quote of ['', '"', "'"]) {
    const line = `${entry.key} = ${quote}${entry.value}${quote}`
    if (line.includes('\n')) break
    const parsed = parseLine(line, 1, true)
    if (typeof parsed === 'object' && parsed.key === entry.key && parsed.value === entry.value) return `${line}\n`
  }
  throw new Fault('a configuration entry holds characters that no line of the file can carry')
}

// A text is a problem; it never quotes the line, which may hold a secret.
function parseLine(raw: string, number: number, suspect: boolean): ConfEntry | string | undefined {
  if (raw.length > longestLine) return `the line is longer than ${longestLine} characters`
  const ended = raw.endsWith('\r') ? raw.slice(0, -1) : raw
  if (suspect && control.test(ended)) return 'the line holds a control character'
  const line = ended.trim()
  if (line === '' || line.startsWith('#') || line.startsWith(';')) return undefined
  if (line.startsWith('[')) return parseSection(line)
  const equals = line.indexOf('=')
  if (equals < 0) return 'the line is not "key = value": it has no ='
  const key = line.slice(0, equals).trimEnd()
  if (key === '') return 'the line is not "key = value": it has no key'
  const value = parseValue(line.slice(equals + 1).trimStart())
  return typeof value === 'string' ? value : { key, value: value.value, line: number, cut: value.cut }
}

// Sections mean nothing here: keys are flat, as upstream's.
function parseSection(line: string): string | undefined {
  return /^\[[^\]]*\](\s+#.*)?$/.test(line) ? undefined : 'the section header does not end with ]'
}

function parseValue(text: string): { readonly value: string; readonly cut: boolean } | string {
  const quote = text[0]
  if (quote === '"' || quote === "'") return parseQuoted(text, quote)
  for (let hash = text.indexOf('#'); hash >= 0; hash = text.indexOf('#', hash + 1))
    if (hash === 0 || isBlank(text[hash - 1]!)) return { value: text.slice(0, hash).trimEnd(), cut: true }
  return { value: text, cut: false }
}

const isBlank = (character: string): boolean => character.trim() === ''

// The quote that closes is the first one followed by nothing or by a comment, so `"c"d"` is c"d as upstream reads it.
function parseQuoted(text: string, quote: string): { readonly value: string; readonly cut: false } | string {
  for (let end = text.indexOf(quote, 1); end > 0; end = text.indexOf(quote, end + 1)) {
    const rest = text.slice(end + 1)
    if (rest === '' || (isBlank(rest[0]!) && rest.trimStart().startsWith('#')))
      return { value: text.slice(1, end), cut: false }
  }
  return `the value begins with ${quote} but does not end with it`
}
