// Who never gets a certificate from this authority, whatever the portal says.
import { localAccount } from '../accounts/local-account.ts'
import type { LoginName } from '../base/names.ts'
import { denied, type Outcome } from '../base/outcome.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import { functionalRole } from '../shell/role-policy.ts'
import { readRevocations } from './revocations.ts'

/** The refusal for root, for accounts of this host that the portal has no say about, and for revoked people. */
export async function refusalOf(
  world: Parts<'now' | 'files'>,
  config: Config,
  user: LoginName,
): Promise<Outcome | undefined> {
  if (user === 'root') return denied('root-refused')
  if (functionalRole(user, config) !== undefined) return denied('person-refused')
  if ((await localAccount(world, config, user)) === 'refused') return denied('local-account')
  return readRevocations(world).users.has(user) ? denied('ca-revoked') : undefined
}
