// The key of a directory of sealed entries, derived when an entry is really opened or written.
import { hex, utf8 } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import type { Parts } from '../base/world.ts'
import { type KeepingConfig, openKeys, readKeyFile, readMachineId } from './derived-keys.ts'
import { parseMachineId, saltLength } from './kdf.ts'

export type CacheKeyPlace = {
  readonly directory: string
  readonly saltName: string
  /** Only for credentials; may be absent from the disk. */
  readonly keyFile?: string
}

export type CacheKey = {
  /** The key, or undefined while nothing was ever sealed here. */
  readonly find: () => Promise<Uint8Array | undefined>
  /** The key; the directory and its salt are made when they are missing. */
  readonly make: () => Promise<Uint8Array>
  /** Runs this while nobody else changes the entry in this file of the directory. */
  readonly alone: <T>(file: string, work: () => Promise<T> | T) => Promise<T>
}

/** An entry is written in milliseconds; a holder may be stopped. */
const waitSeconds = 2

export function openCacheKey(
  world: Parts<'random' | 'files' | 'keyring'>,
  config: KeepingConfig,
  { directory, saltName, keyFile }: CacheKeyPlace,
): CacheKey {
  const keys = openKeys(world, config)
  const saltFile = `${directory}/${saltName}`
  const instanceFile = `${directory}/.instance_id`
  const trusted = (path: string, limit: number) => world.files.readTrusted(path, { limit, secret: true })
  const locked = async <T>(path: string, work: () => Promise<T> | T): Promise<T> => {
    world.files.makeDirectory(directory, 0o700)
    return world.files.withLock(path, work, waitSeconds)
  }
  // As many locks as there are beginnings of names.
  const alone = <T>(file: string, work: () => Promise<T> | T): Promise<T> =>
    locked(`${directory}/.lock-${file.slice(file.lastIndexOf('/') + 1).slice(0, 2)}`, work)
  const derive = (salt: Uint8Array, machineId: string): Promise<Uint8Array> => {
    // A key file that others may read opens what it sealed all the same, as in the C implementation: ob doctor says so,
    // and refusing it would shut everybody out while the portal is away.
    const key = keyFile === undefined ? undefined : readKeyFile(world, keyFile, { secret: false })
    return keys.keyFor({ keyFile: key, machineId }, salt)
  }
  const machineId = (): string | undefined =>
    readMachineId(world) ?? parseMachineId(trusted(instanceFile, 4096) ?? new Uint8Array(0))
  const salt = (): Uint8Array | undefined => {
    const bytes = trusted(saltFile, 4096)
    return bytes && bytes.length >= saltLength ? bytes.subarray(0, saltLength) : undefined
  }
  const find = async (): Promise<Uint8Array | undefined> => {
    const [found, id] = [salt(), machineId()]
    return found && id ? derive(found, id) : undefined
  }
  const create = (): void => {
    if (!salt()) world.files.writeAtomic(saltFile, world.random(saltLength), { mode: 0o600 })
    if (!machineId()) world.files.writeAtomic(instanceFile, utf8(`${hex(world.random(16))}\n`), { mode: 0o600 })
  }
  const make = async (): Promise<Uint8Array> => {
    if (!salt() || !machineId()) await locked(`${directory}/.lock`, create)
    const key = await find()
    if (!key) throw new Fault(`${saltFile} disappeared while it was used`, { hint: 'try again' })
    return key
  }
  return { find, make, alone }
}
