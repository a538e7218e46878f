// The stack that libpam makes of a service: includes put in place, substacks one level deeper, "other" where the
// service has no line of that type.

import type { PamControl } from './pam-control-format.ts'
import { type PamEntry, type PamType, parsePamFile } from './pam-stack-format.ts'

type Placed = { readonly file: string; readonly number: number; readonly text: string; readonly level: number }

export type ModuleLine = Placed & {
  readonly kind: 'module'
  readonly control: PamControl
  readonly module: string
  readonly args: readonly string[]
}

/** `refuses`: a line that libpam cannot use; it answers like a module that always says no. */
export type StackLine = ModuleLine | (Placed & { readonly kind: 'substack' | 'refuses' })

export type Stack = readonly StackLine[]

/** The text of a file of pam.d; undefined where there is none. */
export type ReadPam = (file: string) => string | undefined

/** pam.conf(5); libpam stops at 32, and nobody comes near it. */
const deepest = 16

/** Undefined where libpam gives up on the service: nobody gets through any of its phases. */
export function stackOf(service: string, type: PamType, read: ReadPam): Stack | undefined {
  const own = load({ file: service, read, wanted: undefined, level: 0, depth: 0 })
  const other = load({ file: 'other', read, wanted: undefined, level: 0, depth: 0 })
  if (own === 'unusable') return undefined
  const lines = ofType(own ?? [], type)
  if (lines.length > 0) return lines
  return other === 'unusable' ? undefined : ofType(other ?? [], type)
}

type Typed = { readonly type: PamType; readonly line: StackLine }
type Loaded = readonly Typed[] | 'unusable' | undefined

type Load = {
  readonly file: string
  readonly read: ReadPam
  /** `TYPE include FILE` takes the lines of one type. */
  readonly wanted: PamType | undefined
  readonly level: number
  readonly depth: number
}

const ofType = (lines: readonly Typed[], type: PamType): Stack =>
  lines.filter((typed) => typed.type === type).map(({ line }) => line)

function load(how: Load): Loaded {
  const text = how.read(how.file)
  if (text === undefined) return undefined
  if (how.depth > deepest) return 'unusable'
  const lines: Typed[] = []
  for (const entry of parsePamFile(text)) {
    const placed = place(entry, how)
    if (placed === 'unusable') return 'unusable'
    lines.push(...(placed ?? []))
  }
  return lines
}

function place(entry: PamEntry, how: Load): Loaded {
  const { number, text } = entry
  const at = { file: how.file, number, text, level: how.level }
  const isWanted = (type: PamType): boolean => how.wanted === undefined || how.wanted === type
  switch (entry.kind) {
    case 'unreadable': {
      // An unknown type counts as the one that the including line asked for, and as auth in the file of the service.
      const type = entry.type ?? how.wanted ?? 'auth'
      return isWanted(type) ? [{ type, line: { ...at, kind: 'refuses' } }] : []
    }
    case 'module': {
      const { type, kind, control, module, args } = entry
      return isWanted(type) ? [{ type, line: { ...at, kind, control, module, args } }] : []
    }
    case 'include':
    case 'substack':
      if (entry.type !== undefined && !isWanted(entry.type)) return []
      return include(entry, at, how)
  }
}

function include(entry: PamEntry & { readonly kind: 'include' | 'substack' }, at: Placed, how: Load): Loaded {
  const type = entry.type ?? how.wanted
  const isSubstack = entry.kind === 'substack'
  const level = isSubstack ? how.level + 1 : how.level
  const inside = load({ ...how, file: entry.file, wanted: type, level, depth: how.depth + 1 })
  if (inside === 'unusable') return 'unusable'
  const before: readonly Typed[] = isSubstack && type ? [{ type, line: { ...at, kind: 'substack' } }] : []
  if (inside) return [...before, ...inside]
  // "@include" of a file that is not there makes libpam give up; the typed one becomes a refusal.
  return type === undefined ? 'unusable' : [...before, { type, line: { ...at, kind: 'refuses' } }]
}
