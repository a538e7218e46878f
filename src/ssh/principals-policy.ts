// May this certificate be used for this login? sshd checks its signature, its dates and its revocation. This
// policy says which name counts and checks the rest.

import { type LoginName, parseLoginName } from '../base/names.ts'
import { allowed, denied, type Outcome } from '../base/outcome.ts'
import type { Reason } from '../base/reason.ts'
import type { Problem, PublicKey } from './wire.ts'

export type PrincipalFacts = {
  readonly user: LoginName | undefined
  readonly key: PublicKey | Problem
  /** The description of the certificate that sshd passes beside it. */
  readonly ids: { readonly keyId: string; readonly serial: string; readonly fingerprint: string }
  readonly accepted: boolean
  /** Why a certificate for a hop does not count here. */
  readonly hop?: Reason | undefined
  readonly stale: boolean
  /** The account turns into whom the certificate names, so the person's own name is what counts. */
  readonly functional?: boolean
}

export function decidePrincipal(facts: PrincipalFacts): Outcome {
  const { user, key, ids, accepted, hop, stale, functional } = facts
  if (!user) return denied('bad-login-name')
  if (user === 'root') return denied('root-refused')
  if ('problem' in key || key.certificate?.type !== 'user') return denied('no-principal')
  const { keyId, serial, principals } = key.certificate
  // A certificate without names is good for every name to some versions of ssh, and for none to us.
  if (!principals.includes(functional ? (personIn(principals) ?? '') : user)) return denied('no-principal')
  if (ids.keyId !== keyId || ids.serial !== String(serial) || ids.fingerprint !== key.fingerprint)
    return denied('no-principal')
  if (hop) return denied(hop)
  if (!accepted) return denied('key-policy')
  return stale ? denied('krl-stale') : allowed('principal-listed')
}

/** Whom a certificate names first, if that is a person: the name that sshd is told for a functional account. */
export function personIn(principals: readonly string[]): LoginName | undefined {
  const name = parseLoginName(principals[0] ?? '')
  return name === 'root' ? undefined : name
}
