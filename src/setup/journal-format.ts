// The journal of a set-up: every file as it was before, so that a host can always go back. Written before the first
// change.
import * as v from 'valibot'
import { utf8 } from '../base/bytes.ts'

const file = v.object({
  path: v.pipe(v.string(), v.startsWith('/')),
  /** The content before, as base64 (RFC 4648 §4); null: there was no such file. */
  before: v.nullable(v.string()),
  mode: v.pipe(v.number(), v.integer()),
  uid: v.pipe(v.number(), v.integer()),
  gid: v.pipe(v.number(), v.integer()),
  /** The content after, as base64. */
  after: v.string(),
  /** What an earlier set-up that was confirmed had written, as base64; absent where that one wrote nothing. */
  earlier: v.optional(v.string()),
})

const schema = v.object({
  version: v.literal(1),
  /**
   * `applying`: a process is writing, or was killed at it. `applied`: everything is written, and the host goes back at
   * `revertAt` unless a login confirms. `confirmed`: it stays. `undone`: the host is as before.
   */
  state: v.picklist(['applying', 'applied', 'confirmed', 'undone']),
  mode: v.string(),
  /** The mode of an earlier set-up that was confirmed: unless this one is confirmed too, the host goes back to that. */
  earlierMode: v.optional(v.string()),
  /** This host had an identity at its portal before the first set-up, so that one is not ours to take away. */
  hadIdentity: v.optional(v.boolean(), false),
  /** Units of ours that were not enabled before, and that go with the set-up. */
  units: v.optional(v.array(v.string()), []),
  /** Epoch seconds. A login since then confirms. */
  startedAt: v.number(),
  /** Epoch seconds. */
  revertAt: v.number(),
  files: v.array(file),
})

export type Journal = v.InferOutput<typeof schema>
export type JournalFile = Journal['files'][number]

/** The journal, or undefined when the text is none. */
export function parseJournal(text: string): Journal | undefined {
  const read = v.safeParse(v.pipe(v.string(), v.parseJson(), schema), text)
  return read.success ? read.output : undefined
}

export const formatJournal = (journal: Journal): string => `${JSON.stringify(journal, undefined, 1)}\n`

export const encodeContent = (text: string): string => utf8(text).toBase64()

/** What has to happen to a file so that it is as before. */
export type Restoration =
  | { readonly kind: 'write'; readonly content: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'remove' | 'nothing' | 'changed-since' }

/** Where to: the state before the first set-up, or that of an earlier set-up which was confirmed. */
export type Target = 'origin' | 'earlier'

const contentAt = ({ before, earlier }: JournalFile, target: Target): string | undefined =>
  target === 'earlier' ? (earlier ?? before ?? undefined) : (before ?? undefined)

/** A file that another program changed since is left alone and named. */
export function restorationOf(entry: JournalFile, now: Uint8Array | undefined, target: Target = 'origin'): Restoration {
  const present = now?.toBase64()
  const wanted = contentAt(entry, target)
  if (present === wanted) return { kind: 'nothing' }
  // A process that was killed while it wrote left some files as the earlier set-up, or as nobody, had written them.
  const ours = [entry.after, entry.earlier ?? entry.before ?? undefined]
  if (!ours.includes(present)) return { kind: 'changed-since' }
  return wanted === undefined ? { kind: 'remove' } : { kind: 'write', content: Uint8Array.fromBase64(wanted) }
}

/**
 * The journal of a host that went back: nothing of ours is left but these units, or the earlier set-up is what counts.
 */
export function rewound(journal: Journal, target: Target, units: readonly string[]): Journal {
  const { earlierMode, ...rest } = journal
  if (target === 'origin' || earlierMode === undefined) return { ...rest, state: 'undone', units: [...units] }
  const files = rest.files.flatMap(({ earlier, ...entry }) =>
    earlier === undefined ? [] : [{ ...entry, after: earlier }],
  )
  return { ...rest, state: 'confirmed', mode: earlierMode, files }
}

/**
 * A second set-up goes back to the files before the first one: what the first wrote is not "before". What it had
 * written when it was confirmed is kept, because an unconfirmed change of the mode goes back to that.
 */
export function mergeJournals(older: Journal | undefined, fresh: Journal): Journal {
  if (!older || older.state === 'undone') return fresh
  const isConfirmed = older.state === 'confirmed'
  const known = new Map(older.files.map((entry) => [entry.path, entry]))
  const renewed = fresh.files.map((entry) => {
    const first = known.get(entry.path)
    if (!first || first.after !== entry.before) return entry
    return { ...first, after: entry.after, ...(isConfirmed && { earlier: first.after }) }
  })
  const paths = new Set(renewed.map(({ path }) => path))
  const untouched = older.files.filter(({ path }) => !paths.has(path))
  const earlierMode = isConfirmed ? older.mode : older.earlierMode
  return {
    ...fresh,
    ...(earlierMode !== undefined && { earlierMode }),
    hadIdentity: older.hadIdentity,
    units: [...new Set([...older.units, ...fresh.units])],
    files: [...(isConfirmed ? untouched.map((entry) => ({ ...entry, earlier: entry.after })) : untouched), ...renewed],
  }
}
