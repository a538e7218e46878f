// Certificates that a portal makes for one hop (/pam/bastion-cert). With the default settings of a portal any enrolled
// host obtains one for any user, so such a certificate counts only when its key ID names a bastion that this host
// allows, this user and this host.
import type { LoginName } from '../base/names.ts'
import type { Reason } from '../base/reason.ts'
import type { Certificate } from '../ssh/wire.ts'
import { comparableName, type HopPolicy } from './policy-format.ts'

export type HopNames = { readonly bastion: string; readonly user: string; readonly target: string }

/** The portal writes each value with `_` for whatever is none of these. */
const shape = /^bastion=([A-Za-z0-9._-]{1,255});user=([A-Za-z0-9._-]{1,255});target=([A-Za-z0-9._-]{1,255})$/

export function parseHopKeyId(keyId: string): HopNames | undefined {
  const match = shape.exec(keyId)
  return match ? { bastion: match[1]!, user: match[2]!, target: match[3]! } : undefined
}

export const formatHopKeyId = ({ bastion, user, target }: HopNames): string =>
  `bastion=${asWritten(bastion)};user=${asWritten(user)};target=${asWritten(target)}`

const asWritten = (value: string): string => value.replace(/[^A-Za-z0-9._-]/g, '_')

/** Why the certificate does not count; undefined when it does. sshd judges signature, dates, source-address and KRL. */
export function judgeHopCertificate(
  certificate: Pick<Certificate, 'keyId' | 'type' | 'principals'>,
  user: LoginName,
  policy: Pick<HopPolicy, 'allowedBastions' | 'names'> | undefined,
): Reason | undefined {
  if (!policy || policy.allowedBastions.length === 0) return 'hop-not-configured'
  const names = parseHopKeyId(certificate.keyId)
  if (!names || certificate.type !== 'user') return 'hop-certificate'
  if (certificate.principals.length !== 1 || certificate.principals[0] !== user) return 'hop-user'
  if (names.user !== asWritten(user)) return 'hop-user'
  if (!policy.allowedBastions.some((bastion) => asWritten(bastion) === names.bastion)) return 'hop-bastion'
  const isThisHost = policy.names.some((name) => asWritten(name) === asWritten(comparableName(names.target)))
  return isThisHost ? undefined : 'hop-target'
}
