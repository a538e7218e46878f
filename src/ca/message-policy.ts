// What a person reads after `ssh ca@host`: on standard error, because standard output is the certificate.
import { personText, type Reason } from '../base/reason.ts'
import type { CertificateBody } from '../ssh/certificate-format.ts'

const refusals: Partial<Record<Reason, string>> = {
  'ca-not-a-plain-key':
    'A certificate is not signed. Offer the plain key: ssh -o CertificateFile=none -i ~/.ssh/id_ed25519 …',
  'key-policy': 'This key is of a type or size that is not signed here. Make another: ssh-keygen -t ed25519',
  'ca-revoked': 'Your access or this key was revoked. Ask the administrator of this certificate authority.',
  'ca-cannot-sign': 'No certificate can be signed right now. Try again in a moment.',
  'service-unmapped': 'This certificate authority is not set up. Tell its administrator: service_map lacks ssh-ca.',
  'switch-not-possible': 'This connection has no proven key that may be signed now. Connect once more.',
}
const badToken = 'The token is not good here. Get a new one at the portal; each works once and for a few minutes.'
const tokenReasons: readonly Reason[] = [
  'token-rejected',
  'token-replayed',
  'token-malformed',
  'no-token',
  'bad-login-name',
  'locked-out',
  'root-refused',
  'person-refused',
  'local-account',
]

/** The one sentence about a refusal. It never tells whether a name exists. */
export const refusalMessage = (reason: Reason): string =>
  tokenReasons.includes(reason) ? badToken : (refusals[reason] ?? personText(reason))

export const usageMessage = `usage: ssh ca@HOST token TOKEN > ~/.ssh/id_ed25519-cert.pub   (TOKEN is from the portal)
       ssh ca@HOST show             the public key of this authority, and what hosts and clients do with it
       ssh ca@HOST login            where to get a token`

/** Where ssh(1) looks for the certificate of such a key. */
function usualFile(plainType: string): string {
  if (plainType.startsWith('sk-')) return plainType.includes('ed25519') ? 'id_ed25519_sk' : 'id_ecdsa_sk'
  if (plainType === 'ssh-rsa') return 'id_rsa'
  return plainType.startsWith('ecdsa') ? 'id_ecdsa' : 'id_ed25519'
}

const when = (epoch: bigint): string =>
  `${new Date(Number(epoch) * 1000).toISOString().slice(0, 16).replace('T', ' ')} UTC`

export const issuedMessage = ({ key, principals, validBefore, serial }: CertificateBody): string =>
  `Certificate ${serial} for ${principals[0]}, valid until ${when(validBefore)}.
Keep it beside the key: append  > ~/.ssh/${usualFile(key.plainType)}-cert.pub  to the command.
ssh then uses it by itself; with an agent run ssh-add once more. ssh-keygen -L -f FILE shows it.`
