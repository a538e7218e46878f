// Every key of openbastion.conf, once. The program reads through it; the sample, the manual page and the docs are printed from it.
import {
  accountPath,
  choice,
  fraction,
  type Kind,
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
} from './values.ts'

export const sections = {
  portal: 'The portal and how it is reached',
  host: 'This host, as the portal knows it',
  keys: 'Keys and certificates',
  accounts: 'Accounts on this host',
  lockout: 'Lockouts after failures',
  audit: 'Audit and logging',
} as const

export type Section = keyof typeof sections

export type About = {
  readonly section: Section
  readonly unit?: string
  readonly secret?: true
  readonly example?: string
  readonly aliases?: readonly string[]
  /** Only for keys that the C implementation does not have. */
  readonly since?: string
}

/** What is known of one key. `fallback` is what the program gets when no line sets it. */
export type Key<T> = {
  readonly schema: Kind<NonNullable<T>>
  readonly fallback: T | undefined
  readonly required: boolean
  readonly about: About
  readonly description: string
}

const key = <T>(schema: Kind<T & {}>, fallback: T & {}, about: About, description: string): Key<T> => ({
  schema,
  fallback,
  required: false,
  about,
  description,
})

const optional = <T>(schema: Kind<T & {}>, about: About, description: string): Key<T | undefined> => ({
  schema,
  fallback: undefined,
  required: false,
  about,
  description,
})

const required = <T>(schema: Kind<T & {}>, about: About, description: string): Key<T> => ({
  schema,
  fallback: undefined,
  required: true,
  about,
  description,
})

// biome-ignore format: a list
const shells = [
  '/bin/bash', '/bin/sh', '/bin/zsh', '/bin/dash', '/bin/fish',
  '/usr/bin/bash', '/usr/bin/sh', '/usr/bin/zsh', '/usr/bin/dash', '/usr/bin/fish',
]

