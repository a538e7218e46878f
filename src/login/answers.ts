// The three PAM decisions with their answers: which port finds which fact. `ob why` uses the same answers and drops
// the effects.

import type { WantedEntry } from '../accounts/policy.ts'
import { entryOf } from '../accounts/service-accounts.ts'
import { type Answers, type Settled, settle } from '../base/decision.ts'
import { Fault, orElse } from '../base/fault.ts'
import type { LoginName } from '../base/names.ts'
import { askedService, isCacheable, isSsh, isSudo, unlockService } from '../base/pam-service.ts'
import { type Config, hasPortal } from '../config/load.ts'
import { lockoutKey } from '../lockout/state-format.ts'
import type { PasswordVerdict } from '../offline/passwords.ts'
import type { Cached, ForceOnline, OfflineFacts, OfflinePolicy } from '../offline/policy.ts'
import type { Granted, Verification } from '../portal-client/reply-format.ts'
import { type CertificateAttributes, completed } from '../shell/policy.ts'
import { boundFingerprint, type Proof } from '../ssh/proof.ts'
import { type AccountEffect, type AccountFacts, decideAccount } from './account.ts'
import { type AccessTokenPolicy, type AuthEffect, type AuthFacts, decideAuth, type PasswordCheck } from './auth.ts'
import type { Ports } from './ports.ts'
import { decideSession, type SessionEffect, type SessionFacts, vouchedFor } from './session.ts'
import type { UserToken } from './typed-answer-format.ts'

/** PAM's own items, checked (pam_get_item(3)). */
export type PamRequest = {
  readonly service: string
  /** The person: the invoking user under sudo. */
  readonly user: LoginName | undefined
  readonly rhost: string | undefined
  readonly connection: string
  /**
   * sshd looked up a functional account and not the person, so it was told no uid of the person. What the proven
   * certificate says counts where the portal says nothing.
   */
  readonly functional?: CertificateAttributes
}

export const settleAuth = async (
  ports: Ports,
  config: Config,
  request: PamRequest,
  typed: UserToken,
): Promise<Settled<AuthFacts, AuthEffect>> => {
  const { user, rhost, service } = request
  ports.offlineProofs.clear(service)
  const facts: AuthFacts = {
    user,
    answer: typed.kind,
    authorizeOnly: config.authorize_only,
    isNoToken: typed.kind === 'token' && !canBeToken(typed.token.expose(), config),
    offline: offlinePolicy(config, service),
    createUser: config.create_user,
    accessTokens: accessTokenPolicy(config, service),
    offlinePasswords: config.offline_cache_enabled,
    service,
    serviceAccount: user && (await ports.serviceAccounts.standing(user)),
    local: user && (await ports.localAccount(user)),
    ...standingOf(service, config),
  }
  return settle(decideAuth, facts, {
    lockout: ({ user }) => ports.lockouts.left(lockoutKey(requireUser(user), rhost)),
    newcomerLimit: async ({ user }) => {
      const name = await ports.unknownUsers.left(lockoutKey(requireUser(user), rhost))
      return name.secondsLeft > 0 ? name : ports.unknownUsers.left(unknownUserKey(rhost))
    },
    newcomer: ({ user }) => ports.portal.authorize({ user: requireUser(user), service: asked(service, config) }),
    claim: () => ports.usedTokens.take(typed.token),
    verification: () => verifyTyped(ports, typed),
    presence: ({ user }) => ports.portal.authorize({ user: requireUser(user), service: asked(service, config) }),
    cached: offlineCached(ports),
    knownToken: async ({ user }) =>
      ports.portal.isHostRefused() ? 'unknown' : (await ports.knownTokens()).recall(requireUser(user), typed.token),
    introspection: () => ports.introspect(typed.token),
    forceOnline: ({ user }) => forceOnline(ports, user),
    password: async ({ user }) => {
      ports.usedTokens.release(typed.token)
      const found = await (await ports.passwords()).verify(requireUser(user), typed.token)
      if (found.kind === 'accepted') ports.offlineProofs.mark(service)
      return checked(found)
    },
  })
}

