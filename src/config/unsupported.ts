// Keys that upstream knows and this version does not implement. None is ignored unseen: a value that switches the key
// off is accepted, and every other value is refused with the key to write instead.
import { parseBoolean } from './value-types.ts'

/**
 * off: false. either: true or false, because the thing it qualifies never happens here. All accept an empty
 * value.
 */
export type Accepts = 'off' | 'either' | 'true' | 'empty'

type Group = readonly [names: string, accepts: Accepts, instead?: string]

// names, accepted values, the key that does the work instead
const groups: readonly Group[] = [
  ['token_bind_ip bind_ip token_check_revocation check_revocation', 'off'],
  ['token_bind_fingerprint bind_fingerprint', 'off', 'fingerprint_binding asks the portal about the proven key'],
  ['token_rotate_refresh rotate_refresh', 'off', 'ob heartbeat renews the token; it never rotates the refresh token'],
  ['create_user_groups', 'empty', 'allowed_managed_groups says which groups of the portal count'],
  ['crowdsec_enabled crowdsec', 'off'],
  ['crowdsec_fail_open crowdsec_send_all_alerts', 'either'],
  ['crowdsec_url crowdsec_timeout crowdsec_bouncer_key crowdsec_action crowdsec_machine_id', 'empty'],
  ['crowdsec_password crowdsec_scenario crowdsec_max_failures crowdsec_block_delay', 'empty'],
  ['crowdsec_ban_duration crowdsec_whitelist', 'empty'],
  ['oauth2_token_cache', 'either'],
  ['offline_revalidation_grace', 'empty'],
  ['bastion_jwt_verify_local bastion_jwt_replay_detection', 'either'],
  ['bastion_jwt_replay_cache_size bastion_jwt_replay_cleanup_interval', 'empty'],
  ['ssh_cert_aware', 'true'],
  ['service_type', 'empty', 'node_role says what this host is'],
  ['create_home', 'empty', 'create_user = true makes homes too'],
  ['default_shell', 'empty', 'create_user_shell sets the shell'],
]

const groupOf = (key: string): Group | undefined => groups.find(([names]) => ` ${names} `.includes(` ${key} `))

/** As the manual lists them. */
export const unsupportedGroups = () =>
  groups.map(([names, accepts, instead = '']) => ({ keys: names.split(' '), accepted: inWords[accepts], instead }))

export const unsupportedKeys = (): readonly string[] => groups.flatMap(([names]) => names.split(' '))

export const isUnsupported = (key: string): boolean => !key.includes(' ') && groupOf(key) !== undefined

/** The accepted values in words, and the key that does the work instead, if there is one. */
export function unsupportedFacts(key: string): { readonly accepted: string; readonly instead: string } {
  const [, accepts, instead = ''] = groupOf(key) ?? ['', 'empty']
  return { accepted: inWords[accepts], instead }
}

const inWords: Readonly<Record<Accepts, string>> = {
  off: 'false',
  either: 'true or false',
  true: 'true',
  empty: '',
}

/** Whether this value of an unsupported key asks for nothing. */
export function asksForNothing(key: string, value: string): boolean {
  const accepts = groupOf(key)?.[1]
  if (accepts === undefined) return false
  if (value === '') return true
  switch (accepts) {
    case 'off':
      return parseBoolean(value) === false
    case 'true':
      return parseBoolean(value) === true
    case 'either':
      return parseBoolean(value) !== undefined
    case 'empty':
      return false
  }
}
