// Derived keys. PBKDF2 costs more than everything else in a login, so a key is derived once and cached where only root
// finds it and only until the next boot: in the kernel's keyring, or, where that is closed to us, in a file below /run.
import { concat, equalBytes, hex, hmacSha256 } from '../base/bytes.ts'
import { Fault, orElse } from '../base/fault.ts'
import { paths } from '../base/paths.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import { deriveKey, type KeySource, keyLength, parseMachineId, passwordOf } from './kdf.ts'

export type Keys = {
  /** The key of the store with this salt: cached since an earlier run, or derived now and cached. */
  readonly keyFor: (source: KeySource, salt: Uint8Array) => Promise<Uint8Array<ArrayBuffer>>
  /** Removes a cached key that nothing needs any more; false where it may lie in the keyring until it expires. */
  readonly forget: (source: KeySource, salt: Uint8Array) => boolean
}

export type KeepingConfig = Pick<Config, 'secrets_use_keyring' | 'secrets_keyring_name'>

/** Lifetime in the keyring: after a day without a login, the next one derives the key again. */
const keptSeconds = 86_400

export function openKeys(world: Parts<'files' | 'keyring'>, config: KeepingConfig): Keys {
  const place = openPlace(world, config)
  return {
    keyFor: async (source, salt) => {
      const id = idOf(source, salt)
      const cached = unwrap(id, place.find(id))
      if (cached) return cached
      const key = await deriveKey({ ...source, salt })
      place.keep(id, wrap(id, key))
      return key
    },
    forget: (source, salt) => place.forget(idOf(source, salt)),
  }
}

/** One name for each password and salt, so that a key can never be taken for that of another machine or key file. */
function idOf(source: KeySource, salt: Uint8Array): string {
  const password = passwordOf(source)
  const id = hex(
    hmacSha256(password, concat(new TextEncoder().encode('open-bastion cached key\0'), salt)).subarray(0, 16),
  )
  password.fill(0)
  return id
}

const checkOf = (id: string, key: Uint8Array): Uint8Array => hmacSha256(key, id).subarray(0, 16)

const wrap = (id: string, key: Uint8Array): Uint8Array<ArrayBuffer> => concat(key, checkOf(id, key))

// A damaged copy is derived again: sealing with it would lose the secret.
function unwrap(id: string, cached: Uint8Array<ArrayBuffer> | undefined): Uint8Array<ArrayBuffer> | undefined {
  if (cached?.length !== keyLength + 16) return undefined
  const key = cached.slice(0, keyLength)
  return equalBytes(cached.subarray(keyLength), checkOf(id, key)) ? key : undefined
}

type Place = {
  readonly find: (id: string) => Uint8Array<ArrayBuffer> | undefined
  readonly keep: (id: string, cached: Uint8Array) => void
  readonly forget: (id: string) => boolean
}

function openPlace(
  world: Parts<'files' | 'keyring'>,
  { secrets_use_keyring, secrets_keyring_name }: KeepingConfig,
): Place {
  const fileOf = (id: string): string => `${paths.keptKeys}/${id}`
  const describe = (id: string): string => `${secrets_keyring_name}:${id}`
  const file: Place = {
    find: (id) => world.files.readTrusted(fileOf(id), { limit: 1024, secret: true }),
    keep: (id, cached) => {
      world.files.makeDirectory(paths.keptKeys, 0o700)
      world.files.writeAtomic(fileOf(id), cached, { mode: 0o600 })
    },
    forget: (id) => {
      world.files.remove(fileOf(id))
      return true
    },
  }
  if (!secrets_use_keyring) return tolerant(file)
  return tolerant({
    find: (id) => world.keyring.find(describe(id)) ?? file.find(id),
    keep: (id, cached) => {
      if (!world.keyring.keep(describe(id), cached, keptSeconds)) file.keep(id, cached)
    },
    forget: (id) => {
      file.forget(id)
      return world.keyring.forget(describe(id))
    },
  })
}

// A cached key only saves time: where it cannot be read or cached (a full or read-only /run), it is derived.
const tolerant = (place: Place): Place => ({
  find: (id) => unlessFault(() => place.find(id)),
  keep: (id, cached) => unlessFault(() => place.keep(id, cached)),
  forget: place.forget,
})

function unlessFault<T>(work: () => T): T | undefined {
  return orElse(work, () => undefined)
}

/** The machine-id of this machine (machine-id(5)); undefined where it has none. */
export function readMachineId(world: Parts<'files'>): string | undefined {
  const bytes = world.files.read(paths.machineId, 4096)
  return bytes && parseMachineId(bytes)
}

/** The content of the key file; a Fault when it is no key, undefined when there is no file. */
export function readKeyFile(
  world: Parts<'files'>,
  path: string = paths.keyFile,
  { secret } = { secret: true },
): Uint8Array<ArrayBuffer> | undefined {
  const bytes = world.files.readTrusted(path, { limit: 65_536, secret })
  if (bytes && bytes.length < keyLength)
    throw new Fault(`${path} holds ${bytes.length} bytes, and a key file holds at least ${keyLength}`, {
      hint: 'restore it from a backup',
    })
  return bytes
}
