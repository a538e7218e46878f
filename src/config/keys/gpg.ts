// Keys of the OpenPGP challenge (ob gpg) and of recovery codes.
import { key, optional } from '../key.ts'
import { choice, groupList, nameList, path, serviceList, toggle, whole, words } from '../value-types.ts'

const services = ['sshd', 'sudo', 'sudo-i', 'su', 'su-l', 'login']

export const gpgKeys = {
  gpg_services: key<readonly string[]>(services, () => ({
    schema: serviceList(),
    says: 'PAM services in which a challenge is offered, where their stack runs ob gpg ask.',
    section: 'gpg',
    since: '0.2',
  })),
  gpg_users: optional<readonly string[]>(() => ({
    schema: nameList(),
    says: 'Users who may answer a challenge. Neither this nor gpg_groups set: everybody who has a key here.',
    section: 'gpg',
    example: 'alice, bob',
    since: '0.2',
  })),
  gpg_groups: optional<readonly string[]>(() => ({
    schema: groupList(),
    says: 'Members of these groups may answer a challenge, besides gpg_users.',
    section: 'gpg',
    example: 'admins',
    since: '0.2',
  })),
  gpg_when: key('always', () => ({
    schema: choice(['always', 'unreachable']),
    says:
      'When a challenge is offered: always, or only while the portal gives no answer. In the second case each login ' +
      'is the security event BREAK_GLASS.',
    section: 'gpg',
    since: '0.2',
  })),
  gpg_break_glass: key<readonly string[]>([], () => ({
    schema: nameList(),
    says:
      'Users whom an answered challenge lets log in and use sudo while the portal gives no answer, even when nothing ' +
      'that it said before is kept. sudoers still decides what they may do.',
    section: 'gpg',
    example: 'alice',
    since: '0.2',
  })),
  gpg_timeout: key(600, () => ({
    schema: whole(30, 3600),
    says: 'How long a challenge can be answered. sshd ends a login after its LoginGraceTime, whatever this says.',
    section: 'gpg',
    unit: 'seconds',
    since: '0.2',
  })),
  gpg_qr: key<boolean>(true, () => ({
    schema: toggle(),
    says: 'Show the challenge as a QR code too, where that is at most 80 columns wide: keys of elliptic curves.',
    section: 'gpg',
    since: '0.2',
  })),
  gpg_signing_key: optional<string>(() => ({
    schema: path(),
    says:
      'Secret OpenPGP key of this host, without passphrase, that signs its challenges. Never the key of a person; ' +
      'ob gpg signing-key makes one.',
    section: 'gpg',
    example: '/etc/open-bastion/gpg-signing.key',
    since: '0.2',
  })),
  gpg_user_files: key(false, () => ({
    schema: toggle(),
    says:
      'Read ~/.auth_gpg and the key ring of users who have no file in /etc/open-bastion/gpg. Who can write to a home ' +
      'can then log in as its owner.',
    section: 'gpg',
    since: '0.2',
  })),
  gpg_web: key('off', () => ({
    schema: choice(['off', 'webQrAuthTls', 'webQrNoAuthTls', 'webQrAuthNoTls', 'webQrNoAuthNoTls']),
    says: 'Show the QR code in a browser, too: with or without a password that the login shows, with or without TLS.',
    section: 'gpg',
    since: '0.2',
  })),
  gpg_web_address: optional<string>(() => ({
    schema: words(),
    says: 'Address of this host on which the page listens, and which the person is told.',
    section: 'gpg',
    example: '192.0.2.10',
    since: '0.2',
  })),
  gpg_web_first_port: key(47100, () => ({
    schema: whole(1024, 65535),
    says: 'First port for the page; each challenge takes one, and without a free one there is no page.',
    section: 'gpg',
    since: '0.2',
  })),
  gpg_web_last_port: key(47115, () => ({
    schema: whole(1024, 65535),
    says: 'Last port for the page.',
    section: 'gpg',
    since: '0.2',
  })),
  gpg_web_certificate: optional<string>(() => ({
    schema: path(),
    says: 'PEM file with the certificate of the page.',
    section: 'gpg',
    example: '/etc/ssl/certs/host.pem',
    since: '0.2',
  })),
  gpg_web_key: optional<string>(() => ({
    schema: path(),
    says: 'PEM file with the private key that goes with gpg_web_certificate.',
    section: 'gpg',
    example: '/etc/ssl/private/host.key',
    since: '0.2',
  })),
  gpg_web_insecure: key(false, () => ({
    schema: toggle(),
    says: 'Allow the variants of gpg_web without TLS, whose page everybody on the way can read and change.',
    section: 'gpg',
    since: '0.2',
  })),
}
