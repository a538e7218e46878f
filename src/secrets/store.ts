// The sealed store in /var/lib/open-bastion/secrets. Every change is one rename: of one secret's file, or, for a
// rotation, of the header, after everything was sealed anew beside the old files.

import { decodeUtf8, hex, utf8 } from '../base/bytes.ts'
import { Fault, orElse } from '../base/fault.ts'
import { paths } from '../base/paths.ts'
import { Secret } from '../base/secret.ts'
import { dirname } from '../base/text.ts'
import type { Parts } from '../base/world.ts'
import { type KeepingConfig, type Keys, openKeys, readKeyFile, readMachineId } from './derived-keys.ts'
import { type KeySource, keyLength, saltLength } from './kdf.ts'
import { ivLength } from './sealed-format.ts'
import {
  formatStoreHeader,
  generationLength,
  isLeftover,
  keyFileCheck,
  machineCheck,
  nameInFile,
  openSecret,
  parseStoreHeader,
  type StoreHeader,
  sealedFileName,
  sealSecret,
} from './store-format.ts'

export type SecretStore = {
  readonly names: () => readonly StoredName[]
  /** Undefined when there is no such secret; a Fault when it does not open. */
  readonly read: (name: string) => Promise<Secret | undefined>
  /** Makes the store, and the key file, when they are missing. */
  readonly write: (name: string, secret: Secret) => Promise<void>
  readonly remove: (name: string) => Promise<boolean>
  /**
   * Seals everything under a new salt. With `discard`, a secret that does not open is dropped; without, it is a Fault.
   */
  readonly rotate: (options: { readonly discard: boolean }) => Promise<Rotated>
}

export type StoredName = { readonly name: string; readonly changedAt: number }
export type Rotated = {
  readonly kept: readonly string[]
  readonly dropped: readonly string[]
  /** False where the key of before may lie in the kernel's keyring until it expires. */
  readonly forgotten: boolean
}

const directory = paths.secrets
export const headerFile = `${directory}/.store`
const lockFile = `${directory}/.lock`
/** Longer than any token or client secret. */
export const longestSecret = 65_536

const anew = 'ob secret rotate --discard, then ob secret set for each secret and ob enroll --force'

export function openSecretStore(world: Parts<'random' | 'files' | 'keyring'>, config: KeepingConfig): SecretStore {
  const keys = openKeys(world, config)
  const shop: Shop = { world, keys }
  const alone = <T>(work: () => Promise<T>): Promise<T> => {
    world.files.makeDirectory(directory, 0o700)
    return world.files.withLock(lockFile, work)
  }
  return {
    names: () => {
      const header = readHeader(world)
      return header ? namesOf(world, header) : []
    },
    read: (name) => readSecret(shop, name),
    write: (name, secret) =>
      alone(async () => {
        const header = readHeader(world) ?? create(world)
        await put(shop, { header, key: await keyOf(shop, header) }, name, secret)
      }),
    remove: (name) =>
      alone(async () => {
        const header = readHeader(world)
        return header ? world.files.remove(fileOf(header, name)) : false
      }),
    rotate: ({ discard }) => alone(() => rotate(shop, discard)),
  }
}

type Shop = { readonly world: Parts<'random' | 'files'>; readonly keys: Keys }
type Opened = { readonly header: StoreHeader; readonly key: Uint8Array }

const fileOf = ({ generation }: StoreHeader, name: string): string => `${directory}/${sealedFileName(generation, name)}`

export function readHeader(world: Parts<'files'>): StoreHeader | undefined {
  const bytes = world.files.readTrusted(headerFile, { limit: 4096, secret: true })
  if (!bytes) return undefined
  const header = parseStoreHeader(decodeUtf8(bytes) ?? '')
  if (!('problem' in header)) return header
  throw header.problem === 'newer'
    ? new Fault(`${headerFile} was written by a later version of this program`, { hint: 'install that version again' })
    : new Fault(`${headerFile} is damaged, and nothing sealed opens without it`, {
        hint: `restore it from a backup, or run: ${anew}`,
      })
}

/** Why nothing in the store opens any more, and the names in it; undefined while it opens or is not there. */
export function shutStore(
  world: Parts<'files'>,
): { readonly fault: Fault; readonly names: readonly string[] } | undefined {
  const header = readHeader(world)
  if (!header) return undefined
  const names = (): readonly string[] => namesOf(world, header).map(({ name }) => name)
  return orElse<undefined, { fault: Fault; names: readonly string[] }>(
    () => void sourceOf(world, header),
    (fault) => ({ fault, names: names() }),
  )
}

