// Where a secret of the configuration really is: in its line, or in the sealed store. Small, because every login loads
// it; the store itself is loaded when something is in it.

import { Fault } from '../base/fault.ts'
import { paths } from '../base/paths.ts'
import { type Secret, sealedName } from '../base/secret.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'

/** The keys of openbastion.conf whose values are secrets. */
export type SecretKey = { [K in keyof Config]-?: Secret extends Config[K] ? K : never }[keyof Config]

/**
 * The secret of this key: its line, the stored secret that its line names, or, without a line, the one stored under its
 * name.
 */
export async function secretFor(
  world: Parts<'random' | 'files' | 'keyring'>,
  config: Config,
  key: SecretKey,
): Promise<Secret | undefined> {
  const written = config[key]
  if (written !== undefined) return unsealed(world, config, written)
  if (!config.secrets_encrypted || !isStore(world)) return undefined
  return (await vaultOf(world, config)).read(key)
}

/** The secret itself, for a value that may be written as sealed:NAME. */
export async function unsealed(
  world: Parts<'random' | 'files' | 'keyring'>,
  config: Config,
  written: Secret,
): Promise<Secret> {
  const name = sealedName(written)
  if (name === undefined) return written
  const secret = await (await vaultOf(world, config)).read(name)
  if (secret) return secret
  throw new Fault(`sealed:${name} is asked for, and ${paths.secrets} holds no secret of that name`, {
    hint: name === refreshTokenName ? 'run: ob enroll --force' : `run: ob secret set ${name}`,
  })
}

export const refreshTokenName = 'refresh_token'

/** Whether there is a store; `ob secret` makes it. */
export const isStore = (world: Parts<'files'>): boolean => world.files.stat(`${paths.secrets}/.store`) !== undefined

const vaultOf = async (world: Parts<'random' | 'files' | 'keyring'>, config: Config) =>
  (await import('./store.ts')).openSecretStore(world, config)
