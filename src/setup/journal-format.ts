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
})

const schema = v.object({
  version: v.literal(1),
  /**
   * `applying`: a process is writing, or was killed at it. `applied`: everything is written, and the host goes back at
   * `revertAt` unless a login confirms. `confirmed`: it stays. `undone`: the host is as before.
   */
  state: v.picklist(['applying', 'applied', 'confirmed', 'undone']),
  mode: v.string(),
  /** Epoch seconds. */
  startedAt: v.number(),
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

/** A file that another program changed since is left alone and named. */
export function restorationOf(entry: JournalFile, now: Uint8Array | undefined): Restoration {
  const present = now?.toBase64()
  const before = entry.before ?? undefined
  if (present === before) return { kind: 'nothing' }
  if (present !== entry.after) return { kind: 'changed-since' }
  return before === undefined ? { kind: 'remove' } : { kind: 'write', content: Uint8Array.fromBase64(before) }
}
