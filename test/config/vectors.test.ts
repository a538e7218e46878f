// What the C implementation's own parser read out of these files, and what this one does.
import { expect, test } from 'bun:test'
import { Fault } from '../../src/base/fault.ts'
import { Secret } from '../../src/base/secret.ts'
import type { TrustRules } from '../../src/base/world.ts'
import { type Config, checkConfig, loadConfig } from '../../src/config/load.ts'
import { keyNames } from '../../src/config/schema.ts'
import vectors from '../vectors/config.json' with { type: 'json' }

type Case = (typeof vectors.cases)[number]
type Values = Readonly<Record<string, unknown>>

// The same value in another form: words for numbers, lists for text, one name for two.
const levels = { log_level: ['error', 'warn', 'info', 'debug'], audit_level: ['critical', 'auth', 'all'] }
const colonLists = ['approved_shells', 'approved_home_prefixes']
const allTypes = ['rsa', 'ed25519', 'ecdsa', 'sk']

function ours(key: string, upstream: unknown): unknown {
  if (key === 'log_level' || key === 'audit_level') return levels[key][Number(upstream)]
  if (colonLists.includes(key)) return String(upstream).split(':')
  if (key === 'ssh_key_allowed_types') return upstream === null ? allTypes : String(upstream).split(',')
  if (key === 'high_risk_services') return typeof upstream === 'string' ? upstream.split(',') : upstream
  if (key === 'allowed_managed_groups') return upstream === null ? [] : String(upstream).split(',')
  if (key === 'cert_pin') return upstream === null ? [] : String(upstream).split(';')
  return upstream === null ? undefined : upstream
}

const upstreamName = (key: string): string => (key === 'create_user' ? 'create_user_enabled' : key)

const upstreamDefaults: Values = vectors.cases[0]!.defaults!

// Defaults that differ on purpose.
const otherDefaults: Values = {
  // Upstream named a group that nobody chose, and a portal that knows another one for this host refused it.
  server_group: null,
  // Upstream's modules had none although every tool of it wrote this file.
  server_token_file: '/var/lib/open-bastion/token',
  // Upstream put this in where the shell was used.
  create_user_shell: '/bin/bash',
  // Upstream's documentation named sudo and su; its program had no use for the list.
  high_risk_services: ['sudo', 'sudo-i', 'su'],
  // Upstream put these in where they were used.
  offline_cache_dir: '/var/cache/open-bastion/credentials',
  offline_cache_key_file: '/etc/open-bastion/cache.key',
}

const minimal = vectors.cases.find((one) => one.name === 'minimal')!

function expectedOf(one: Case): Values {
  // pam_exec hands over no module arguments, so a case that has some is read as its file alone.
  const set: Values = (one.args.length > 0 ? minimal : one).differs_from_defaults ?? {}
  const expected: Record<string, unknown> = {}
  for (const key of keyNames) {
    const name = upstreamName(key)
    if (!Object.hasOwn(upstreamDefaults, name)) continue
    const defaults = Object.hasOwn(otherDefaults, key) ? otherDefaults[key] : upstreamDefaults[name]
    const value = Object.hasOwn(set, name) ? set[name] : defaults
    expected[key] = ours(key, value)
  }
  return expected
}

const plain = (config: Config): Values =>
  Object.fromEntries(
    Object.entries(config).map(([key, value]) => [key, value instanceof Secret ? value.expose() : value]),
  )

// A disk with one file that keeps the promise of readTrusted.
const diskOf = (one: Case) => ({
  readTrusted: (path: string, rules: TrustRules) => {
    if (one.file.endsWith('.link')) throw new Fault(`${path} is a symbolic link`)
    if (rules.secret && (Number(one.mode) & 0o077) !== 0) throw new Fault(`${path} is open to others`)
    return new TextEncoder().encode(one.conf)
  },
})

function outcomeOf(one: Case): Config | string {
  try {
    return loadConfig(diskOf(one))
  } catch (problem) {
    if (problem instanceof Fault) return problem.message
    throw problem
  }
}

const shown = (outcome: Config | string): string => (typeof outcome === 'string' ? outcome : 'accepted')

const refusedUpstream = (one: Case): boolean => one.load_rc !== 0 || one.validate_rc !== 0

