// Keys about SSH keys and certificates.
import { key } from '../key.ts'
import { choice, keyTypeList, toggle, whole } from '../value-types.ts'

export const sshKeys = {
  fingerprint_binding: key('certificates', () => ({
    schema: choice(['certificates', 'always', 'never']),
    says:
      'When the portal is asked again with the fingerprint of the key that sshd proved. ' +
      'A portal refuses keys that it did not sign, so always locks out plain keys unless it knows them.',
    section: 'keys',
    since: '0.1',
  })),
  ssh_key_policy_enabled: key(false, () => ({
    schema: toggle(),
    says: 'Refuse keys of a type or size that the three keys below do not allow.',
    section: 'keys',
  })),
  ssh_key_allowed_types: key(['rsa', 'ed25519', 'ecdsa', 'sk'], () => ({
    schema: keyTypeList(),
    says: 'Key types allowed.',
    section: 'keys',
    example: 'ed25519, sk',
  })),
  ssh_key_min_rsa_bits: key(2048, () => ({
    schema: whole(1024, 16384),
    says: 'Smallest RSA key allowed.',
    section: 'keys',
    unit: 'bits',
  })),
  ssh_key_min_ecdsa_bits: key(256, () => ({
    schema: whole(256, 521),
    says: 'Smallest ECDSA key allowed.',
    section: 'keys',
    unit: 'bits',
  })),
  krl_max_age: key(0, () => ({
    schema: whole(0, 31_536_000),
    says:
      'How old the revocation list may be, since ob krl update last fetched it, before certificates are refused. ' +
      '0: any age. A value below the interval of the timer that fetches it locks everybody with a certificate out.',
    section: 'keys',
    unit: 'seconds',
    since: '0.1',
  })),
}
