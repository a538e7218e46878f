// Puts the parts of a login together. Nothing is read or connected before it is asked.

import { localAccount } from '../accounts/local-account.ts'
import type { LocalAccount } from '../accounts/local-policy.ts'
import type { Accounts } from '../accounts/provision.ts'
import { openServiceAccounts, type ServiceAccountsFile } from '../accounts/service-accounts.ts'
import { isOnlyReserved } from '../accounts/uid-reservations.ts'
import type { LoginName } from '../base/names.ts'
import { paths } from '../base/paths.ts'
import type { Secret } from '../base/secret.ts'
import type { World } from '../base/world.ts'
import type { Voucher } from '../bastion/vouchers.ts'
import { type Config, hasPortal } from '../config/load.ts'
import type { Login } from '../gpg/passed.ts'
import { type Lockouts, openLockouts } from '../lockout/counters.ts'
import { openUsedTokens, type UsedTokens } from '../lockout/used-tokens.ts'
import type { Offline } from '../offline/kept-answers.ts'
import type { KnownTokens } from '../offline/known-tokens.ts'
import { type OfflineSessions, openOfflineSessions } from '../offline/marks.ts'
import type { OfflinePasswords } from '../offline/passwords.ts'
import { openHttpWithBreaker } from '../portal-client/circuit-breaker.ts'
import { openPortal, type Portal } from '../portal-client/endpoints.ts'
import type { Introspection } from '../portal-client/introspection-format.ts'
import type { Granted } from '../portal-client/reply-format.ts'
import { openTokens } from '../portal-client/server-token.ts'
import { openPublished, type Published } from '../ssh/published-keys.ts'
import { type Connections, openConnections } from './handover.ts'
import { openProvenKeys, type ProvenKeys } from './proven-keys.ts'
import { type OfflineProofs, openOfflineProofs } from './unproven.ts'

export type Ports = {
  readonly portal: Portal
  /** Loaded when first asked for: only hosts where people type access tokens need it. */
  readonly introspect: (token: Secret) => Promise<Introspection>
  /** Loaded when first asked for: most phases touch no account. */
  readonly accounts: () => Promise<Accounts>
  readonly usedTokens: UsedTokens
  readonly connections: Connections
  readonly lockouts: Lockouts
  readonly unknownUsers: Lockouts
  readonly serviceAccounts: ServiceAccountsFile
  /** sshd got an entry for this user, who has no account. */
  readonly isOnlyReserved: (user: LoginName) => Promise<boolean>
  readonly localAccount: (user: LoginName) => Promise<LocalAccount>
  readonly published: Published
  /** Loaded when first asked for: only when the portal is unreachable, or allows an answer to be cached. */
  readonly offline: () => Promise<Offline>
  /** Whether this answer is cached, or an older one may have to be removed. */
  readonly mayKeep: (authorization: Granted) => boolean
  readonly passwords: () => Promise<OfflinePasswords>
  /** offline_cache_enabled */
  readonly keepsPasswords: boolean
  readonly knownTokens: () => Promise<KnownTokens>
  /** On a bastion: for certificates of hops. */
  readonly keepVoucher: (user: LoginName, voucher: Voucher) => Promise<void>
  readonly offlineSessions: OfflineSessions
  readonly offlineProofs: OfflineProofs
  readonly provenKeys: ProvenKeys
  /** Whether the auth phase of this login was won with an OpenPGP key or a recovery code. */
  readonly provenByKey: (login: Login) => Promise<boolean>
}

/** Loaded when asked: only hosts without a portal decide by a web login alone. */
function webAuthority(world: World, config: Config): Portal {
  const opened = async () => (await import('../weblogin/authority.ts')).openWebAuthority(world, config)
  return {
    authorize: async (request) => (await opened()).authorize(request),
    verify: async (token) => (await opened()).verify(token),
    userinfo: async (user) => (await opened()).userinfo(user),
    heartbeat: async (refresh) => (await opened()).heartbeat(refresh),
    send: async (...request) => (await opened()).send(...request),
    isHostRefused: () => false,
  }
}

/** Sources of unknown names that are remembered by themselves: 8 MiB of /run at most. */
const mostUnknownUsers = 2_048

export function openPorts(world: World, config: Config): Ports {
  const http = openHttpWithBreaker(world, config)
  return {
    portal: hasPortal(config)
      ? openPortal(world, config, http, openTokens(world, config))
      : webAuthority(world, config),
    introspect: async (token) =>
      (await import('../portal-client/introspection.ts')).introspect(world, config, http, token),
    accounts: async () => (await import('../accounts/provision.ts')).openAccounts(world, config),
    usedTokens: openUsedTokens(world),
    connections: openConnections(world),
    serviceAccounts: openServiceAccounts(world, config),
    isOnlyReserved: (user) => isOnlyReserved(world, user),
    localAccount: (user) => localAccount(world, config, user),
    published: openPublished(world, config),
    lockouts: openLockouts(world, config, config.rate_limit_state_dir),
    offline: async () => (await import('../offline/kept-answers.ts')).openOffline(world, config),
    mayKeep: ({ offlineSeconds }) =>
      config.auth_cache_enabled &&
      (offlineSeconds !== undefined ||
        config.auth_cache_ttl !== undefined ||
        world.files.stat(config.auth_cache_dir) !== undefined),
    keepsPasswords: config.offline_cache_enabled,
    passwords: async () => (await import('../offline/passwords.ts')).openOfflinePasswords(world, config),
    knownTokens: async () => (await import('../offline/known-tokens.ts')).openKnownTokens(world, config),
    keepVoucher: async (user, voucher) => {
      if (config.serve_hops) (await import('../bastion/vouchers.ts')).keepVoucher(world, user, voucher)
    },
    offlineSessions: openOfflineSessions(world),
    offlineProofs: openOfflineProofs(world),
    provenKeys: openProvenKeys(world),
    provenByKey: async (login) => (await import('../gpg/passed.ts')).takePassed(world, login),
    unknownUsers: openLockouts(world, config, paths.unknownUsers, mostUnknownUsers),
  }
}
