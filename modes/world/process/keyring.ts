// The kernel's key retention service (keyrings(7)), which Bun has no API for. Keys lie in root's user keyring; only a
// process that possesses them may use them, and it possesses them by linking that keyring into its own.
import type { Keyring } from '../../../src/base/world.ts'
import { bind, ptr } from '../io/ffi.ts'

const open = () => bind({ syscall: { args: ['i64', 'i64', 'i64', 'i64', 'i64', 'i64'], returns: 'i64' } })

let libc: ReturnType<typeof open>

const numbers = process.arch === 'arm64' ? { addKey: 217, keyctl: 219 } : { addKey: 248, keyctl: 250 }

type Argument = number | Uint8Array

function call(number: number, ...given: readonly Argument[]): number {
  libc ??= open()
  if (!libc) return -1
  const [a = 0, b = 0, c = 0, d = 0, e = 0] = given.map((one) => (typeof one === 'number' ? one : ptr(one)))
  return Number(libc.syscall(number, a, b, c, d, e))
}

const keyctl = (operation: number, ...given: readonly Argument[]): number => call(numbers.keyctl, operation, ...given)

// linux/keyctl.h
const processKeyring = -2
const userKeyring = -4
const setPermissions = 5
const link = 8
const unlink = 9
const search = 10
const read = 11
const setTimeout = 15
/** The possessor may do everything, user, group and others nothing. */
const possessorOnly = 0x3f000000

const text = (value: string): Uint8Array => new TextEncoder().encode(`${value}\0`)
const type = text('user')
const longest = 1024

const possess = (): boolean => keyctl(link, userKeyring, processKeyring) === 0

const locate = (description: string): number => keyctl(search, userKeyring, type, text(description), 0)

export const keyring: Keyring = {
  find: (description) => {
    if (!possess()) return undefined
    const serial = locate(description)
    if (serial < 0) return undefined
    const buffer = new Uint8Array(longest)
    const length = keyctl(read, serial, buffer, buffer.length)
    const found = length < 0 || length > longest ? undefined : buffer.slice(0, length)
    buffer.fill(0)
    return found
  },
  keep: (description, payload, seconds) => {
    if (!possess()) return false
    const serial = call(numbers.addKey, type, text(description), payload, payload.length, userKeyring)
    if (serial < 0) return false
    if (keyctl(setTimeout, serial, seconds) === 0 && keyctl(setPermissions, serial, possessorOnly) === 0) return true
    keyctl(unlink, serial, userKeyring)
    return false
  },
  forget: (description) => {
    // Where the kernel itself refuses, no key was ever stored.
    if (!possess()) return libc !== undefined
    const serial = locate(description)
    if (serial >= 0) keyctl(unlink, serial, userKeyring)
    return true
  },
}