export const keys = {
  portal_url: required(
    portalAddress,
    { section: 'portal', aliases: ['portal'], example: 'https://auth.example.com' },
    'Address of the LemonLDAP::NG portal. The only key that must be set.',
  ),
  timeout: key(
    whole(1, 20, ': the whole login must end well inside sshd’s LoginGraceTime'),
    10,
    { section: 'portal', unit: 'seconds' },
    'How long one request to the portal may take.',
  ),
  verify_ssl: key(
    onlyTrue,
    true,
    { section: 'portal' },
    'Kept for old files. Checking the portal’s certificate cannot be switched off.',
  ),
  ca_cert: optional(
    path,
    { section: 'portal', example: '/etc/ssl/certs/company-ca.pem' },
    'PEM file of the certificate authorities to trust instead of the system’s.',
  ),
  min_tls_version: key(tlsVersion, 13, { section: 'portal' }, 'Lowest TLS version spoken with the portal.'),
  cert_pin: key(
    pinList,
    [],
    { section: 'portal', example: 'sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=' },
    'Accept only a portal certificate with one of these public keys, besides checking it as usual.',
  ),
  request_signing_secret: optional(
    secret,
    { section: 'portal', secret: true },
    'Key of the HMAC-SHA256 signature on every request to the portal. Not set: requests are not signed.',
  ),
  proxy: optional(
    proxyAddress,
    { section: 'portal', example: 'http://proxy.example.com:3128', since: '0.1' },
    'Proxy between this host and the portal. Not set: none. Proxies named in the environment are never used.',
  ),
  client_id: optional(
    words,
    { section: 'host', example: 'pam-access' },
    'Client ID that the portal gave this fleet. Enrollment needs it.',
  ),
  client_secret: optional(
    secret,
    { section: 'host', secret: true },
    'Client secret that goes with client_id. It never leaves this host where an assertion can replace it.',
  ),
  server_token_file: key(
    path,
    '/var/lib/open-bastion/token',
    { section: 'host', aliases: ['token_file'] },
    'Where enrollment keeps the server token.',
  ),
  server_group: key(
    words,
    'default',
    { section: 'host' },
    'Group of servers this host belongs to; the portal’s rules name it.',
  ),
  node_role: optional(
    choice(['standalone', 'bastion', 'backend']),
    { section: 'host', example: 'bastion' },
    'What this host is; reported to the portal with every heartbeat. Not set: not reported.',
  ),
  authorize_only: key(
    toggle,
    false,
    { section: 'host' },
    'Only decide whether a user may enter; never accept a one-time token as proof of who it is.',
  ),
  fingerprint_binding: key(
    choice(['certificates', 'always', 'never']),
    'certificates',
    { section: 'keys', since: '0.1' },
    'When the portal is asked again with the fingerprint of the key that sshd proved. ' +
      'A portal refuses keys that it did not sign, so always locks out plain keys unless it knows them.',
  ),
  authorized_keys_dir: key(
    path,
    '/etc/open-bastion/authorized_keys.d',
    { section: 'keys', since: '0.1' },
    'Directory with one authorized_keys file for each user, kept by the administrator.',
  ),
  ssh_key_policy_enabled: key(
    toggle,
    false,
    { section: 'keys', aliases: ['ssh_key_policy'] },
    'Refuse keys of a type or size that the three keys below do not allow.',
  ),
  ssh_key_allowed_types: key(
    keyTypeList,
    ['rsa', 'ed25519', 'ecdsa', 'sk'],
    { section: 'keys', aliases: ['ssh_allowed_types'], example: 'ed25519, sk' },
    'Key types allowed.',
  ),
  ssh_key_min_rsa_bits: key(
    whole(1024, 16384),
    2048,
    { section: 'keys', unit: 'bits', aliases: ['ssh_min_rsa_bits'] },
    'Smallest RSA key allowed.',
  ),
  ssh_key_min_ecdsa_bits: key(
    whole(256, 521),
    256,
    { section: 'keys', unit: 'bits', aliases: ['ssh_min_ecdsa_bits'] },
    'Smallest ECDSA key allowed.',
  ),
  create_user: key(
    toggle,
    false,
    { section: 'accounts', aliases: ['create_user_enabled'] },
    'Make an account and its home for a user whom the portal allows and this host does not know.',
  ),
  create_user_shell: key(
    accountPath,
    '/bin/bash',
    { section: 'accounts' },
    'Shell of new accounts for which the portal names none that is approved.',
  ),
  create_user_home_base: key(
    accountPath,
    '/home',
    { section: 'accounts', aliases: ['home_base'] },
    'Directory for the homes of new accounts.',
  ),
  create_user_skel: key(
    accountPath,
    '/etc/skel',
    { section: 'accounts', aliases: ['skel'] },
    'Directory that new homes are copied from.',
  ),
  approved_shells: key(pathList, shells, { section: 'accounts' }, 'Shells the portal may name.'),
  approved_home_prefixes: key(
    pathList,
    ['/home', '/var/home'],
    { section: 'accounts' },
    'Directories below which the portal may place homes.',
  ),
  min_uid: key(whole(1000, 2 ** 31 - 2), 10000, { section: 'accounts' }, 'Smallest uid given to a user of the portal.'),
  max_uid: key(
    whole(1001, 2 ** 31 - 1),
    60000,
    { section: 'accounts' },
    'Largest uid given to a user of the portal; larger than min_uid.',
  ),
  rate_limit_enabled: key(
    toggle,
    true,
    { section: 'lockout', aliases: ['rate_limit'] },
    'Lock a user and source out after too many rejected tokens.',
  ),
  rate_limit_state_dir: key(
    path,
    '/var/lib/open-bastion/ratelimit',
    { section: 'lockout' },
    'Where failures are counted.',
  ),
  rate_limit_max_attempts: key(whole(1, 100), 5, { section: 'lockout' }, 'Failures before the first lockout.'),
  rate_limit_initial_lockout: key(
    whole(1, 3600),
    30,
    { section: 'lockout', unit: 'seconds' },
    'Length of the first lockout.',
  ),
  rate_limit_max_lockout: key(
    whole(60, 86400),
    3600,
    { section: 'lockout', unit: 'seconds' },
    'Length no lockout exceeds.',
  ),
  rate_limit_backoff_mult: key(
    fraction(1.1, 10),
    2,
    { section: 'lockout', unit: 'times' },
    'How much longer each lockout is than the one before.',
  ),
  audit_enabled: key(toggle, true, { section: 'audit', aliases: ['audit'] }, 'Write one JSON line for every decision.'),
  audit_log_file: key(
    path,
    '/var/log/open-bastion/audit.json',
    { section: 'audit', aliases: ['audit_file'] },
    'File the audit lines are appended to.',
  ),
  audit_to_syslog: key(
    toggle,
    true,
    { section: 'audit', aliases: ['audit_syslog'] },
    'Send the audit lines to syslog as well.',
  ),
  audit_level: key(
    level(['critical', 'auth', 'all']),
    'auth',
    { section: 'audit' },
    'Which decisions are written: critical ones, those about logins too, or all.',
  ),
  audit_required: key(
    toggle,
    false,
    { section: 'audit', since: '0.1' },
    'Refuse a login whose audit line can be written nowhere.',
  ),
  log_level: key(
    level(['error', 'warn', 'info', 'debug']),
    'warn',
    { section: 'audit', aliases: ['debug'] },
    'How much is said in syslog besides audit lines. It never changes what is checked.',
  ),
}

export type KeyName = keyof typeof keys

/** What the program knows of openbastion.conf. Secrets are Secret; what is not set and has no default is undefined. */
export type Config = { readonly [K in KeyName]: (typeof keys)[K] extends Key<infer T> ? T : never }

export const keyNames = Object.keys(keys) as readonly KeyName[]
