// Accounts for programs: one key, nothing to type, and no portal, so that backups go on while it is unreachable. What
// such an account may do is written in service-accounts.conf, which only root writes.

import { allowed, denied, type Outcome } from '../base/outcome.ts'
import { isSsh, isSudo } from '../base/pam-service.ts'
import type { Proof } from '../ssh/proof.ts'
import type { ServiceAccount } from './service-accounts-format.ts'

/** The entry of a name in service-accounts.conf; undefined where there is none. */
export type ServiceAccountState =
  | { readonly kind: 'sound'; readonly account: ServiceAccount }
  | { readonly kind: 'broken'; readonly detail: string }

/** Nothing that is typed proves a service account; under sudo the file may say that nothing has to. */
export function decideServiceAuth(standing: ServiceAccountState, service: string): Outcome {
  if (standing.kind === 'broken') return denied('service-account-broken')
  if (!isSudo(service)) return denied('service-account-key-only')
  const { sudoAllowed, sudoNopasswd } = standing.account
  if (!sudoAllowed) return denied('service-account-no-sudo')
  return sudoNopasswd ? allowed('service-account-sudo') : denied('service-account-key-only')
}

export function decideServiceAccess(standing: ServiceAccountState, service: string): Outcome {
  if (standing.kind === 'broken') return denied('service-account-broken')
  if (isSudo(service))
    return standing.account.sudoAllowed ? allowed('service-account-sudo') : denied('service-account-no-sudo')
  // The key is judged in the session phase, which only sshd has.
  return isSsh(service) ? allowed('service-account-allowed') : denied('service-account-key-only')
}

/** The key that sshd saw proven must be the one in the file, whatever made sshd accept it. */
export function decideServiceKey(standing: ServiceAccountState, proof: Proof): Outcome {
  if (standing.kind === 'broken') return denied('service-account-broken')
  if (proof.kind !== 'key') return denied('service-account-key-only')
  return proof.fingerprint === standing.account.fingerprint
    ? allowed('service-account-opened')
    : denied('service-account-other-key')
}
