// /etc/passwd and the three files beside it, changed together or not at all, under the lock that useradd(8) and its
// family take (lckpwdf(3)). After a kill in the middle, the next call puts the old files back.
import {
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { Fault } from '../../../src/base/fault.ts'
import type { AccountFiles } from '../../../src/base/world.ts'
import { bind, hint } from '../io/ffi.ts'
import { insist } from './errno.ts'

const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW, O_RDONLY, O_DIRECTORY } = constants

const open = () => bind({ lckpwdf: { args: [], returns: 'i32' }, ulckpwdf: { args: [], returns: 'i32' } })

// The file that makes a user visible is written last.
const names = ['gshadow', 'group', 'shadow', 'passwd'] as const
type Name = (typeof names)[number]

const next = (path: string): string => `${path}.ob-new`
const last = (path: string): string => `${path}.ob-old`

const lock = '/etc/.pwd.lock'

/** Runs the edit on a letter for each byte of the files; true when one changed. */
export function editAccounts(edit: (files: AccountFiles) => AccountFiles, directory = '/etc'): boolean {
  const libc = open()
  if (!libc) throw new Fault('/etc/passwd cannot be locked here; nothing was changed', { hint })
  // lckpwdf(3) does not say why it failed, and waits for others only.
  insist('lock', lock, () => closeSync(openSync(lock, O_WRONLY | O_CREAT | O_NOFOLLOW, 0o600)))
  if (libc.lckpwdf() !== 0)
    throw new Fault(`another program holds ${lock}; nothing was changed`, { hint: 'try again in a moment' })
  try {
    return insist('change', `${directory}/passwd`, () => {
      recover(directory)
      const before = Object.fromEntries(names.map((name) => [name, textOf(`${directory}/${name}`)])) as AccountFiles
      const after = edit(before)
      const changed = names.filter((name) => after[name] !== before[name])
      if (changed.length > 0) replace(directory, changed, after)
      return changed.length > 0
    })
  } finally {
    libc.ulckpwdf()
  }
}

const textOf = (path: string): string => (existsSync(path) ? readFileSync(path, 'latin1') : '')

const markerOf = (directory: string): string => `${directory}/.ob-accounts`

function replace(directory: string, changed: readonly Name[], after: AccountFiles): void {
  const paths = changed.map((name) => `${directory}/${name}`)
  for (const [at, path] of paths.entries()) {
    prepare(path, after[changed[at]!])
    if (existsSync(path)) linkSync(path, last(path))
  }
  syncDirectory(directory)
  // From here until the marker is gone, the next call puts the old files back.
  const begun = changed.map((name) => `${name} ${digest(after[name])}\n`).join('')
  write(markerOf(directory), begun, { mode: 0o600, uid: 0, gid: 0 })
  syncDirectory(directory)
  try {
    for (const path of paths) renameSync(next(path), path)
  } catch (error) {
    recover(directory)
    throw error
  }
  syncDirectory(directory)
  unlinkSync(markerOf(directory))
  syncDirectory(directory)
  tidy(directory)
}

function prepare(path: string, text: string): void {
  const facts = statSync(path, { throwIfNoEntry: false })
  const hidden = path.endsWith('shadow')
  write(next(path), text, {
    mode: facts ? facts.mode & 0o7777 : hidden ? 0o640 : 0o644,
    uid: facts?.uid ?? 0,
    gid: facts?.gid ?? 0,
  })
}

function write(path: string, text: string, { mode, uid, gid }: Readonly<Record<'mode' | 'uid' | 'gid', number>>): void {
  const descriptor = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
  try {
    fchownSync(descriptor, uid, gid)
    fchmodSync(descriptor, mode)
    writeFileSync(descriptor, text, 'latin1')
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/** Puts back the files that a killed process had begun to replace. */
function recover(directory: string): void {
  const marker = markerOf(directory)
  for (const line of textOf(marker).split('\n')) {
    const [name, begun] = line.split(' ')
    const path = `${directory}/${names.find((one) => one === name)}`
    // A file that another program wrote since then stays.
    if (existsSync(last(path)) && digest(textOf(path)) === begun) renameSync(last(path), path)
  }
  if (existsSync(marker)) {
    syncDirectory(directory)
    unlinkSync(marker)
    syncDirectory(directory)
  }
  tidy(directory)
}

const digest = (text: string): string =>
  new Bun.CryptoHasher('sha256').update(Buffer.from(text, 'latin1')).digest('hex')

function tidy(directory: string): void {
  for (const name of names)
    for (const path of [next(`${directory}/${name}`), last(`${directory}/${name}`)]) rmSync(path, { force: true })
}

function syncDirectory(path: string): void {
  const descriptor = openSync(path, O_RDONLY | O_DIRECTORY)
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
