// Every key of openbastion.conf, once. The program reads through it; the sample, the manual page and the docs are
// printed from it.

import { type Key, key, optional, required } from './key.ts'
import { accountKeys } from './keys/accounts.ts'
import { bastionAliases, bastionKeys } from './keys/bastion.ts'
import { caKeys, shellKeys } from './keys/ca.ts'
import { cacheAliases, cacheKeys } from './keys/caches.ts'
import { gpgKeys } from './keys/gpg.ts'
import { lockoutKeys } from './keys/lockout.ts'
import { notifyAliases, notifyKeys } from './keys/notify.ts'
import { accessTokenKeys, clientKeys } from './keys/oauth.ts'
import { secretsAliases, secretsKeys } from './keys/secrets.ts'
import { serviceKeys } from './keys/services.ts'
import { webloginKeys } from './keys/weblogin.ts'
import {
  accountPath,
  choice,
  keyTypeList,
  level,
  onlyTrue,
  path,
  pathList,
  pinList,
  portalAddress,
  proxyAddress,
  secret,
  tlsVersion,
  toggle,
  whole,
  words,
} from './value-types.ts'

export { type Key, type Section, sections } from './key.ts'

// biome-ignore format: a list
const shells = [
  '/bin/bash', '/bin/sh', '/usr/bin/bash', '/usr/bin/sh', '/bin/zsh',
  '/usr/bin/zsh', '/bin/dash', '/usr/bin/dash', '/bin/fish', '/usr/bin/fish',
]

