// The registry of uids on disk: users.json and, where that is large, a journal of what changed since. Looking one user
// up and recording one cost the same on a host with ten users and with a hundred thousand.
import { decodeUtf8 } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { paths } from '../base/paths.ts'
import type { Parts } from '../base/world.ts'
import { emptyRegistry, formatRegistry, parseRegistry, type Registry } from './registry-format.ts'
import { type Lines, openLines, type RegistryView, viewOf } from './registry-index.ts'
import {
  type Change,
  completeLines,
  findInJournal,
  formatChange,
  parseJournal,
  withChanges,
} from './registry-journal-format.ts'

export type RegistryStore = {
  readonly view: <T>(work: (view: RegistryView) => T) => T
  readonly whole: () => Registry
  /** For who holds the lock. */
  readonly record: (changes: readonly Change[]) => void
  /** Writes the journal into users.json; for who holds the lock. */
  readonly fold: () => void
  /** Changes whenever the registry does. */
  readonly stamp: () => string
}

const rules = { limit: 1 << 30, secret: false }
/** Below, users.json is written as a whole: most hosts never see a journal. */
const smallRegistry = 64 << 10
const largeJournal = 128 << 10

export function openRegistry(world: Parts<'files'>): RegistryStore {
  const { files } = world
  const journal = (): string => completeLines(readText(world, paths.journal))
  const whole = (): Registry => {
    // The journal first: one that was folded meanwhile is in the users.json that is read after it.
    const changes = parseJournal(journal())
    const text = readText(world, paths.registry)
    return withChanges(text === '' ? emptyRegistry : parseRegistry(text), changes)
  }
  const write = (registry: Registry): void => {
    files.writeAtomic(paths.registry, formatRegistry(registry), { mode: 0o644 })
    // Killed before this, the journal is read again on top of what it already led to.
    files.remove(paths.journal)
  }
  const isSmall = (): boolean => (files.stat(paths.registry)?.size ?? 0) < smallRegistry
  return {
    whole,
    view: (work) => {
      const text = journal()
      const found = files.readTrustedParts(paths.registry, rules, (file) => {
        const lines = openLines(file)
        return lines && { value: work(indexed(lines, text, whole)) }
      })
      return found ? found.value : work(viewOf(whole()))
    },
    record: (changes) => {
      const before = utf8Length(journal())
      if (before === 0 && isSmall()) return write(withChanges(whole(), changes))
      const isLarge = before > largeJournal
      if (isLarge) write(whole())
      files.extend(paths.journal, isLarge ? 0 : before, changes.map(formatChange).join(''), { mode: 0o644 })
      if (isSmall()) write(whole())
    },
    fold: () => write(whole()),
    stamp: () => `${stampOf(world, paths.registry)} ${stampOf(world, paths.journal)}`,
  }
}

const utf8Length = (text: string): number => new TextEncoder().encode(text).length

export function stampOf(world: Parts<'files'>, path: string): string {
  const facts = world.files.stat(path)
  return facts ? `${facts.size}@${facts.modifiedAt}` : '-'
}

function readText(world: Parts<'files'>, path: string): string {
  const bytes = world.files.readTrusted(path, rules)
  if (!bytes) return ''
  const text = decodeUtf8(path === paths.journal ? wholeLines(bytes) : bytes)
  if (text === undefined)
    throw new Fault(`${path} is not UTF-8`, { hint: 'put back the last good copy; uids depend on it' })
  return text
}

// A line torn by a crash may end in half a character.
const wholeLines = (bytes: Uint8Array): Uint8Array => bytes.subarray(0, bytes.lastIndexOf(10) + 1)

function indexed(lines: Lines, journal: string, whole: () => Registry): RegistryView {
  let parsed: { readonly owners: ReadonlyMap<number, string>; readonly groups: ReadonlyMap<string, number> } | undefined
  const changed = () => {
    if (parsed) return parsed
    const { users, groups } = withChanges(emptyRegistry, parseJournal(journal))
    const owners = new Map<number, string>([...groups].map(([name, gid]) => [gid, name]))
    for (const [name, { uid, gid }] of users) owners.set(uid, name).set(gid, name)
    parsed = { owners, groups }
    return parsed
  }
  let groups: ReadonlyMap<string, number> | undefined
  return {
    user: (name) => findInJournal(journal, name) ?? lines.user(name),
    group: (name) => {
      groups ??= new Map([...lines.groups(), ...changed().groups])
      return groups.get(name)
    },
    owner: (id) => changed().owners.get(id) ?? lines.owner(id),
    homes: () => [...whole().users].map(([name, { home }]) => [name, home] as const),
  }
}