/** Whose token was typed, by the portal's word. */
export const verifyTyped = (ports: Ports, { token }: UserToken): Promise<Verification> =>
  orElse(
    () => ports.portal.verify(token),
    (fault) => {
      // A portal that was refused never saw the token.
      ports.usedTokens.release(token)
      throw fault
    },
  )

const checked = (found: PasswordVerdict): PasswordCheck =>
  found.kind === 'accepted' ? { kind: 'accepted', secondsLeft: 0, detail: '' } : found

const accessTokenPolicy = (config: Config, service: string): AccessTokenPolicy | undefined => {
  if (!config.oauth2_token_auth) return undefined
  const clients = config.oauth2_token_clients ?? (config.client_id === undefined ? [] : [config.client_id])
  const isRisky = service === unlockService || offlinePolicy(config, service).highRiskSeconds !== undefined
  const mayRemember = config.cache_enabled && !isRisky
  return { clients, minSeconds: config.oauth2_token_min_ttl, mayRemember }
}

export const settleAccount = async (
  ports: Ports,
  config: Config,
  request: PamRequest,
  proof: Proof,
): Promise<Settled<AccountFacts, AccountEffect>> => {
  const { user, service } = request
  const isKeyKnown = isSudo(service) && user !== undefined && config.fingerprint_binding !== 'never'
  const bound = isKeyKnown ? ports.provenKeys.of(user) : boundFingerprint(proof, config.fingerprint_binding)
  const serviceAccount = user && (await ports.serviceAccounts.standing(user))
  const offline = offlinePolicy(config, service)
  const needsAccount = config.create_user && needsAccountEarly(service)
  const unkept = !hasPortal(config) || !isCacheable(askedService(service, config.service_map))
  const standing = standingOf(service, config)
  const hopMaySuffice = config.bastion_jwt_offline_login && isSsh(service)
  const local = user && (await ports.localAccount(user))
  const mayBreakGlass = user !== undefined && config.gpg_break_glass.includes(user)
  const provenOffline = ports.offlineProofs.isMarked(service)
  const known = { offline, local, provenOffline, serviceAccount, needsAccount, unkept, hopMaySuffice, mayBreakGlass }
  const facts: AccountFacts = { user, service, bound, ...known, ...standing }
  return settle(decideAccount, facts, {
    ...offlineAnswers(ports),
    breakGlass: async ({ user }) =>
      (await ports.provenByKey({ ...request, user: requireUser(user) })) ? 'proven' : 'no',
    authorization: ({ user }) =>
      ports.portal.authorize({ user: requireUser(user), service: asked(service, config), fingerprint: bound }),
    account: async ({ user, authorization }) => {
      if (authorization?.kind !== 'granted') throw tooEarly()
      return (await ports.accounts()).provision(requireUser(user), { ...wantedOf(authorization), revive: true }, false)
    },
  })
}

export const settleSession = async (
  ports: Ports,
  config: Config,
  request: PamRequest,
  proof: Proof,
): Promise<Settled<SessionFacts, SessionEffect>> => {
  const { user, service, connection } = request
  const remembered = user && ports.connections.recall(connection, user)
  const bound = boundFingerprint(proof, config.fingerprint_binding)
  const offline = offlinePolicy(config, service)
  const serviceAccount = user && (await ports.serviceAccounts.standing(user))
  const createUser = config.create_user
  const standing = standingOf(service, config)
  const { bastion_jwt_required, bastion_jwt_exempt, bastion_jwt_offline_login: hopSuffices } = config
  const hopRequired = bastion_jwt_required && isSsh(service) && user !== undefined && !bastion_jwt_exempt.includes(user)
  const local = user && (await ports.localAccount(user))
  const withoutAccount = !createUser && user !== undefined && local === 'none' && (await ports.isOnlyReserved(user))
  const known = { createUser, withoutAccount, local, remembered, offline, serviceAccount, hopRequired, hopSuffices }
  const facts: SessionFacts = { user, proof, bound, ...known, ...standing }
  return settle(decideSession, facts, {
    ...offlineAnswers(ports),
    authorization: (f) =>
      ports.portal.authorize({
        user: requireUser(f.user),
        service: asked(service, config),
        fingerprint: f.bound,
      }),
    account: async (f) => {
      const accounts = await ports.accounts()
      const made = await accounts.provision(requireUser(f.user), completed(entryFor(f), request.functional), true)
      if (made.kind !== 'ready' || request.functional || accounts.matchesReservation(requireUser(f.user), made))
        return made
      return { kind: 'unsettled', detail: `${made.detail}, and sshd was told another` }
    },
  })
}

