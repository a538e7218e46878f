// The public keys of people, one file a user, kept by root: what lies here decides who can answer a challenge.
import { decodeUtf8, hex, sha256 } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { type LoginName, parseLoginName } from '../base/names.ts'
import { paths } from '../base/paths.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import type { Engine, OpenKey } from './engine.ts'
import { isUsable } from './key-policy.ts'

type Needs = Parts<'files' | 'now'>

/** Larger than any key of one person; a key ring of everybody a person knows is not stored. */
export const mostBytes = 1 << 18

export type KeyFile = { readonly bytes: Uint8Array; readonly hash: string }

export const keyPath = (user: string): string => `${paths.gpgKeys}/${user}.asc`

/** As a Fault says when others could write it. */
export function readKeyFile({ files }: Parts<'files'>, user: LoginName): KeyFile | undefined {
  const bytes = files.readTrusted(keyPath(user), { limit: mostBytes, secret: false })
  return bytes && keyFile(bytes)
}

export const keyFile = (bytes: Uint8Array): KeyFile => ({ bytes, hash: hex(sha256(bytes)) })

/** Users who have a file, in order. */
export const usersWithKeys = ({ files }: Parts<'files'>): readonly LoginName[] =>
  (files.list(paths.gpgKeys) ?? [])
    .flatMap((name) => (name.endsWith('.asc') ? (parseLoginName(name.slice(0, -4)) ?? []) : []))
    .sort()

export const usableKeys = async (engine: Engine, bytes: Uint8Array, now: number): Promise<readonly OpenKey[]> =>
  (await engine.read(bytes, now)).keys.filter(({ facts }) => isUsable(facts))

/**
 * Keys for a challenge that nobody shall be able to read: those of some other user, always the same one for this name,
 * so that what is shown twice looks alike twice. The engine makes them unreadable.
 */
export async function decoyKeys(world: Needs, engine: Engine, wanted: string): Promise<readonly OpenKey[]> {
  const machine = world.files.read(paths.machineId, 64) ?? new Uint8Array()
  const order = (name: string): string => hex(sha256(`ob decoy ${hex(sha256(machine))} ${wanted} ${name}`))
  const names = usersWithKeys(world).filter((name) => name !== wanted)
  for (const name of names.sort((a, b) => (order(a) < order(b) ? -1 : 1))) {
    const file = readKeyFile(world, name)
    const keys = file ? await usableKeys(engine, file.bytes, world.now()) : []
    if (keys.length > 0) return keys
  }
  // Nobody has a key here, so there is nobody to be told from.
  const made = await engine.makeKey('nobody', world.now())
  return usableKeys(engine, new TextEncoder().encode(made.public), world.now())
}

/** The host's own signing key, if there is one. */
export function readSigner({ files }: Parts<'files'>, config: Pick<Config, 'gpg_signing_key'>): string | undefined {
  const path = config.gpg_signing_key
  if (path === undefined) return undefined
  const bytes = files.readTrusted(path, { limit: mostBytes, secret: true })
  if (!bytes)
    throw new Fault(`${path} does not exist`, { hint: 'ob gpg signing-key makes it; or remove gpg_signing_key' })
  return decodeUtf8(bytes) ?? ''
}
