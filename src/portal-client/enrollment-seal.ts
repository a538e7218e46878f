// Where the refresh token of a new enrollment goes. The place is looked at before anybody is asked to approve, and what
// was approved is saved in any case.
import { Fault, orElse } from '../base/fault.ts'
import { paths } from '../base/paths.ts'
import type { Secret } from '../base/secret.ts'
import { sealedAs } from '../base/secret.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import { isStore, refreshTokenName } from '../secrets/resolve.ts'

export type SealPlan =
  | { readonly kind: 'seal' }
  /** The store opens no more, and held nothing that an enrollment does not replace: it is begun anew. */
  | { readonly kind: 'anew'; readonly why: string }
  | { readonly kind: 'plain'; readonly why: string }

/** A Fault where sealing must not be tried before an administrator decided: other secrets would be lost. */
export async function planSealing(world: Parts<'files'>, config: Config): Promise<SealPlan> {
  if (!config.secrets_encrypted) return { kind: 'plain', why: 'secrets_encrypted is false' }
  if (!isStore(world)) return planNewStore(world, config)
  const { shutStore } = await import('../secrets/store.ts')
  const shut = shutStore(world)
  if (!shut) return { kind: 'seal' }
  if (shut.names.every((name) => name === refreshTokenName)) return { kind: 'anew', why: shut.fault.message }
  const lost = shut.names.filter((name) => name !== refreshTokenName).join(', ')
  throw new Fault(
    `${shut.fault.message}; it holds ${lost}, which only you can give again; nobody was asked to approve`,
    {
      hint: `ob secret rotate --discard, then ob secret set for each of them (${lost}), then ob enroll`,
    },
  )
}

/** Whether the key file that a new store makes would lock passwords that were kept without one. */
export function locksPasswords(world: Parts<'files'>, config: Config): boolean {
  if (world.files.stat(paths.keyFile) || config.offline_cache_key_file !== paths.keyFile) return false
  return world.files.list(config.offline_cache_dir)?.some((name) => name.endsWith('.cred')) ?? false
}

function planNewStore(world: Parts<'files'>, config: Config): SealPlan {
  if (!locksPasswords(world, config)) return { kind: 'seal' }
  const why = `sealing it would make ${paths.keyFile}, and passwords that were kept without it would open no more`
  return { kind: 'plain', why: `${why}; ob secret rotate seals it all the same` }
}

export type Kept = { readonly written: Secret; readonly problem?: string }

/** What the token file says: the name of the sealed token, or the token itself where it could not be sealed. */
export async function keepRefreshToken(
  world: Parts<'random' | 'files' | 'keyring'>,
  config: Config,
  plan: SealPlan,
  token: Secret,
): Promise<Kept> {
  if (plan.kind === 'plain') return { written: token }
  const { openSecretStore } = await import('../secrets/store.ts')
  const store = openSecretStore(world, config)
  return orElse<Kept, Kept>(
    async () => {
      if (plan.kind === 'anew') await store.rotate({ discard: true })
      await store.write(refreshTokenName, token)
      return { written: sealedAs(refreshTokenName) }
    },
    (fault) => ({ written: token, problem: fault.message }),
  )
}
