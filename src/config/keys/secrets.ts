// Keys of secrets at rest.
import { key } from '../key.ts'
import { keyringName, toggle } from '../value-types.ts'

export const secretsKeys = {
  secrets_encrypted: key(true, () => ({
    schema: toggle(),
    says:
      'Use the sealed store of ob secret: a secret of this file may be written sealed:NAME, or be left out here and ' +
      'kept there under the name of its key. ob enroll seals the refresh token there.',
    section: 'secrets',
  })),
  secrets_use_keyring: key(true, () => ({
    schema: toggle(),
    says:
      'Keep derived keys in the keyring that the kernel holds for root. false, or where the kernel refuses: in ' +
      '/run/open-bastion/keys. Either way until the next boot at most.',
    section: 'secrets',
  })),
  secrets_keyring_name: key('open-bastion', () => ({
    schema: keyringName(),
    says: 'What the descriptions of those keys in the keyring begin with.',
    section: 'secrets',
  })),
}

export const secretsAliases = {
  use_keyring: 'secrets_use_keyring',
  keyring_name: 'secrets_keyring_name',
} as const
