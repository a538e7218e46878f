// Keys of this host as an OAuth client, and of access tokens as proof of who a person is.
import { key, optional } from '../key.ts'
import { choice, path, pattern, toggle, whole, wordList, words } from '../value-types.ts'

export const clientKeys = {
  client_auth_method: key('auto', () => ({
    schema: choice(['auto', 'client_secret_jwt', 'private_key_jwt', 'client_secret_basic', 'client_secret_post']),
    says:
      'How this host proves that it is client_id. auto signs with client_key_file or else with client_secret. ' +
      'Only client_secret_basic and client_secret_post send the secret itself.',
    section: 'host',
    since: '0.2',
  })),
  client_key_file: optional(() => ({
    schema: path(),
    says:
      'PEM file (PKCS#8, mode 0600) of the private key that proves client_id instead of a secret. ' +
      'RSA, P-256, P-384, P-521 and Ed25519 keys sign RS256, ES256, ES384, ES512 and EdDSA.',
    section: 'host',
    example: '/etc/open-bastion/client.key',
    since: '0.2',
  })),
  client_key_id: optional(() => ({
    schema: words(),
    says: 'Key ID (kid) of client_key_file in the key set that the portal has of this client.',
    section: 'host',
    example: 'fleet-2026',
    since: '0.2',
  })),
}

export const accessTokenKeys = {
  token_pattern: key('[0-9a-f]{64}', () => ({
    schema: pattern(),
    says:
      'Regular expression that a whole one-time token matches. What does not match is not sent to the portal: it is ' +
      'a mistyped password, most likely. The default is the shape of the tokens of LemonLDAP::NG. Access tokens ' +
      '(oauth2_token_auth) have a shape of their own: at least 32 characters of RFC 6750.',
    section: 'host',
    since: '0.2',
  })),
  oauth2_token_auth: key(false, () => ({
    schema: toggle(),
    says:
      'What people type is an OAuth access token, and the portal is asked at its introspection endpoint, not at ' +
      '/pam/verify. Such a token works more than once. Needs client_id and client_secret or client_key_file.',
    section: 'host',
  })),
  oauth2_token_min_ttl: key(60, () => ({
    schema: whole(0, 3600),
    says: 'How long such a token must still be good for.',
    section: 'host',
    unit: 'seconds',
  })),
  oauth2_token_clients: optional<readonly string[]>(() => ({
    schema: wordList(),
    says:
      'Client IDs whose access tokens are accepted. Not set: only client_id. The token of any other application ' +
      'is refused, or each of them could log in here as its users.',
    section: 'host',
    example: 'desktop, pam-access',
    since: '0.2',
  })),
}
