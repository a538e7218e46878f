// The rules of trust for files, the same for every way of making the system calls. Everything is done through
// descriptors where the kernel lets us, so that a name that changes between two calls cannot redirect us.

import { Fault } from '../../../src/base/fault.ts'
import { dirname } from '../../../src/base/paths.ts'
import type { FileFacts, Files, TrustRules } from '../../../src/base/world.ts'
import { attempt } from './errno.ts'

/** The calls that reading takes. Each throws an error whose `code` is the name in errno(3), as those of node:fs do. */
export type Calls = {
  /** For reading; a symbolic link in the last component is ELOOP, and opening a pipe does not wait. */
  readonly open: (path: string) => number
  readonly close: (descriptor: number) => void
  readonly facts: (descriptor: number) => FileFacts
  /** Of the entry itself, as lstat(2); undefined when there is none. */
  readonly factsAt: (path: string) => FileFacts | undefined
  /** How many bytes came; 0 at the end. */
  readonly read: (descriptor: number, bytes: Uint8Array, offset: number) => number
  readonly realpath: (path: string) => string
}

type Check = (facts: FileFacts) => void

export const readers = (calls: Calls): Pick<Files, 'read' | 'readTrusted' | 'stat'> => ({
  read: (path, limit) => readPlain(calls, path, limit),
  readTrusted: (path, rules) =>
    readPlain(calls, path, rules.limit, (facts) => {
      insistOnTrust(path, facts, rules)
      checkParents(calls, path)
    }),
  stat: (path) => attempt('examine', path, () => calls.factsAt(path)),
})

function readPlain(calls: Calls, path: string, limit: number, check?: Check): Uint8Array<ArrayBuffer> | undefined {
  return attempt('read', path, () => {
    const descriptor = calls.open(path)
    try {
      const facts = calls.facts(descriptor)
      insistOnSize(path, facts, limit)
      check?.(facts)
      // Files under /proc report size 0.
      return readUpTo(facts.size > 0 ? facts.size : limit, (bytes, offset) => calls.read(descriptor, bytes, offset))
    } finally {
      calls.close(descriptor)
    }
  })
}

/** Reads until there is no more, or this many bytes have come. */
export function readUpTo(
  limit: number,
  read: (bytes: Uint8Array<ArrayBuffer>, offset: number) => number,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(limit)
  let length = 0
  while (length < limit) {
    const count = read(bytes, length)
    if (count === 0) break
    length += count
  }
  return bytes.subarray(0, length)
}

function insistOnSize(path: string, facts: FileFacts, limit: number): void {
  if (facts.kind !== 'file') throw new Fault(`${path} is not a regular file; replace it by one`)
  if (facts.size > limit) throw new Fault(`${path} is larger than ${limit} bytes; it cannot be what it should be`)
}

/**
 * A Fault unless the file is a regular file of root that only root can write, and only root can read when it is a
 * secret.
 */
export function insistOnTrust(path: string, facts: FileFacts, rules: TrustRules): void {
  insistOnSize(path, facts, rules.limit)
  insistOnRoot(path, facts)
  if (rules.secret && (facts.mode & 0o077) !== 0)
    throw new Fault(`${path} can be read by others (mode ${octal(facts.mode)})`, { hint: `chmod 600 ${path}` })
  insistOnUnwritable(path, facts)
}

export function insistOnRoot(path: string, { uid }: FileFacts): void {
  if (uid !== 0) throw new Fault(`${path} belongs to uid ${uid}`, { hint: `chown root: ${path}` })
}

export function insistOnUnwritable(path: string, { mode }: FileFacts): void {
  if ((mode & 0o022) !== 0)
    throw new Fault(`${path} can be written by others (mode ${octal(mode)})`, { hint: `chmod go-w ${path}` })
}

/**
 * A file is only as trustworthy as every directory above it (OpenSSH, safe_path). Where the path names a symbolic link,
 * the directories above the link count as well as those above what it leads to in the end; links on the way between
 * the two are not looked at.
 */
export function checkParents(calls: Pick<Calls, 'factsAt' | 'realpath'>, path: string): void {
  const parent = dirname(path)
  if (checkWay(calls, path, parent)) checkWay(calls, path, calls.realpath(parent))
}

/** True when a link is on the way. */
function checkWay({ factsAt }: Pick<Calls, 'factsAt'>, path: string, lowest: string): boolean {
  let isLinked = false
  for (let directory = lowest; ; directory = dirname(directory)) {
    const facts = factsAt(directory)
    if (!facts) throw new Fault(`${directory} went away while ${path} was read`)
    if (facts.uid !== 0)
      throw new Fault(`${directory} belongs to uid ${facts.uid}, so ${path} cannot be trusted`, {
        hint: `chown root: ${directory}`,
      })
    // The mode of a link has no meaning.
    if (facts.kind === 'symlink') isLinked = true
    else if ((facts.mode & 0o022) !== 0)
      throw new Fault(
        `${directory} can be written by others (mode ${octal(facts.mode)}), so ${path} cannot be trusted`,
        { hint: `chmod go-w ${directory}` },
      )
    if (directory === '/') return isLinked
  }
}

const octal = (mode: number): string => (mode & 0o7777).toString(8).padStart(4, '0')