function namesOf(world: Parts<'files'>, { generation }: StoreHeader): readonly StoredName[] {
  return (world.files.list(directory) ?? [])
    .flatMap((file) => {
      const name = nameInFile(generation, file)
      return name === undefined ? [] : [{ name, changedAt: world.files.stat(`${directory}/${file}`)?.modifiedAt ?? 0 }]
    })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

/** The sources of the key, after a comparison with the sources at the time when the store was sealed. */
function sourceOf(world: Parts<'files'>, header: StoreHeader): KeySource {
  const machineId = readMachineId(world)
  if (machineId === undefined) throw noMachineId()
  if (machineCheck(machineId, header.salt) !== header.machine)
    throw new Fault(
      `${directory} was sealed under another ${paths.machineId}: this host was cloned or re-installed, or the file changed`,
      { hint: `restore the file; or run: ${anew}` },
    )
  const keyFile = readKeyFile(world)
  const missing = `restore it from a backup; or run: ${anew}`
  if (!keyFile)
    throw new Fault(`${paths.keyFile} does not exist, and ${directory} was sealed with it`, { hint: missing })
  if (keyFileCheck(keyFile, header.salt) !== header.keyFile)
    throw new Fault(`${paths.keyFile} is not the key file that ${directory} was sealed with`, { hint: missing })
  return { machineId, keyFile }
}

const noMachineId = (): Fault =>
  new Fault(`${paths.machineId} is missing or empty, and secrets are sealed under it`, {
    hint: 'run: systemd-machine-id-setup',
  })

const keyOf = ({ world, keys }: Shop, header: StoreHeader): Promise<Uint8Array> =>
  keys.keyFor(sourceOf(world, header), header.salt)

async function readSecret(shop: Shop, name: string): Promise<Secret | undefined> {
  for (let header = readHeader(shop.world); header; ) {
    const bytes = shop.world.files.readTrusted(fileOf(header, name), { limit: longestSecret + 64, secret: true })
    if (bytes) return openBytes({ header, key: await keyOf(shop, header) }, name, bytes)
    // A rotation may have replaced everything between the two reads.
    const now = readHeader(shop.world)
    if (now?.generation === header.generation) return undefined
    header = now
  }
  return undefined
}

async function openBytes({ header, key }: Opened, name: string, bytes: Uint8Array): Promise<Secret> {
  const path = fileOf(header, name)
  const opened = await openSecret(key, bytes, { generation: header.generation, name })
  const again = { hint: `restore it from a backup, or run: ob secret set ${name}` }
  if (opened === 'foreign') throw new Fault(`${path} is not a sealed secret`, again)
  if (opened === 'broken') throw new Fault(`${path} does not open: it was damaged, or moved here`, again)
  const text = decodeUtf8(opened)
  opened.fill(0)
  if (text === undefined) throw new Fault(`${path} holds bytes that are not text`, again)
  return new Secret(text)
}

async function put({ world }: Shop, { header, key }: Opened, name: string, secret: Secret): Promise<void> {
  const plaintext = utf8(secret.expose())
  if (plaintext.length > longestSecret)
    throw new Fault(`a secret may be at most ${longestSecret} bytes long; nothing was changed`)
  const sealed = await sealSecret(key, plaintext, {
    generation: header.generation,
    name,
    iv: world.random(ivLength),
  })
  plaintext.fill(0)
  world.files.writeAtomic(fileOf(header, name), sealed, { mode: 0o600 })
}

/** A header for a generation of its own, and the source of its key; the key file is made when there is none. */
function renew(world: Parts<'random' | 'files'>): { readonly header: StoreHeader; readonly source: KeySource } {
  const machineId = readMachineId(world)
  if (machineId === undefined) throw noMachineId()
  if (!readKeyFile(world)) {
    world.files.makeDirectory(dirname(paths.keyFile), 0o755)
    world.files.writeAtomic(paths.keyFile, world.random(keyLength), { mode: 0o600 })
  }
  const keyFile = readKeyFile(world)
  if (!keyFile) throw new Fault(`${paths.keyFile} disappeared while it was used`, { hint: 'try again' })
  const salt = world.random(saltLength)
  const header = {
    generation: hex(world.random(generationLength)),
    salt,
    machine: machineCheck(machineId, salt),
    keyFile: keyFileCheck(keyFile, salt),
  }
  return { header, source: { machineId, keyFile } }
}

function create(world: Parts<'random' | 'files'>): StoreHeader {
  const { header } = renew(world)
  world.files.writeAtomic(headerFile, formatStoreHeader(header), { mode: 0o600 })
  return header
}

async function rotate(shop: Shop, discard: boolean): Promise<Rotated> {
  const { world, keys } = shop
  const { open, dropped, forget } = await openAll(shop, discard)
  const next = renew(world)
  const key = await keys.keyFor(next.source, next.header.salt)
  for (const [name, secret] of open) await put(shop, { header: next.header, key }, name, secret)
  // From here on everything is new; until here everything was old.
  world.files.writeAtomic(headerFile, formatStoreHeader(next.header), { mode: 0o600 })
  for (const file of world.files.list(directory) ?? [])
    if (isLeftover(next.header.generation, file)) world.files.remove(`${directory}/${file}`)
  return { kept: [...open.keys()], dropped, forgotten: forget() }
}

type Contents = {
  readonly open: ReadonlyMap<string, Secret>
  readonly dropped: readonly string[]
  /** Removes the cached key of the store. */
  readonly forget: () => boolean
}

async function openAll(shop: Shop, discard: boolean): Promise<Contents> {
  const { world, keys } = shop
  const empty: Contents = { open: new Map(), dropped: [], forget: () => true }
  const header = unless(discard, () => readHeader(world))
  if (!header) return empty
  const names = namesOf(world, header).map(({ name }) => name)
  const source = unless(discard, () => sourceOf(world, header))
  if (!source) return { ...empty, dropped: names }
  const key = await keys.keyFor(source, header.salt)
  const open = new Map<string, Secret>()
  const dropped: string[] = []
  for (const name of names) {
    const bytes = unless(discard, () =>
      world.files.readTrusted(fileOf(header, name), { limit: longestSecret + 64, secret: true }),
    )
    const secret = bytes && (await openBytes({ header, key }, name, bytes).catch((error) => tolerate(discard, error)))
    if (secret) open.set(name, secret)
    else dropped.push(name)
  }
  return { open, dropped, forget: () => keys.forget(source, header.salt) }
}

function unless<T>(discard: boolean, work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    return tolerate(discard, error)
  }
}

function tolerate(discard: boolean, error: unknown): undefined {
  if (!discard || !(error instanceof Fault)) throw error
  return undefined
}