const standingOf = (service: string, config: Config): { readonly unmapped?: true } =>
  askedService(service, config.service_map) === undefined ? { unmapped: true } : {}

const asked = (service: string, config: Config): string => {
  const found = askedService(service, config.service_map)
  if (found === undefined) throw new Fault(`the portal was to be asked about ${service}, which service_map lacks`)
  return found
}

/** sshd knows its users when a connection begins, a locker's user is logged in, and sudo's too. */
const needsAccountEarly = (service: string): boolean => !isSsh(service) && !isSudo(service) && service !== unlockService

const tooEarly = (): Fault => new Fault('an account was asked for before the portal granted it')

const entryFor = (f: SessionFacts): WantedEntry => {
  if (f.serviceAccount?.kind === 'sound') return entryOf(f.serviceAccount.account)
  const answer = latest(f)
  // The portal said nothing about the account: an account that is there stays as it is.
  if (!answer && vouchedFor(f)) return {}
  if (answer?.kind !== 'granted') throw tooEarly()
  // The session phase is the one that knows what was proven.
  return { ...wantedOf(answer), revive: true }
}

/** The last answer of the portal, in this phase, in the account phase, or before it became unreachable. */
const latest = (f: SessionFacts) => {
  if (f.authorization?.kind === 'granted') return f.authorization
  return f.cached?.kind === 'hit' ? f.cached.authorization : f.remembered?.authorization
}

export const requireUser = (user: LoginName | undefined): LoginName => {
  if (!user) throw new Fault('a question about nobody')
  return user
}

export const wantedOf = ({ attributes, groups, sudoAllowed }: Granted) => ({ ...attributes, groups, sudo: sudoAllowed })

export const unknownUserKey = (rhost: string | undefined): string => lockoutKey('newcomer', rhost)

/** `sudo -i` is as risky as sudo, whichever of the two the list names. */
export function offlinePolicy(config: Config, service: string): OfflinePolicy {
  const { high_risk_services: listed } = config
  const isRisky = listed.includes(service) || (isSudo(service) && listed.some(isSudo))
  return {
    cacheEnabled: config.auth_cache_enabled && isCacheable(askedService(service, config.service_map)),
    highRiskSeconds: isRisky ? config.cache_ttl_high_risk : undefined,
  }
}

type About = OfflineFacts & { readonly user: LoginName | undefined }

export const offlineAnswers = (ports: Ports): Answers<About, 'forceOnline' | 'cached'> => ({
  forceOnline: ({ user }) => forceOnline(ports, user),
  cached: offlineCached(ports),
})

const forceOnline = async (ports: Ports, user: LoginName | undefined): Promise<ForceOnline> =>
  ports.portal.isHostRefused() ? 'host-refused' : (await ports.offline()).forceOnline(requireUser(user))

const offlineCached =
  (ports: Ports) =>
  async ({ user }: { readonly user: LoginName | undefined }): Promise<Cached> =>
    (await ports.offline()).lookup(requireUser(user))

/** RFC 6750 §2.1, and longer than passwords are. */
const accessTokenShape = /^[A-Za-z0-9._~+/-]{32,}=*$/

export const canBeToken = (text: string, config: Config): boolean =>
  (config.oauth2_token_auth ? accessTokenShape : new RegExp(`^(?:${config.token_pattern})$`)).test(text)