export const keys = {
  portal_url: required(() => ({
    schema: portalAddress(),
    says: 'Address of the LemonLDAP::NG portal. The only key that must be set, unless weblogin_url is.',
    section: 'portal',
    example: 'https://auth.example.com',
  })),
  timeout: key(10, () => ({
    schema: whole(1, 20, ': the whole login must end well inside sshd’s LoginGraceTime'),
    says: 'How long one request to the portal may take.',
    section: 'portal',
    unit: 'seconds',
  })),
  verify_ssl: key(true, () => ({
    schema: onlyTrue(),
    says: 'Kept for old files. Checking the portal’s certificate cannot be switched off.',
    section: 'portal',
  })),
  ca_cert: optional(() => ({
    schema: path(),
    says: 'PEM file of the certificate authorities to trust instead of the system’s.',
    section: 'portal',
    example: '/etc/ssl/certs/company-ca.pem',
  })),
  min_tls_version: key(13, () => ({
    schema: tlsVersion(),
    says: 'Lowest TLS version spoken with the portal.',
    section: 'portal',
  })),
  cert_pin: key([], () => ({
    schema: pinList(),
    says: 'Accept only a portal certificate with one of these public keys, besides checking it as usual.',
    section: 'portal',
    example: 'sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=',
  })),
  request_signing_secret: optional(() => ({
    schema: secret(),
    says: 'Key of the HMAC-SHA256 signature on every request to the portal. Not set: requests are not signed.',
    section: 'portal',
    secret: true,
  })),
  proxy: optional(() => ({
    schema: proxyAddress(),
    says: 'Proxy between this host and the portal. Not set: none. Proxies named in the environment are never used.',
    section: 'portal',
    example: 'http://proxy.example.com:3128',
    since: '0.1',
  })),
  client_id: optional(() => ({
    schema: words(),
    says: 'Client ID that the portal gave this fleet. Enrollment needs it.',
    section: 'host',
    example: 'pam-access',
  })),
  client_secret: optional(() => ({
    schema: secret(),
    says: 'Client secret that goes with client_id. It never leaves this host where an assertion can replace it.',
    section: 'host',
    secret: true,
  })),
  ...clientKeys,
  server_token_file: key('/var/lib/open-bastion/token', () => ({
    schema: path(),
    says: 'Where enrollment keeps the server token.',
    section: 'host',
  })),
  server_group: key('default', () => ({
    schema: words(),
    says: 'Group of servers this host belongs to; the portal’s rules name it.',
    section: 'host',
  })),
  node_role: optional(() => ({
    schema: choice(['standalone', 'bastion', 'backend']),
    says: 'What this host is; reported to the portal with every heartbeat. Not set: not reported.',
    section: 'host',
    example: 'bastion',
  })),
  report_sessions: key(true, () => ({
    schema: toggle(),
    says: 'Tell the portal with every heartbeat who is logged in to this host, from where and since when.',
    section: 'host',
  })),
  max_reported_sessions: key(200, () => ({
    schema: whole(0, 10000),
    says: 'How many sessions are told; the newest ones when there are more.',
    section: 'host',
  })),
  authorize_only: key(false, () => ({
    schema: toggle(),
    says: 'Only decide whether a user may enter; never accept a one-time token as proof of who it is.',
    section: 'host',
  })),
  ...accessTokenKeys,
  ...serviceKeys,
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
  ...secretsKeys,
  krl_max_age: key(0, () => ({
    schema: whole(0, 31_536_000),
    says:
      'How old the revocation list may be, since ob krl update last fetched it, before certificates are refused. ' +
      '0: any age. A value below the interval of the timer that fetches it locks everybody with a certificate out.',
    section: 'keys',
    unit: 'seconds',
    since: '0.1',
  })),
  ...webloginKeys,
  ...bastionKeys,
  ...caKeys,
  service_accounts_file: key('/etc/open-bastion/service-accounts.conf', () => ({
    schema: path(),
    says: 'Accounts for programs, each bound to one key and decided without the portal. It may be missing.',
    section: 'accounts',
  })),
  create_user: key(false, () => ({
    schema: toggle(),
    says: 'Make an account and its home for a user whom the portal allows and this host does not know.',
    section: 'accounts',
  })),
  create_user_shell: key('/bin/bash', () => ({
    schema: accountPath(),
    says: 'Shell of new accounts for which the portal names none that is approved.',
    section: 'accounts',
  })),
  create_user_home_base: key('/home', () => ({
    schema: accountPath(),
    says: 'Directory for the homes of new accounts.',
    section: 'accounts',
  })),
  create_user_skel: key('/etc/skel', () => ({
    schema: accountPath(),
    says: 'Directory that new homes are copied from.',
    section: 'accounts',
  })),
  approved_shells: key(shells, () => ({
    schema: pathList(),
    says: 'Shells the portal may name.',
    section: 'accounts',
  })),
  approved_home_prefixes: key(['/home', '/var/home'], () => ({
    schema: pathList(),
    says: 'Directories below which the portal may place homes.',
    section: 'accounts',
  })),
  min_uid: key(10000, () => ({
    schema: whole(1000, 2 ** 31 - 2),
    says: 'Smallest uid given to a user of the portal.',
    section: 'accounts',
  })),
  max_uid: key(60000, () => ({
    schema: whole(1001, 2 ** 31 - 1),
    says: 'Largest uid given to a user of the portal; larger than min_uid.',
    section: 'accounts',
  })),
  ...accountKeys,
  ...shellKeys,
  ...lockoutKeys,
  ...lockoutKeys,
  offline_revalidation_enabled: key<boolean>(true, () => ({
    schema: toggle(),
    says: 'Ask the portal about sessions that began while it was away, and end those it does not allow.',
    section: 'offline',
  })),
  offline_max_sso_unreachable: key(3600, () => ({
    schema: whole(600, 86400),
    says: 'How long the portal may be silent, while the network is there, before sessions that began offline end.',
    section: 'offline',
    unit: 'seconds',
  })),
  ...cacheKeys,
  ...gpgKeys,
  audit_enabled: key(true, () => ({
    schema: toggle(),
    says: 'Write one JSON line for every decision.',
    section: 'audit',
  })),
  audit_log_file: key('/var/log/open-bastion/audit.json', () => ({
    schema: path(),
    says: 'File the audit lines are appended to.',
    section: 'audit',
  })),
  audit_to_syslog: key(true, () => ({
    schema: toggle(),
    says: 'Send the audit lines to syslog as well.',
    section: 'audit',
  })),
  audit_level: key('auth', () => ({
    schema: level(['critical', 'auth', 'all']),
    says: 'Which decisions are written: critical ones, those about logins too, or all.',
    section: 'audit',
  })),
  audit_required: key(false, () => ({
    schema: toggle(),
    says: 'Refuse a login whose audit line can be written nowhere.',
    section: 'audit',
    since: '0.1',
  })),
  log_level: key('warn', () => ({
    schema: level(['error', 'warn', 'info', 'debug']),
    says: 'How much is said in syslog besides audit lines. It never changes what is checked.',
    section: 'audit',
  })),
  ...notifyKeys,
}

export type KeyName = keyof typeof keys

/** The values of openbastion.conf. Secrets are Secret; a key that is not set and has no default is undefined. */
export type Config = { readonly [K in KeyName]: (typeof keys)[K] extends Key<infer T> ? T : never }

export const keyNames = Object.keys(keys) as readonly KeyName[]

/** Upstream's other names of keys. A function, because a file that uses none should not pay for them. */
export const aliases = (): Readonly<Record<string, KeyName>> => ({
  portal: 'portal_url',
  token_file: 'server_token_file',
  ssh_key_policy: 'ssh_key_policy_enabled',
  ssh_allowed_types: 'ssh_key_allowed_types',
  ssh_min_rsa_bits: 'ssh_key_min_rsa_bits',
  ssh_min_ecdsa_bits: 'ssh_key_min_ecdsa_bits',
  ...secretsAliases,
  ...bastionAliases,
  service_accounts: 'service_accounts_file',
  create_user_enabled: 'create_user',
  home_base: 'create_user_home_base',
  skel: 'create_user_skel',
  rate_limit: 'rate_limit_enabled',
  ...cacheAliases,
  audit: 'audit_enabled',
  audit_file: 'audit_log_file',
  audit_syslog: 'audit_to_syslog',
  debug: 'log_level',
  ...notifyAliases,
})
