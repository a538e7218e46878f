// Keys of this host's own certificate authority, and of accounts that turn into a person.

import { secureAddress } from '../address-types.ts'
import { key, optional } from '../key.ts'
import { loginName, loginNameList, path, remoteAccount, subset, toggle, whole, words } from '../value-types.ts'

const openSshExtensions = [
  'permit-pty',
  'permit-port-forwarding',
  'permit-agent-forwarding',
  'permit-X11-forwarding',
  'permit-user-rc',
] as const

export const caKeys = {
  ca_user: optional<string>(() => ({
    schema: loginName(),
    says:
      'The account at which this host signs people’s keys: ssh ca@HOST token TOKEN. Not set: this host is no ' +
      'certificate authority. docs/certificates.md has the rest.',
    section: 'authority',
    example: 'ca',
    since: '0.2',
  })),
  ca_name: optional<string>(() => ({
    schema: words(),
    says: 'Name of the authority, in the key ID of every certificate. Not set: the name of this host.',
    section: 'authority',
    example: 'ca.example.org',
    since: '0.2',
  })),
  ca_public_keys: key('/etc/open-bastion/ca/user_ca.pub', () => ({
    schema: path(),
    says: 'Public keys of the authority: the first one signs, all of them are shown to hosts.',
    section: 'authority',
    since: '0.2',
  })),
  ca_host_public_keys: key('/etc/open-bastion/ca/host_ca.pub', () => ({
    schema: path(),
    says: 'Public keys of the authority for hosts, in the same way.',
    section: 'authority',
    since: '0.2',
  })),
  ca_host_lifetime: key(7_776_000, () => ({
    schema: whole(86_400, 63_072_000),
    says: 'How long the certificate of a host is good for. The host renews it when a third of that is left.',
    section: 'authority',
    unit: 'seconds',
    since: '0.2',
  })),
  ca_agent: key('/run/open-bastion-ca/agent', () => ({
    schema: path(),
    says: 'Socket of the ssh-agent that holds the private key and runs as another user.',
    section: 'authority',
    since: '0.2',
  })),
  ca_lifetime: key(36_000, () => ({
    schema: whole(300, 2_678_400),
    says: 'How long a certificate is good for.',
    section: 'authority',
    unit: 'seconds',
    since: '0.2',
  })),
  ca_principals: key<readonly string[]>(['user'], () => ({
    schema: subset(['user', 'groups']),
    says:
      'Names in a certificate: the user, who is always the first, and with groups also group:NAME for every group ' +
      'that the portal names.',
    section: 'authority',
    example: 'user, groups',
    since: '0.2',
  })),
  ca_extensions: key<readonly string[]>(['permit-pty', 'permit-port-forwarding'], () => ({
    schema: subset(openSshExtensions),
    says: 'What a certificate allows.',
    section: 'authority',
    since: '0.2',
  })),
  ca_options: key<readonly string[]>([], () => ({
    schema: subset(['source-address', 'verify-required']),
    says:
      'Critical options of a certificate. source-address: it works only from the address that it was asked from. ' +
      'verify-required: a security key asks for its PIN at every use.',
    section: 'authority',
    example: 'source-address',
    since: '0.2',
  })),
  ca_attributes: key<readonly string[]>([], () => ({
    schema: subset(['gecos', 'groups']),
    says: 'What the portal says of the person that is written into the certificate, for hosts with cert_attributes.',
    section: 'authority',
    example: 'gecos, groups',
    since: '0.2',
  })),
}

export const trustKeys = {
  krl_url: optional<string>(() => ({
    schema: secureAddress(),
    says: 'Where ob krl update fetches the revocation list. Not set: from the portal.',
    section: 'keys',
    example: 'https://ca.example.org/revoked_keys',
    since: '0.2',
  })),
  host_certificate_from: optional<string>(() => ({
    schema: remoteAccount(),
    says: 'The authority that signs this host’s key, asked by ob heartbeat when the certificate is about to end.',
    section: 'keys',
    example: 'ca@ca.example.org',
    since: '0.2',
  })),
}

export const shellKeys = {
  functional_accounts: key<readonly string[]>([], () => ({
    schema: loginNameList(),
    says:
      'Accounts that turn into the person who logged in with a certificate: ssh login@HOST. Their login shell is ' +
      'ob-shell. docs/smart-shell.md has the rest.',
    section: 'accounts',
    example: 'login, web',
    since: '0.2',
  })),
  functional_logins: key(false, () => ({
    schema: toggle(),
    says:
      'Whether people may log in at these accounts without a certificate: with a typed one-time token, or on the web, ' +
      'as the PAM stack asks. sshd must ask too: AuthenticationMethods publickey keyboard-interactive.',
    section: 'accounts',
    since: '0.2',
  })),
  cert_attributes: key<readonly string[]>([], () => ({
    schema: subset(['gecos', 'groups']),
    says:
      'What a certificate may say of a person where the portal says nothing. Groups count only when ' +
      'allowed_managed_groups names them.',
    section: 'accounts',
    example: 'gecos',
    since: '0.2',
  })),
}
