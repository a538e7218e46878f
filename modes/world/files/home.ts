// A home directory that is there completely or not at all, made without ever following a link that a user could have
// left.
// openat(2) is not in node:fs; /proc/self/fd/N/name is the same thing.

import {
  closeSync,
  constants,
  copyFileSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { Fault } from '../../../src/base/fault.ts'
import { dirname } from '../../../src/base/text.ts'
import type { HomeRequest } from '../../../src/base/world.ts'

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, COPYFILE_EXCL } = constants

type Owner = { readonly uid: number; readonly gid: number }

/**
 * True when the home was made, false when it was there already with the right owner.
 * A directory of another user is a Fault that names the remedy; it is never changed.
 */
export function makeHome(home: HomeRequest): boolean {
  const parent = dirname(home.path)
  const name = home.path.slice(home.path.lastIndexOf('/') + 1)
  const descriptor = openRooted(parent)
  try {
    const at = (entry: string): string => `/proc/self/fd/${descriptor}/${entry}`
    if (isOurs(at(name), home)) return false
    const temporary = `.${name}.new-${crypto.getRandomValues(new Uint8Array(6)).toHex()}`
    try {
      mkdirSync(at(temporary), { mode: 0o700 })
      checkSkeleton(home.skeleton)
      fill(at(temporary), home.skeleton, home)
      own(at(temporary), home, home.mode)
      renameSync(at(temporary), at(name))
      return true
    } catch (error) {
      rmSync(at(temporary), { recursive: true, force: true })
      // Two first logins at once: the other one was faster.
      if (
        error instanceof Error &&
        'code' in error &&
        (error.code === 'ENOTEMPTY' || error.code === 'EEXIST') &&
        isOurs(at(name), home)
      )
        return false
      throw error
    }
  } finally {
    closeSync(descriptor)
  }
}

function isOurs(path: string, home: HomeRequest): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (!stats) return false
  if (!stats.isDirectory()) throw new Fault(`${home.path} is not a directory; move it away`)
  if (stats.uid !== home.uid)
    throw new Fault(`${home.path} belongs to uid ${stats.uid}, not to ${home.uid}`, {
      hint: `if its content is this user's: chown -R --no-dereference ${home.uid}:${home.gid} ${home.path}`,
    })
  return true
}

/** Opens a directory all of whose components are real directories of root; makes the last one when missing. */
function openRooted(path: string): number {
  let descriptor = openSync('/', O_RDONLY | O_DIRECTORY)
  for (const component of path.split('/').filter((part) => part !== '')) {
    const next = `/proc/self/fd/${descriptor}/${component}`
    if (!lstatSync(next, { throwIfNoEntry: false })) mkdirSync(next, { mode: 0o755 })
    const child = openSync(next, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
    closeSync(descriptor)
    descriptor = child
    const stats = fstatSync(descriptor)
    if (stats.uid !== 0 || (stats.mode & 0o022) !== 0) {
      closeSync(descriptor)
      throw new Fault(`${path}: "${component}" must belong to root and be writable by nobody else`)
    }
  }
  return descriptor
}

function own(path: string, owner: Owner, mode: number): void {
  const descriptor = openSync(path, O_RDONLY | O_NOFOLLOW)
  try {
    fchownSync(descriptor, owner.uid, owner.gid)
    fchmodSync(descriptor, mode)
  } finally {
    closeSync(descriptor)
  }
}

/** A skeleton behind a symbolic link, or below a directory that others can write, would be theirs to fill. */
function checkSkeleton(path: string): void {
  const parts = path.split('/').filter((part) => part !== '')
  for (let length = 1; length <= parts.length; length++) {
    const part = `/${parts.slice(0, length).join('/')}`
    const stats = lstatSync(part, { throwIfNoEntry: false })
    if (!stats) return
    if (!stats.isDirectory() || stats.uid !== 0 || (stats.mode & 0o022) !== 0)
      throw new Fault(
        `${part} must be a directory of root that only root can write, and no link: the skeleton is below it`,
        {
          hint: `chown root: ${part} && chmod go-w ${part}, or set create_user_skel to another directory`,
        },
      )
  }
}

// The target is still ours alone (mode 0700, owner root, hidden name), so its entries cannot change under us.
function fill(target: string, skeleton: string, owner: Owner): void {
  const stats = lstatSync(skeleton, { throwIfNoEntry: false })
  if (!stats) return
  if (!stats.isDirectory() || stats.uid !== 0 || (stats.mode & 0o022) !== 0)
    throw new Fault(`${skeleton} must be a directory of root that nobody else can write`, {
      hint: `chown root: ${skeleton} && chmod go-w ${skeleton}`,
    })
  for (const entry of readdirSync(skeleton)) {
    const source = `${skeleton}/${entry}`
    const copy = `${target}/${entry}`
    const facts = lstatSync(source)
    if (facts.isSymbolicLink()) {
      symlinkSync(readlinkSync(source), copy)
      lchownSync(copy, owner.uid, owner.gid)
    } else if (facts.isDirectory()) {
      mkdirSync(copy, { mode: 0o700 })
      fill(copy, source, owner)
      own(copy, owner, facts.mode & 0o777)
    } else if (facts.isFile()) {
      copyFileSync(source, copy, COPYFILE_EXCL)
      own(copy, owner, facts.mode & 0o777)
    }
  }
}
