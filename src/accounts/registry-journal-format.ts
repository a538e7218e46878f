// The changes since users.json was written: one JSON line a change, appended. The last word about a name counts, so
// that reading a line twice does no harm.
import { Fault } from '../base/fault.ts'
import { parseGroupName, parseLoginName } from '../base/names.ts'
import { type Registry, type RegistryUser, readUser, userObject } from './registry-format.ts'

export type Change =
  | { readonly user: string; readonly record: RegistryUser }
  | { readonly group: string; readonly gid: number }

export const formatChange = (change: Change): string =>
  `${JSON.stringify('user' in change ? { user: change.user, record: userObject(change.record) } : change)}\n`

/** Up to the last complete line: what follows was torn by a crash and never counted. */
export const completeLines = (text: string): string => text.slice(0, text.lastIndexOf('\n') + 1)

const broken = (what: string): Fault =>
  new Fault(`users.journal: ${what}`, { hint: 'put back the last good copies of users.json and users.journal' })

export function parseChange(line: string): Change {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    throw broken('a line is not JSON')
  }
  const { user, record, group, gid } = (value ?? {}) as Record<string, unknown>
  if (typeof user === 'string' && parseLoginName(user) && user !== 'root')
    return { user, record: readUser(user, record) }
  if (typeof group === 'string' && parseGroupName(group) && typeof gid === 'number' && Number.isInteger(gid))
    return { group, gid }
  throw broken('a line is about neither a user nor a group')
}

export const parseJournal = (text: string): readonly Change[] =>
  completeLines(text)
    .split('\n')
    .filter((line) => line !== '')
    .map(parseChange)

/** The last record of this user, without reading the other lines. */
export function findInJournal(text: string, user: string): RegistryUser | undefined {
  const start = `{"user":${JSON.stringify(user)},`
  const whole = `\n${completeLines(text)}`
  const at = whole.lastIndexOf(`\n${start}`)
  if (at < 0) return undefined
  const change = parseChange(whole.slice(at + 1, whole.indexOf('\n', at + 1)))
  return 'user' in change ? change.record : undefined
}

/** The registry with these changes. */
export function withChanges(registry: Registry, changes: readonly Change[]): Registry {
  if (changes.length === 0) return registry
  const users = new Map(registry.users)
  const groups = new Map(registry.groups)
  for (const change of changes)
    if ('user' in change) users.set(change.user, change.record)
    else groups.set(change.group, change.gid)
  return { ...registry, users, groups }
}
