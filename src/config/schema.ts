// Every key of openbastion.conf, once. The program reads through it; the sample, the manual page and the docs are printed from it.
import * as v from 'valibot'
import {
  accountPath,
  choice,
  fraction,
  keyTypeList,
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

const about = <Input>(facts: About) => v.metadata<Input, About>(facts)
const says = v.description

const shells = ['bash', 'sh', 'zsh', 'dash', 'fish'].flatMap((name) => [`/bin/${name}`, `/usr/bin/${name}`]).join(':')

export const keys = v.object({
  portal_url: v.pipe(
    portalAddress,
    says('Address of the LemonLDAP::NG portal. The only key that must be set.'),
    about({ section: 'portal', aliases: ['portal'], example: 'https://auth.example.com' }),
  ),
  timeout: v.pipe(
    v.optional(whole(1, 20, ': the whole login must end well inside sshd’s LoginGraceTime'), '10'),
    says('How long one request to the portal may take.'),
    about({ section: 'portal', unit: 'seconds' }),
  ),
  verify_ssl: v.pipe(
    v.optional(onlyTrue, 'true'),
    says('Kept for old files. Checking the portal’s certificate cannot be switched off.'),
    about({ section: 'portal' }),
  ),
  ca_cert: v.pipe(
    v.optional(path),
    says('PEM file of the certificate authorities to trust instead of the system’s.'),
    about({ section: 'portal', example: '/etc/ssl/certs/company-ca.pem' }),
  ),
  min_tls_version: v.pipe(
    v.optional(tlsVersion, '13'),
    says('Lowest TLS version spoken with the portal.'),
    about({ section: 'portal' }),
  ),
  cert_pin: v.pipe(
    v.optional(pinList),
    says('Accept only a portal certificate with one of these public keys, besides checking it as usual.'),
    about({ section: 'portal', example: 'sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=' }),
  ),
  request_signing_secret: v.pipe(
    v.optional(secret),
    says('Key of the HMAC-SHA256 signature on every request to the portal. Not set: requests are not signed.'),
    about({ section: 'portal', secret: true }),
  ),
  proxy: v.pipe(
    v.optional(proxyAddress),
    says('Proxy between this host and the portal. Not set: none. Proxies named in the environment are never used.'),
    about({ section: 'portal', example: 'http://proxy.example.com:3128', since: '0.1' }),
  ),
  client_id: v.pipe(
    v.optional(words),
    says('Client ID that the portal gave this fleet. Enrollment needs it.'),
    about({ section: 'host', example: 'pam-access' }),
  ),
  client_secret: v.pipe(
    v.optional(secret),
    says('Client secret that goes with client_id. It never leaves this host where an assertion can replace it.'),
    about({ section: 'host', secret: true }),
  ),
  server_token_file: v.pipe(
    v.optional(path, '/var/lib/open-bastion/token'),
    says('Where enrollment keeps the server token.'),
    about({ section: 'host', aliases: ['token_file'] }),
  ),
  server_group: v.pipe(
    v.optional(words, 'default'),
    says('Group of servers this host belongs to; the portal’s rules name it.'),
    about({ section: 'host' }),
  ),
  node_role: v.pipe(
    v.optional(choice(['standalone', 'bastion', 'backend'])),
    says('What this host is; reported to the portal with every heartbeat. Not set: not reported.'),
    about({ section: 'host', example: 'bastion' }),
  ),
  authorize_only: v.pipe(
    v.optional(toggle, 'false'),
    says('Only decide whether a user may enter; never accept a one-time token as proof of who it is.'),
    about({ section: 'host' }),
  ),
  fingerprint_binding: v.pipe(
    v.optional(choice(['certificates', 'always', 'never']), 'certificates'),
    says(
      'When the portal is asked again with the fingerprint of the key that sshd proved. ' +
        'A portal refuses keys that it did not sign, so always locks out plain keys unless it knows them.',
    ),
    about({ section: 'keys', since: '0.1' }),
  ),
  authorized_keys_dir: v.pipe(
    v.optional(path, '/etc/open-bastion/authorized_keys.d'),
    says('Directory with one authorized_keys file for each user, kept by the administrator.'),
    about({ section: 'keys', since: '0.1' }),
  ),
  ssh_key_policy_enabled: v.pipe(
    v.optional(toggle, 'false'),
    says('Refuse keys of a type or size that the three keys below do not allow.'),
    about({ section: 'keys', aliases: ['ssh_key_policy'] }),
  ),
  ssh_key_allowed_types: v.pipe(
    v.optional(keyTypeList, 'all'),
    says('Key types allowed.'),
    about({ section: 'keys', aliases: ['ssh_allowed_types'], example: 'ed25519, sk' }),
  ),
  ssh_key_min_rsa_bits: v.pipe(
    v.optional(whole(1024, 16384), '2048'),
    says('Smallest RSA key allowed.'),
    about({ section: 'keys', unit: 'bits', aliases: ['ssh_min_rsa_bits'] }),
  ),
  ssh_key_min_ecdsa_bits: v.pipe(
    v.optional(whole(256, 521), '256'),
    says('Smallest ECDSA key allowed.'),
    about({ section: 'keys', unit: 'bits', aliases: ['ssh_min_ecdsa_bits'] }),
  ),
  create_user: v.pipe(
    v.optional(toggle, 'false'),
    says('Make an account and its home for a user whom the portal allows and this host does not know.'),
    about({ section: 'accounts', aliases: ['create_user_enabled'] }),
  ),
  create_user_shell: v.pipe(
    v.optional(accountPath, '/bin/bash'),
    says('Shell of new accounts for which the portal names none that is approved.'),
    about({ section: 'accounts' }),
  ),
  create_user_home_base: v.pipe(
    v.optional(accountPath, '/home'),
    says('Directory for the homes of new accounts.'),
    about({ section: 'accounts', aliases: ['home_base'] }),
  ),
  create_user_skel: v.pipe(
    v.optional(accountPath, '/etc/skel'),
    says('Directory that new homes are copied from.'),
    about({ section: 'accounts', aliases: ['skel'] }),
  ),
  approved_shells: v.pipe(
    v.optional(pathList, shells),
    says('Shells the portal may name.'),
    about({ section: 'accounts' }),
  ),
  approved_home_prefixes: v.pipe(
    v.optional(pathList, '/home:/var/home'),
    says('Directories below which the portal may place homes.'),
    about({ section: 'accounts' }),
  ),
  min_uid: v.pipe(
    v.optional(whole(1000, 2 ** 31 - 2), '10000'),
    says('Smallest uid given to a user of the portal.'),
    about({ section: 'accounts' }),
  ),
  max_uid: v.pipe(
    v.optional(whole(1001, 2 ** 31 - 1), '60000'),
    says('Largest uid given to a user of the portal; larger than min_uid.'),
    about({ section: 'accounts' }),
  ),
  rate_limit_enabled: v.pipe(
    v.optional(toggle, 'true'),
    says('Lock a user and source out after too many rejected tokens.'),
    about({ section: 'lockout', aliases: ['rate_limit'] }),
  ),
  rate_limit_state_dir: v.pipe(
    v.optional(path, '/var/lib/open-bastion/ratelimit'),
    says('Where failures are counted.'),
    about({ section: 'lockout' }),
  ),
  rate_limit_max_attempts: v.pipe(
    v.optional(whole(1, 100), '5'),
    says('Failures before the first lockout.'),
    about({ section: 'lockout' }),
  ),
  rate_limit_initial_lockout: v.pipe(
    v.optional(whole(1, 3600), '30'),
    says('Length of the first lockout.'),
    about({ section: 'lockout', unit: 'seconds' }),
  ),
  rate_limit_max_lockout: v.pipe(
    v.optional(whole(60, 86400), '3600'),
    says('Length no lockout exceeds.'),
    about({ section: 'lockout', unit: 'seconds' }),
  ),
  rate_limit_backoff_mult: v.pipe(
    v.optional(fraction(1.1, 10), '2'),
    says('How much longer each lockout is than the one before.'),
    about({ section: 'lockout', unit: 'times' }),
  ),
  audit_enabled: v.pipe(
    v.optional(toggle, 'true'),
    says('Write one JSON line for every decision.'),
    about({ section: 'audit', aliases: ['audit'] }),
  ),
  audit_log_file: v.pipe(
    v.optional(path, '/var/log/open-bastion/audit.json'),
    says('File the audit lines are appended to.'),
    about({ section: 'audit', aliases: ['audit_file'] }),
  ),
  audit_to_syslog: v.pipe(
    v.optional(toggle, 'true'),
    says('Send the audit lines to syslog as well.'),
    about({ section: 'audit', aliases: ['audit_syslog'] }),
  ),
  audit_level: v.pipe(
    v.optional(choice(['critical', 'auth', 'all'], { 0: 'critical', 1: 'auth', 2: 'all' }), 'auth'),
    says('Which decisions are written: critical ones, those about logins too, or all.'),
    about({ section: 'audit' }),
  ),
  audit_required: v.pipe(
    v.optional(toggle, 'false'),
    says('Refuse a login whose audit line can be written nowhere.'),
    about({ section: 'audit', since: '0.1' }),
  ),
  log_level: v.pipe(
    v.optional(choice(['error', 'warn', 'info', 'debug'], { 0: 'error', 1: 'warn', 2: 'info', 3: 'debug' }), 'warn'),
    says('How much is said in syslog besides audit lines. It never changes what is checked.'),
    about({ section: 'audit', aliases: ['debug'] }),
  ),
})

export const configSchema = v.pipe(
  keys,
  v.forward(
    v.check((config) => config.min_uid < config.max_uid, 'must be larger than min_uid'),
    ['max_uid'],
  ),
)

/** What the program knows of openbastion.conf. Secrets are Secret; a key that is not set and has no default is undefined. */
export type Config = Readonly<v.InferOutput<typeof keys>>
export type KeyName = keyof Config

/** The facts of one key, as its metadata gives them. */
export const factsOf = (key: KeyName): About => v.getMetadata(keys.entries[key])
