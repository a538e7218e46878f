// Every key of openbastion.conf, once. The program reads through it; the sample, the manual page and the docs are
// printed from it.

import { type Key, key, optional } from './key.ts'
import { accountKeys } from './keys/accounts.ts'
import { auditKeys } from './keys/audit.ts'
import { bastionAliases, bastionKeys } from './keys/bastion.ts'
import { caKeys, shellKeys, trustKeys } from './keys/ca.ts'
import { cacheAliases, cacheKeys } from './keys/caches.ts'
import { gpgKeys } from './keys/gpg.ts'
import { lockoutKeys } from './keys/lockout.ts'
import { notifyAliases, notifyKeys } from './keys/notify.ts'
import { accessTokenKeys, clientKeys } from './keys/oauth.ts'
import { portalKeys } from './keys/portal.ts'
import { secretsAliases, secretsKeys } from './keys/secrets.ts'
import { serviceKeys } from './keys/services.ts'
import { sshKeys } from './keys/ssh.ts'
import { webloginKeys } from './keys/weblogin.ts'
import { accountPath, choice, path, pathList, secret, toggle, whole, words } from './value-types.ts'

export { type Key, type Section, sections } from './key.ts'

// biome-ignore format: a list
const shells = [
  '/bin/bash', '/bin/sh', '/usr/bin/bash', '/usr/bin/sh', '/bin/zsh',
  '/usr/bin/zsh', '/bin/dash', '/usr/bin/dash', '/bin/fish', '/usr/bin/fish',
]

export const keys = {
  ...portalKeys,
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
  server_group: optional(() => ({
    schema: words(),
    says: 'Group of servers this host belongs to; the portal’s rules name it. Not set: the portal says which one.',
    section: 'host',
    example: 'production',
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
    says: 'Only decide whether a user may enter: a one-time token counts for sudo, and for nothing else.',
    section: 'host',
  })),
  ...accessTokenKeys,
  ...serviceKeys,
  ...sshKeys,
  ...secretsKeys,
  ...webloginKeys,
  ...bastionKeys,
  ...caKeys,
  ...trustKeys,
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
  ...auditKeys,
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
