// Who never gets a certificate from this authority, whatever the portal says.
import { isLocalName } from '../accounts/local-names.ts'
import type { LoginName } from '../base/names.ts'
import { denied, type Outcome } from '../base/outcome.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import { functionalRole } from '../shell/role-policy.ts'
import { readRevocations } from './revocations.ts'

/** The refusal for root, for accounts of this host that are not the portal's, and for revoked people. */
export function refusalOf(world: Parts<'now' | 'files'>, config: Config, user: LoginName): Outcome | undefined {
  if (user === 'root') return denied('root-refused')
  if (functionalRole(user, config) !== undefined || isLocalName(world, user)) return denied('person-refused')
  return readRevocations(world).users.has(user) ? denied('ca-revoked') : undefined
}
