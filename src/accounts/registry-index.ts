// Finds one user, or the owner of one id, in users.json by halving: a login must not cost more on a host with more
// users. The layout is formatRegistry's; a file that somebody wrote by hand does not have it and is read as a whole.
import { decodeUtf8 } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { ownerKey, type Registry, type RegistryUser, readUser } from './registry-format.ts'

/** The questions that a decision asks the registry. */
export type RegistryView = {
  readonly user: (name: string) => RegistryUser | undefined
  /** The gid of a shared group. */
  readonly group: (name: string) => number | undefined
  /** Whose uid or gid this is, retired users included. */
  readonly owner: (id: number) => string | undefined
  /** Every user with a home; reads everything. */
  readonly homes: () => Iterable<readonly [string, string]>
}

export function viewOf(registry: Registry): RegistryView {
  let owners: ReadonlyMap<number, string> | undefined
  const owner = (id: number): string | undefined => {
    owners ??= new Map([
      ...registry.groups.entries().map(([name, gid]) => [gid, name] as const),
      ...registry.users.entries().flatMap(([name, { uid, gid }]) => [[uid, name] as const, [gid, name] as const]),
    ])
    return owners.get(id)
  }
  return {
    user: (name) => registry.users.get(name),
    group: (name) => registry.groups.get(name),
    owner,
    homes: () => [...registry.users].map(([name, { home }]) => [name, home] as const),
  }
}

export type Parts = {
  readonly size: number
  /** Fewer bytes only at the end. */
  readonly read: (offset: number, length: number) => Uint8Array
}

export type Lines = {
  readonly user: (name: string) => RegistryUser | undefined
  readonly owner: (id: number) => string | undefined
  readonly groups: () => ReadonlyMap<string, number>
}

const trailerLength = 256

/** The file with its sections, or undefined when it has another layout. */
export function openLines(parts: Parts): Lines | undefined {
  const start = Math.max(0, parts.size - trailerLength)
  const end = textOf(parts.read(start, trailerLength))
  const span = /\n"span":\[(\d+(?:,\d+){6})\]\}\n$/.exec(end)
  const edges = span?.[1]?.split(',').map(Number)
  if (!span || !edges) return undefined
  const [users, usersEnd, groups, groupsEnd, owners, ownersEnd, at] = edges
  // Edited by hand, the list would stand elsewhere.
  if (at !== parts.size - (span[0].length - 1)) return undefined
  const find = (key: string, from: number, to: number): unknown => {
    const line = findLine(parts, { key: JSON.stringify(key), from, to })
    return line === undefined ? undefined : parseJson(line)
  }
  return {
    user: (name) => {
      const value = find(name, users!, usersEnd!)
      return value === undefined ? undefined : readUser(name, value)
    },
    owner: (id) => {
      const name = find(ownerKey(id), owners!, ownersEnd!)
      return typeof name === 'string' ? name : undefined
    },
    groups: () => {
      const value = parseJson(textOf(parts.read(groups!, groupsEnd! - groups!)))
      if (typeof value !== 'object' || value === null) throw damaged()
      return new Map(Object.entries(value).filter((pair): pair is [string, number] => typeof pair[1] === 'number'))
    },
  }
}

const damaged = (): Fault =>
  new Fault('users.json: a line is not JSON', { hint: 'put back the last good copy of users.json; uids depend on it' })

function textOf(bytes: Uint8Array): string {
  const text = decodeUtf8(bytes)
  // A cut in the middle of a character, at the front of the trailer only.
  return text ?? new TextDecoder('latin1').decode(bytes)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw damaged()
  }
}

const newline = 10
const window = 4096

type Search = { readonly key: string; readonly from: number; readonly to: number }

/** The value in the line that begins with this key. */
function findLine(parts: Parts, { key, from, to }: Search): string | undefined {
  let low = from
  let high = to
  while (high - low > window) {
    const middle = lineAfter(parts, low + Math.floor((high - low) / 2), high)
    if (middle === undefined) break
    if (keyAt(parts, middle, high) <= key) low = middle
    else high = middle
  }
  for (const line of textOf(parts.read(low, high - low)).split('\n'))
    if (line.startsWith(`${key}:`)) return line.slice(key.length + 1).replace(/,$/, '')
  return undefined
}

/** Where the first line begins after this offset. */
function lineAfter(parts: Parts, offset: number, end: number): number | undefined {
  for (let at = offset; at < end; at += window) {
    const found = parts.read(at, Math.min(window, end - at)).indexOf(newline)
    if (found >= 0) return at + found + 1 < end ? at + found + 1 : undefined
  }
  return undefined
}

// No key is longer than a name in quotes.
const keyAt = (parts: Parts, offset: number, end: number): string =>
  textOf(parts.read(offset, Math.min(40, end - offset))).replace(/^("[^"]*").*$/s, '$1')