type Difference = { readonly why: string; readonly says?: string; readonly value?: Values; readonly files: string }

// Every case where this program does not do what upstream's parser did, and why.
const differences: readonly Difference[] = [
  {
    why: 'a value out of bounds was silently the default: an administrator believed in a setting that did nothing',
    says: 'must be',
    files: '025 030 031 032 036 037 042 046 047 055 060 061 065 072 075 085 092 095 100 107 112 115',
  },
  {
    why: 'a login must end well inside LoginGraceTime',
    says: 'timeout must be a whole number from 1 to 20',
    files: '027',
  },
  { why: 'min_tls_version = 1 meant TLS 1.2, which is not what it says', says: 'must be 13 or 12', files: '035' },
  { why: 'min_tls_version = 1.2 was refused in silence', value: { min_tls_version: 12 }, files: '040' },
  { why: 'checking certificates cannot be switched off', says: 'set ca_cert = FILE', files: '077 082' },
  { why: 'TRUE is true; upstream switched certificate checks off with it', value: { verify_ssl: true }, files: '081' },
  {
    why: 'not implemented, so refused rather than ignored',
    says: 'is not supported by this version',
    files: '096 097 110 111 130',
  },
  { why: 'inline comments, which the documentation of upstream uses', value: { server_group: 'prod' }, files: '120' },
  { why: 'an empty server_group is none at all', value: { server_group: undefined }, files: '125' },
  { why: 'an unknown key was ignored', says: 'unknown key', files: '126' },
  { why: 'a line without = was ignored', says: 'it has no =', files: '127' },
]

const differenceOf = (one: Case) =>
  differences.find((difference) => difference.files.split(' ').includes(one.file.slice(0, 3)))

test.each(vectors.cases.map((one) => [`${one.file} ${one.name.slice(0, 60)}`, one] as const))(
  '%s is read as upstream read it, or differs for a listed reason',
  (_, one) => {
    const outcome = outcomeOf(one)
    const difference = differenceOf(one)
    if (difference?.says !== undefined) {
      expect(shown(outcome)).toContain(difference.says)
      return
    }
    if (difference === undefined && refusedUpstream(one)) {
      expect(shown(outcome)).not.toBe('accepted')
      return
    }
    if (typeof outcome === 'string') throw new Error(outcome)
    expect(plain(outcome)).toMatchObject({ ...expectedOf(one), ...difference?.value })
  },
)

const otherNames =
  'portal token_file cache auth_cache force_online_file cache_rate_limit cache_rate_limit_lockout debug audit ' +
  'cache_rate_limit_max_lockout audit_file audit_syslog rate_limit bind_ip bind_fingerprint check_revocation ' +
  'rotate_refresh use_keyring keyring_name notify webhook_url webhook_secret notify_secret create_user home_base skel ' +
  'service_accounts ssh_key_policy ssh_allowed_types ssh_min_rsa_bits ssh_min_ecdsa_bits crowdsec crowdsec_password ' +
  'cert_pin node_role report_sessions max_reported_sessions bastion_jwt_required require_bastion ' +
  'bastion_jwt_verify_local bastion_jwt_issuer bastion_jwt_jwks_url bastion_jwt_jwks_cache bastion_jwt_cache_ttl ' +
  'bastion_jwt_clock_skew bastion_jwt_allowed_bastions allowed_bastions bastion_jwt_replay_detection ' +
  'bastion_jwt_replay_cache_size bastion_jwt_replay_cleanup_interval ssh_cert_aware service_type create_home default_shell'

test.each([...Object.keys(upstreamDefaults), ...otherNames.split(' ')])(
  '%s is a known key, supported or not',
  (key) => {
    const checked = checkConfig(`portal_url = https://a\n${key} = false\n`)
    const problems = checked.kind === 'refused' ? checked.problems : []
    expect(problems.filter((problem) => problem.text.startsWith('unknown key'))).toEqual([])
  },
)

test('every listed difference names cases that exist', () => {
  const files = vectors.cases.map((one) => one.file.slice(0, 3))
  expect(differences.flatMap(({ files: some }) => some.split(' ')).filter((file) => !files.includes(file))).toEqual([])
})
