// Applies a plan as one transaction, and takes it back. The journal is on the disk before the first file changes, so a
// process that is killed at any moment leaves a host that knows the way back.

import { decodeUtf8, utf8 } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { dirname } from '../base/text.ts'
import type { Parts } from '../base/world.ts'
import {
  encodeContent,
  formatJournal,
  type Journal,
  mergeJournals,
  parseJournal,
  restorationOf,
  rewound,
  type Target,
} from './journal-format.ts'
import type { Plan } from './plan-policy.ts'

export const setupDirectory = '/var/lib/open-bastion/setup'
const journalPath = `${setupDirectory}/journal.json`
const limit = 4 << 20

export function readJournal(world: Parts<'files'>): Journal | undefined {
  const bytes = world.files.readTrusted(journalPath, { limit, secret: true })
  if (!bytes) return undefined
  const journal = parseJournal(decodeUtf8(bytes) ?? '')
  if (!journal)
    throw new Fault(`${journalPath} is damaged`, {
      hint: `the files before the set-up are inside, as base64; put them back by hand, then remove ${journalPath}`,
    })
  return journal
}

/**
 * Two set-ups at once would each take the other's files for the ones before. A person is told so after three seconds;
 * the switch waits for its turn.
 */
export async function withSetupLock<T>(world: Parts<'files'>, work: () => Promise<T>, seconds?: number): Promise<T> {
  world.files.makeDirectory(setupDirectory, 0o700)
  try {
    return await world.files.withLock(`${setupDirectory}/lock`, work, seconds)
  } catch (error) {
    if (!(error instanceof Fault) || error.kind !== 'busy') throw error
    throw new Fault('another ob setup is at work on this host, or waits for an answer; nothing was changed', {
      hint: 'let it end, then try again; ob setup status says where the host is',
    })
  }
}

export type Applied = {
  readonly mode: string
  readonly revertAt: number
  /** Units of ours that are not enabled now. */
  readonly units?: readonly string[]
  readonly hadIdentity?: boolean
}

/**
 * Writes the journal, then every file. A file that changed since the plan was made stops it before anything is written.
 * The state stays `applying` until who tested the result says otherwise.
 */
export function applyPlan(
  world: Parts<'files' | 'now'>,
  plan: Plan,
  { mode, revertAt, units = [], hadIdentity = false }: Applied,
): Journal {
  const files = plan.edits.map((edit) => {
    const facts = world.files.stat(edit.path)
    if (facts && facts.kind !== 'file')
      throw new Fault(`${edit.path} is not a regular file`, {
        hint: 'put a regular file in its place; setup writes no links and no directories',
      })
    if (textAt(world, edit.path) !== edit.before)
      throw new Fault(`${edit.path} changed since the plan was made`, { hint: 'run ob setup again' })
    return {
      path: edit.path,
      before: edit.before === undefined ? null : encodeContent(edit.before),
      mode: facts?.mode ?? edit.mode,
      uid: facts?.uid ?? 0,
      gid: facts?.gid ?? 0,
      after: encodeContent(edit.after),
    }
  })
  const fresh: Journal = {
    version: 1,
    state: 'applying',
    mode,
    units: [...units],
    hadIdentity,
    startedAt: world.now(),
    revertAt,
    files,
  }
  const journal = mergeJournals(readJournal(world), fresh)
  writeJournal(world, journal)
  for (const edit of plan.edits) {
    world.files.makeDirectory(dirname(edit.path), 0o755)
    const facts = world.files.stat(edit.path)
    // A secret may be in it, whatever the mode of the file before was.
    const fileMode = edit.mode === 0o600 ? 0o600 : (facts?.mode ?? edit.mode)
    world.files.writeAtomic(edit.path, edit.after, { mode: fileMode, uid: facts?.uid ?? 0, gid: facts?.gid ?? 0 })
  }
  return journal
}

/** `revertAt`: when it goes back from now on, in epoch seconds. */
export function setState(
  world: Parts<'files'>,
  journal: Journal,
  state: Journal['state'],
  revertAt = journal.revertAt,
): Journal {
  const next = { ...journal, state, revertAt }
  writeJournal(world, next)
  return next
}

export type Undone = { readonly restored: readonly string[]; readonly changedSince: readonly string[] }

/**
 * Puts back every file that is as the set-up wrote it. Files that another program changed since are named and left
 * alone. The units are those that could not be ended: a second undo tries again.
 */
export function undo(
  world: Parts<'files'>,
  journal: Journal,
  wanted: Target = 'origin',
  units: readonly string[] = [],
): Undone {
  const target = journal.earlierMode === undefined ? 'origin' : wanted
  const restored: string[] = []
  const changedSince: string[] = []
  for (const entry of journal.files.toReversed()) {
    const found = restorationOf(entry, world.files.read(entry.path, limit), target)
    if (found.kind === 'changed-since') changedSince.push(entry.path)
    if (found.kind === 'remove') world.files.remove(entry.path)
    if (found.kind === 'write') {
      const { mode, uid, gid } = entry
      world.files.writeAtomic(entry.path, found.content, { mode, uid, gid })
    }
    if (found.kind === 'remove' || found.kind === 'write') restored.push(entry.path)
  }
  writeJournal(world, rewound(journal, target, units))
  return { restored, changedSince }
}

const writeJournal = (world: Parts<'files'>, journal: Journal): void => {
  world.files.makeDirectory(setupDirectory, 0o700)
  world.files.writeAtomic(journalPath, utf8(formatJournal(journal)), { mode: 0o600 })
}

export function textAt(world: Parts<'files'>, path: string): string | undefined {
  const facts = world.files.stat(path)
  if (!facts) return undefined
  if (facts.kind !== 'file')
    throw new Fault(`${path} is not a regular file`, { hint: 'setup changes only regular files' })
  const bytes = world.files.read(path, limit)
  const text = bytes && decodeUtf8(bytes)
  if (bytes && text === undefined)
    throw new Fault(`${path} is not UTF-8 text`, { hint: 'mend it, then run ob setup again' })
  return text
}
