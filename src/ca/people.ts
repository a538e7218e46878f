// Who never gets a certificate from this authority, whatever the portal says.
import { localAccount } from '../accounts/local-account.ts'
import { type LoginName, parseFingerprint } from '../base/names.ts'
import { denied, type Outcome } from '../base/outcome.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import { functionalRole } from '../shell/role-policy.ts'
import type { PublicKey } from '../ssh/wire.ts'
import { readRevocations } from './revocations.ts'

/** The refusal for root, accounts of this host that the portal has no say about, and revoked people and keys. */
export async function refusalOf(
  world: Parts<'now' | 'files'>,
  config: Config,
  { user, key }: { readonly user: LoginName; readonly key: PublicKey },
): Promise<Outcome | undefined> {
  if (user === 'root') return denied('root-refused')
  if (functionalRole(user, config) !== undefined) return denied('person-refused')
  if ((await localAccount(world, config, user)) === 'refused') return denied('local-account')
  const { users, keys } = readRevocations(world)
  const fingerprint = parseFingerprint(key.fingerprint)
  return users.has(user) || (fingerprint && keys.has(fingerprint)) ? denied('ca-revoked') : undefined
}
