// A PAM service file (pam.d(5)), line by line, as libpam reads it.

import { type PamControl, parsePamControl } from './pam-control-format.ts'

export const pamTypes = ['auth', 'account', 'session', 'password'] as const
export type PamType = (typeof pamTypes)[number]

type Placed = { readonly number: number; readonly text: string }

export type PamModule = Placed & {
  readonly kind: 'module'
  readonly type: PamType
  readonly control: PamControl
  /** Without its directory. */
  readonly module: string
  readonly args: readonly string[]
}

/** The lines of another file: all of them (`@include`), or those of one type. */
export type PamInclude = Placed & {
  readonly kind: 'include' | 'substack'
  readonly type: PamType | undefined
  readonly file: string
}

/** What libpam cannot read counts as a module that always refuses. Without a type it stands in whatever is read. */
export type PamUnreadable = Placed & { readonly kind: 'unreadable'; readonly type: PamType | undefined }

export type PamEntry = PamModule | PamInclude | PamUnreadable

export function parsePamFile(text: string): readonly PamEntry[] {
  return joined(text).flatMap(({ number, line }) => parseLine({ number, text: line }))
}

/** A bracketed part is one word, blanks and all; `\]` inside it is a bracket. */
const wordPattern = /\[((?:\\\]|[^\]])*)\]|\S+/g

function parseLine({ number, text }: Placed): readonly PamEntry[] {
  const words = text.match(wordPattern) ?? []
  const place = { number, text: words.join(' ') }
  const [first = '', second = '', third] = words
  if (first === '@include') return [{ ...place, kind: 'include', type: undefined, file: second }]
  const type = typeOf(first)
  if (!type) return [{ ...place, kind: 'unreadable', type: undefined }]
  const word = second.toLowerCase()
  if (third === undefined) return [{ ...place, kind: 'unreadable', type }]
  if (word === 'include' || word === 'substack') return [{ ...place, kind: word, type, file: third }]
  return [
    {
      ...place,
      kind: 'module',
      type,
      control: parsePamControl(second),
      module: third.slice(third.lastIndexOf('/') + 1),
      args: words.slice(3).map(unbracket),
    },
  ]
}

const typeOf = (word: string): PamType | undefined =>
  pamTypes.find((type) => type === word.replace(/^-/, '').toLowerCase())

const unbracket = (word: string): string =>
  word.startsWith('[') && word.endsWith(']') ? word.slice(1, -1).replaceAll('\\]', ']') : word

/** Comments and empty lines are left out, between the parts of a line as well; a backslash at the end joins parts. */
function joined(text: string): readonly { readonly number: number; readonly line: string }[] {
  const whole: { number: number; line: string }[] = []
  let open: { number: number; line: string } | undefined
  for (const [at, raw] of text.split('\n').entries()) {
    const line = raw.replace(/#.*$/, '').trimEnd()
    if (line === '') continue
    const goesOn = line.endsWith('\\')
    const part = (goesOn ? `${line.slice(0, -1)} ` : line).trimStart()
    open = open ? { number: open.number, line: open.line + part } : { number: at + 1, line: part }
    if (goesOn) continue
    whole.push(open)
    open = undefined
  }
  if (open && open.line.trim() !== '') whole.push(open)
  return whole
}
