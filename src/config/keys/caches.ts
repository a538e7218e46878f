// Keys of the caches that count while the portal is unreachable.
import { key, optional } from '../key.ts'
import { choice, onlyEncrypted, path, serviceList, toggle, whole } from '../value-types.ts'

export const cacheKeys = {
  auth_cache_enabled: key(true, () => ({
    schema: toggle(),
    says:
      'Keep what the portal allowed, sealed, and go by it while the portal is away. ' +
      'Kept only as long as the portal says, unless auth_cache_ttl is set.',
    section: 'offline',
  })),
  auth_cache_dir: key('/var/cache/open-bastion/auth', () => ({
    schema: path(),
    says: 'Where that is kept.',
    section: 'offline',
  })),
  auth_cache_ttl: optional(() => ({
    schema: whole(60, 2592000),
    says:
      'Keep every answer that allows, this long, also when the portal does not offer offline use. ' +
      'Not set: only when it does, and as long as it says.',
    section: 'offline',
    unit: 'seconds',
    example: '86400',
    since: '0.2',
  })),
  auth_cache_force_online: key('/etc/open-bastion/force_online', () => ({
    schema: path(),
    says:
      'File of users for whom the cache is never used, one name a line. ' +
      'A file without any name means everybody; no file means nobody.',
    section: 'offline',
  })),
  high_risk_services: key(['sudo', 'sudo-i', 'su'], () => ({
    schema: serviceList(),
    says: 'PAM services for which an answer may be no older than cache_ttl_high_risk.',
    section: 'offline',
  })),
  cache_ttl_high_risk: key(60, () => ({
    schema: whole(0, 86400),
    says: 'Age of an answer up to which it counts for high_risk_services while the portal is away. 0: never.',
    section: 'offline',
    unit: 'seconds',
  })),
  cache_rate_limit_enabled: key(false, () => ({
    schema: toggle(),
    says: 'Limit how often the answers kept are used for one user.',
    section: 'offline',
  })),
  cache_rate_limit_max_attempts: key(3, () => ({
    schema: whole(1, 100),
    says: 'Uses before the first pause; one that allows starts the count anew.',
    section: 'offline',
  })),
  cache_rate_limit_lockout_sec: key(60, () => ({
    schema: whole(1, 86400),
    says: 'Length of the first pause; each is twice as long as the one before.',
    section: 'offline',
    unit: 'seconds',
  })),
  cache_rate_limit_max_lockout_sec: key(3600, () => ({
    schema: whole(60, 86400),
    says: 'Length no pause exceeds.',
    section: 'offline',
    unit: 'seconds',
  })),
  cache_enabled: key(true, () => ({
    schema: toggle(),
    says: 'Keep what token introspection said, for cache_ttl. One-time tokens are never kept.',
    section: 'offline',
  })),
  cache_dir: key('/var/cache/open-bastion', () => ({
    schema: path(),
    says: 'Where that is kept.',
    section: 'offline',
  })),
  cache_ttl: key(300, () => ({
    schema: whole(0, 86400),
    says: 'How long. 0: not at all.',
    section: 'offline',
    unit: 'seconds',
  })),
  cache_encrypted: key(true, () => ({
    schema: onlyEncrypted(),
    says: 'Kept for old files. What is kept is always sealed.',
    section: 'offline',
  })),
  cache_invalidate_on_logout: key(true, () => ({
    schema: toggle(),
    says:
      'Forget what token introspection said about a user when a session of the user ends. No program runs for it at ' +
      'that moment: what a session that is over left behind is forgotten before it would be used.',
    section: 'offline',
  })),
  offline_cache_enabled: key(false, () => ({
    schema: toggle(),
    says: 'Accept the password of a user whose verifier is kept on this host while the portal is away.',
    section: 'offline',
  })),
  offline_cache_dir: key('/var/cache/open-bastion/credentials', () => ({
    schema: path(),
    says: 'Where verifiers are kept, sealed.',
    section: 'offline',
  })),
  offline_cache_ttl: key(604800, () => ({
    schema: whole(3600, 2592000),
    says: 'How long a verifier counts after the portal last confirmed it.',
    section: 'offline',
    unit: 'seconds',
  })),
  offline_cache_max_failures: key(5, () => ({
    schema: whole(1, 20),
    says: 'Wrong passwords before a verifier is locked.',
    section: 'offline',
  })),
  offline_cache_lockout: key(300, () => ({
    schema: whole(60, 86400),
    says: 'Length of that lock. Each such stretch without a wrong password forgives one.',
    section: 'offline',
    unit: 'seconds',
  })),
  offline_cache_key_file: key('/etc/open-bastion/cache.key', () => ({
    schema: path(),
    says:
      'File of at least 32 random bytes, mode 0600, that seals the verifiers together with the machine-id. ' +
      'Without the file the machine-id alone does.',
    section: 'offline',
  })),
  offline_error_messages: key('none', () => ({
    schema: choice(['none', 'greeter']),
    says: 'greeter: also print OFFLINE_ERROR:CODE, which the greeter of Open Bastion’s desktop turns into a sentence.',
    section: 'offline',
    since: '0.2',
  })),
}

/** Upstream's other names of these keys. */
export const cacheAliases = {
  cache: 'cache_enabled',
  auth_cache: 'auth_cache_enabled',
  force_online_file: 'auth_cache_force_online',
  cache_rate_limit: 'cache_rate_limit_enabled',
  cache_rate_limit_lockout: 'cache_rate_limit_lockout_sec',
  cache_rate_limit_max_lockout: 'cache_rate_limit_max_lockout_sec',
} as const
