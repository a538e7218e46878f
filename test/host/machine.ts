// What the lab must not touch: one checksum over each of the machine's own files that it works with.
import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'

export const machineFiles = [
  '/etc/pam.d',
  '/etc/ssh',
  '/etc/nsswitch.conf',
  '/etc/passwd',
  '/etc/shadow',
  '/etc/group',
  '/etc/gshadow',
  '/etc/sudoers',
  '/etc/sudoers.d',
  '/etc/hosts',
  '/etc/open-bastion',
  '/usr/sbin/ob',
  '/var/lib/extrausers',
  '/var/lib/open-bastion',
] as const

// Not root: there will be no lab either, and the reason for that is what should be read.
function content(path: string): Uint8Array | string {
  try {
    return readFileSync(path)
  } catch {
    return 'unreadable'
  }
}

/** Content, owner and mode of everything below a path; `absent` when there is nothing. */
export function checksum(path: string): string {
  const hash = createHash('sha256')
  const walk = (at: string): void => {
    const facts = lstatSync(at)
    hash.update(`${at}\0${facts.mode}\0${facts.uid}\0${facts.gid}\0`)
    if (facts.isSymbolicLink()) hash.update(readlinkSync(at))
    if (facts.isFile()) hash.update(content(at))
    if (facts.isDirectory()) for (const name of readdirSync(at).sort()) walk(join(at, name))
  }
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return 'absent'
  walk(path)
  return hash.digest('hex')
}

export type MachineState = Readonly<Record<string, string>>

export const machineState = (): MachineState =>
  Object.fromEntries(machineFiles.map((path) => [path, checksum(path)] as const))

/** Paths that differ between two states; empty when the machine was left alone. */
export const changedFiles = (before: MachineState, after: MachineState): readonly string[] =>
  machineFiles.filter((path) => before[path] !== after[path])
