// passwd(5), group(5) and shadow(5) lines, and the merge that keeps other people's lines as they are.
// libnss-extrausers stops at the first malformed line and ignores a last line without a newline, so the whole file
// counts.
import { Fault } from '../base/fault.ts'

export type PasswdEntry = {
  readonly name: string
  readonly uid: number
  readonly gid: number
  readonly gecos: string
  readonly home: string
  readonly shell: string
}
export type GroupEntry = { readonly name: string; readonly gid: number; readonly members: readonly string[] }
/** A locked password; `changedAt` is in days since the epoch. */
export type ShadowEntry = { readonly name: string; readonly changedAt: number }

export type FileLine<Entry> =
  | { readonly kind: 'entry'; readonly number: number; readonly text: string; readonly entry: Entry }
  | { readonly kind: 'comment'; readonly number: number; readonly text: string }
  | { readonly kind: 'malformed'; readonly number: number; readonly text: string }

export type MergeRequest = {
  readonly file: 'passwd' | 'group' | 'shadow'
  readonly existing: string
  /** Our lines without newline, by the name they begin with. */
  readonly managed: ReadonlyMap<string, string>
  /** Every name we ever wrote; a line of such a name that is not managed any more is dropped. */
  readonly ownedNames: ReadonlySet<string>
}
export type Merged =
  | { readonly text: string }
  | { readonly malformed: { readonly line: number; readonly text: string } }

// The C library reads ids with strtoul(3): leading blanks and zeros are read, so a scan for taken ids must read them
// too.
const readId = (text: string): number | undefined =>
  /^ *[0-9]+$/.test(text) && Number(text) < 0xffffffff ? Number(text) : undefined

const isName = (text: string): boolean => text !== '' && !/^[+-]/.test(text)

function readPasswd(line: string): PasswdEntry | undefined {
  const fields = line.split(':')
  const [name, , uidText, gidText, gecos, home, shell] = fields
  if (fields.length !== 7 || line.includes('\0') || !isName(name!)) return undefined
  const uid = readId(uidText!)
  const gid = readId(gidText!)
  if (uid === undefined || gid === undefined) return undefined
  return { name: name!, uid, gid, gecos: gecos!, home: home!, shell: shell! }
}

function readGroup(line: string): GroupEntry | undefined {
  const fields = line.split(':')
  const [name, , gidText, members] = fields
  if (fields.length !== 4 || line.includes('\0') || !isName(name!)) return undefined
  const gid = readId(gidText!)
  return gid === undefined ? undefined : { name: name!, gid, members: members === '' ? [] : members!.split(',') }
}

function readShadow(line: string): ShadowEntry | undefined {
  const fields = line.split(':')
  if (fields.length !== 9 || line.includes('\0') || !isName(fields[0]!)) return undefined
  const numbers = fields.slice(2, 8)
  return numbers.every((text) => /^-?[0-9]*$/.test(text))
    ? { name: fields[0]!, changedAt: Number(fields[2]) }
    : undefined
}

function readLines<Entry>(text: string, read: (line: string) => Entry | undefined): readonly FileLine<Entry>[] {
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  return lines.map((line, index) => {
    const at = { number: index + 1, text: line }
    if (line === '' || line.startsWith('#')) return { kind: 'comment', ...at }
    const entry = read(line)
    return entry === undefined ? { kind: 'malformed', ...at } : { kind: 'entry', ...at, entry }
  })
}

/**
 * Every name and id that the C library would find in a passwd(5) or group(5) file, lines that no tool would write too:
 * it skips blanks before a line and does without the last fields. A name that is there twice has both its ids taken.
 */
export function readIds(text: string): ReadonlyMap<string, number> {
  const ids = new Map<string, number>()
  for (const line of text.split('\n')) {
    const [name = '', , idText = ''] = line.trimStart().split(':')
    // strtoul(3) reads a sign; what is less than 0 is nobody's.
    const id = readId(idText.trim().replace(/^(?:\+|-(?=0+$))/, ''))
    if (id === undefined || name === '' || name.startsWith('#')) continue
    // No name holds a colon.
    ids.set(ids.has(name) ? `${name}:${id}` : name, id)
  }
  return ids
}

export type ParsedFile<Entry> = { readonly lines: readonly FileLine<Entry>[] }

export const parsePasswd = (text: string): ParsedFile<PasswdEntry> => ({ lines: readLines(text, readPasswd) })

export const parseGroup = (text: string): ParsedFile<GroupEntry> => ({ lines: readLines(text, readGroup) })

/** The first well-formed entry of this name, as getpwnam(3) would take it from the file. */
export function findPasswd(text: string, name: string): PasswdEntry | undefined {
  for (const line of text.split('\n')) {
    if (!line.startsWith(`${name}:`)) continue
    const entry = readPasswd(line)
    if (entry !== undefined) return entry
  }
  return undefined
}

function field(text: string, what: string): string {
  if (/[:\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(text) || !text.isWellFormed()) {
    throw new Fault(`the ${what} of an account holds a colon, a control character or broken text; it was not written`)
  }
  return text
}

function nameField(text: string, what: string): string {
  if (!isName(text) || /^#|[\s,/]/.test(text)) throw new Fault(`the ${what} of an account cannot begin a line`)
  return field(text, what)
}

function idField(id: number, what: string): string {
  if (!Number.isInteger(id) || id < 0 || id >= 0xffffffff) throw new Fault(`the ${what} of an account is not an id`)
  return String(id)
}

/** One passwd(5) line without newline; the password is always in the shadow file. */
export const formatPasswdLine = (entry: PasswdEntry): string =>
  [
    nameField(entry.name, 'name'),
    'x',
    idField(entry.uid, 'uid'),
    idField(entry.gid, 'gid'),
    field(entry.gecos, 'gecos'),
    field(entry.home, 'home'),
    field(entry.shell, 'shell'),
  ].join(':')

/** One group(5) line without newline. */
export const formatGroupLine = (entry: GroupEntry): string =>
  [
    nameField(entry.name, 'group name'),
    'x',
    idField(entry.gid, 'gid'),
    entry.members.map((member) => nameField(member, 'member name')).join(','),
  ].join(':')

/** One shadow(5) line without newline: no password will ever match. */
export const formatShadowLine = (entry: ShadowEntry): string =>
  `${nameField(entry.name, 'name')}:*:${idField(entry.changedAt, 'day of change')}:0:99999:7:::`

const readers = { passwd: readPasswd, group: readGroup, shadow: readShadow } as const

/** The new content of one export file, or the line of another program that would hide ours. */
export function mergeExport(request: MergeRequest): Merged {
  const read: (line: string) => { readonly name: string } | undefined = readers[request.file]
  for (const [name, line] of request.managed) {
    if (line.includes('\n') || read(line)?.name !== name)
      throw new Fault(`a ${request.file} line of ${name} is malformed`)
  }
  const pending = new Map(request.managed)
  const kept: string[] = []
  for (const line of readLines(request.existing, read)) {
    const name = line.text.slice(0, Math.max(0, line.text.indexOf(':')))
    if (line.kind !== 'comment' && (request.ownedNames.has(name) || request.managed.has(name))) {
      const ours = pending.get(name)
      if (ours !== undefined) kept.push(ours)
      pending.delete(name)
      continue
    }
    if (line.kind === 'malformed') return { malformed: { line: line.number, text: line.text } }
    kept.push(line.text)
  }
  return { text: [...kept, ...pending.values()].map((line) => `${line}\n`).join('') }
}
