// Keys of hops: from a bastion to the hosts behind it.

import { addressList } from '../address-types.ts'
import { key } from '../key.ts'
import {
  choice,
  choiceList,
  hostNames,
  nameList,
  networkList,
  path,
  toggle,
  whole,
  wordList,
  words,
} from '../value-types.ts'

const none: readonly string[] = []

/** What a login that a bastion vouches for may do besides running commands. */
export const permits = ['pty', 'port-forwarding', 'agent-forwarding', 'x11-forwarding', 'user-rc'] as const

export const bastionKeys = {
  serve_hops: key(false, () => ({
    schema: toggle(),
    says: 'On a bastion: whether ob serve has the portal vouch for the users of ob proxy.',
    section: 'bastion',
    since: '0.2',
  })),
  bastion_transport: key('auto', () => ({
    schema: choice(['auto', 'jwt', 'cert']),
    says:
      'On a bastion: how the word of the portal travels. jwt: a bastion token inside a certificate that the user’s own ' +
      'key signs. cert: a certificate of the portal’s authority. auto: jwt where the portal offers it.',
    section: 'bastion',
    since: '0.2',
  })),
  hop_target_group: key('default', () => ({
    schema: words(),
    says: 'On a bastion: server_group of the hosts behind it; a backend refuses hops to another group.',
    section: 'bastion',
    since: '0.2',
  })),
  bastion_jwt_allowed_bastions: key(none, () => ({
    schema: wordList(),
    says:
      'On a backend: ids of the bastions whose hops count, as ob status on the bastion shows them. Not set: none, and ' +
      'certificates for hops are refused.',
    section: 'bastion',
    example: '20825d11c7e723efa757d771b35f5bdbb1a7d9c925db98db7911e4775482928b',
  })),
  bastion_jwt_sources: key(none, () => ({
    schema: networkList(),
    says:
      'Addresses that hops come from: those of the bastions, as this host sees them. sshd refuses a bastion token from ' +
      'elsewhere, so one that somebody read on this host is of no use to them. Not set: any address.',
    section: 'bastion',
    example: '192.0.2.10, 2001:db8::/64',
    since: '0.2',
  })),
  bastion_jwt_required: key(false, () => ({
    schema: toggle(),
    says: 'On a backend: refuse every ssh login that no bastion vouches for, whatever else was proven.',
    section: 'bastion',
  })),
  bastion_jwt_exempt: key(none, () => ({
    schema: nameList(),
    says: 'Accounts that bastion_jwt_required does not concern, such as service accounts.',
    section: 'bastion',
    example: 'backup, deploy',
    since: '0.2',
  })),
  bastion_jwt_issuer: key(none, () => ({
    schema: addressList(),
    says: 'Issuers of bastion tokens: addresses of portals, separated by blanks. Not set: portal_url.',
    section: 'bastion',
    example: 'https://auth.example.com',
  })),
  bastion_jwt_jwks_url: key(none, () => ({
    schema: addressList(),
    says:
      'Where the keys of each issuer are, in the same order. Not set: what the issuer’s own ' +
      '.well-known/openid-configuration says.',
    section: 'bastion',
    example: 'https://auth.example.com/oauth2/jwks',
  })),
  bastion_jwt_jwks_cache: key('/var/lib/open-bastion/jwks.json', () => ({
    schema: path(),
    says: 'Where those keys are kept, readable by all. ob heartbeat and logins refresh it; ob keys only reads it.',
    section: 'bastion',
  })),
  bastion_jwt_cache_ttl: key(300, () => ({
    schema: whole(60, 86400),
    says: 'Age from which they are fetched again.',
    section: 'bastion',
    unit: 'seconds',
  })),
  bastion_jwt_offline_max: key(604_800, () => ({
    schema: whole(300, 31_536_000),
    says: 'Age from which they count no more, when the portal cannot be reached to fetch them again.',
    section: 'bastion',
    unit: 'seconds',
    since: '0.2',
  })),
  bastion_jwt_offline_login: key(false, () => ({
    schema: toggle(),
    says:
      'While the portal cannot be reached and nothing is kept about the user, a login that a bastion vouches for is ' +
      'allowed. For backends without a way to the portal: the portal’s ssh rule of this group is not asked then.',
    section: 'bastion',
    since: '0.2',
  })),
  bastion_jwt_clock_skew: key(60, () => ({
    schema: whole(0, 600),
    says: 'How far the clocks of the portal and this host may be apart.',
    section: 'bastion',
    unit: 'seconds',
  })),
  bastion_jwt_algorithms: key<readonly string[]>(['RS256'], () => ({
    schema: choiceList(['RS256', 'PS256', 'ES256', 'EdDSA']),
    says: 'Signature algorithms of bastion tokens.',
    section: 'bastion',
    since: '0.2',
  })),
  bastion_jwt_target_names: key(none, () => ({
    schema: hostNames(),
    says: 'Names and addresses of this host that people give to ob proxy. Not set: its host name, long and short.',
    section: 'bastion',
    example: 'db1, db1.example.com, 192.0.2.20',
    since: '0.2',
  })),
  bastion_jwt_target_groups: key(none, () => ({
    schema: wordList(),
    says: 'Target groups that a bastion token may name. Not set: server_group.',
    section: 'bastion',
    since: '0.2',
  })),
  bastion_jwt_permits: key<readonly string[]>(['pty'], () => ({
    schema: choiceList(permits),
    says: 'What a login by a bastion token may do besides running commands. The client’s wishes do not count.',
    section: 'bastion',
    since: '0.2',
  })),
}

/** Upstream's other names of these keys. */
export const bastionAliases = {
  require_bastion: 'bastion_jwt_required',
  allowed_bastions: 'bastion_jwt_allowed_bastions',
} as const
