// The three decisions of a web login with their answers, and their effects.
import type { ServiceAccountState } from '../accounts/service-accounts-policy.ts'
import { type Settled, settle } from '../base/decision.ts'
import { Fault } from '../base/fault.ts'
import type { LoginName } from '../base/names.ts'
import { askedService, isSsh } from '../base/pam-service.ts'
import type { Secret } from '../base/secret.ts'
import type { Parts as WorldParts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import type { Lockouts } from '../lockout/counters.ts'
import { lockoutKey } from '../lockout/state-format.ts'
import { type Approvals, type Bound, openApprovals } from './approvals.ts'
import { type ConfirmedLogins, openConfirmedLogins } from './confirmed.ts'
import { openWebService, type WebWorld } from './open.ts'
import { openPendingLogins, type PendingLogins } from './pending.ts'
import { type Place, placeOf } from './place.ts'
import {
  type ApprovedEffect,
  type ApprovedFacts,
  type AskEffect,
  type AskFacts,
  type CheckEffect,
  type CheckFacts,
  decideApproved,
  decideAsk,
  decideCheck,
  type Pending,
} from './policy.ts'
import type { Approval, Confirmed, ProvenKey, StartRequest, WebService } from './service.ts'

/** Who logs in, from where, and with which key, if sshd has proven one already. */
export type WebLogin = {
  readonly user: LoginName | undefined
  readonly service: string
  readonly rhost: string | undefined
  readonly key: ProvenKey | undefined
  readonly serviceAccount: ServiceAccountState | undefined
  /** An account that turns into the person who logs in. */
  readonly anyone: boolean
}

export type Parts = {
  readonly config: Config
  readonly service: WebService
  readonly lockouts: Lockouts
  readonly pending: PendingLogins
  readonly confirmed: ConfirmedLogins
  readonly approvals: Approvals
  readonly place: Place
  /** Whole epoch seconds. */
  readonly now: () => number
}

/** Everything that a decision about this login needs. */
export const openParts = async (
  login: WebLogin,
  {
    world,
    config,
    lockouts,
  }: {
    readonly world: WebWorld & WorldParts<'connectionSeed' | 'callerSeed'>
    readonly config: Config
    readonly lockouts: Lockouts
  },
): Promise<Parts> => ({
  config,
  service: await openWebService(world, config),
  lockouts,
  pending: openPendingLogins(world),
  confirmed: openConfirmedLogins(world),
  approvals: openApprovals(world),
  place: placeOf(world, login),
  now: () => Math.floor(world.now()),
})

export function settleAsk(parts: Parts, login: WebLogin): Promise<Settled<AskFacts, AskEffect>> {
  const { pending, place } = parts
  const askFacts: AskFacts = personOf(parts, login)
  return settle(decideAsk, askFacts, {
    lockout: () => lockoutOf(parts, login),
    pending: () => pending.read(place),
    start: async () => {
      const started = await parts.service.start(startRequest(parts, login, 0))
      if (started.kind === 'started') pending.open(place, started)
      return started
    },
  })
}

/** An approval is asked for once a connection; where there is none, the service has started a login instead. */
export function settleApproved(parts: Parts, login: WebLogin): Promise<Settled<ApprovedFacts, ApprovedEffect>> {
  const { pending, place, service, approvals, config } = parts
  const bound = boundOf(parts, login)
  const facts: ApprovedFacts = { ...personOf(parts, login), wanted: bound !== undefined }
  return settle(decideApproved, facts, {
    lockout: () => lockoutOf(parts, login),
    approval: async (): Promise<Approval> => {
      const seconds = bound ? approvals.oldest(bound.user, config.weblogin_approval) : 0
      if (!bound || seconds === 0) return { kind: 'none' }
      if (!service.keepsApprovals) {
        const found = approvals.find(bound)
        return found ? { kind: 'found', confirmed: found } : { kind: 'none' }
      }
      const started = await service.start(startRequest(parts, login, seconds))
      switch (started.kind) {
        case 'started':
          pending.open(place, started)
          return { kind: 'none' }
        case 'approved':
          return { kind: 'found', confirmed: started.confirmed }
        case 'refused':
          return { kind: 'none' }
        case 'unreachable':
        case 'garbled':
        case 'refuses-host':
          return started
      }
    },
  })
}

/** What an approval of this login would be bound to; undefined where there can be none. */
function boundOf({ config }: Parts, { user, service, rhost, key }: WebLogin): Bound | undefined {
  if (config.weblogin_approval === 0 || !isSsh(service) || !user || rhost === undefined || !key) return undefined
  return { user, rhost, fingerprint: key.fingerprint }
}

export function settleCheck(
  parts: Parts,
  login: WebLogin,
  typed: { readonly kind: CheckFacts['answer']; readonly code: Secret },
): Promise<Settled<CheckFacts, CheckEffect>> {
  const { pending, place, service } = parts
  const checkFacts: CheckFacts = { ...personOf(parts, login), answer: typed.kind, anyone: login.anyone }
  return settle(decideCheck, checkFacts, {
    lockout: () => lockoutOf(parts, login),
    pending: () => pending.read(place),
    // A try is counted before it is made: two at once are two.
    check: (facts) =>
      service.check(sessionOf(facts.pending), typed.code.expose(), service.countsTries ? 0 : pending.countTry(place)),
  })
}

function personOf({ config }: Parts, { user, service, serviceAccount, key }: WebLogin) {
  const isShort = config.weblogin === 'pam-weblogin' && !config.weblogin_without_key
  return {
    user,
    service,
    serviceAccount,
    authorizeOnly: config.authorize_only,
    unmapped: askedService(service, config.service_map) === undefined,
    needsKey: isShort && isSsh(service) && key === undefined,
  }
}

const lockoutOf = ({ lockouts }: Parts, { user, rhost }: WebLogin) => lockouts.left(lockoutKey(named(user), rhost))

function startRequest(
  { config }: Parts,
  { user, service, rhost, key }: WebLogin,
  approvalSeconds: number,
): StartRequest {
  const asked = askedService(service, config.service_map) ?? service
  return { user: named(user), service: asked, rhost, key, approvalSeconds }
}

const sessionOf = (pending: Pending | undefined): string => {
  if (pending?.kind !== 'open') throw new Fault('a code was to be checked without a web login')
  return pending.session
}

const named = (user: LoginName | undefined): LoginName => {
  if (!user) throw new Fault('a web login of nobody')
  return user
}

export function performAsk({ pending, place }: Parts, effects: readonly AskEffect[]): void {
  if (effects.some(({ isShown }) => !isShown)) pending.markShown(place)
}

export function performApproved({ confirmed, place }: Parts, effects: readonly ApprovedEffect[]): void {
  for (const effect of effects) confirmed.write(place, effect.confirmed)
}

/** A login that was confirmed now may count for later ones. */
export function keepApproval(parts: Parts, login: WebLogin, confirmed: Confirmed): void {
  const { approvals, service, config } = parts
  const bound = boundOf(parts, login)
  if (!bound) return
  const { approvalExpiresAt } = confirmed
  if (!service.keepsApprovals)
    approvals.note(bound, confirmed, { expiresAt: parts.now() + config.weblogin_approval, keptBy: 'host' })
  else if (approvalExpiresAt !== undefined)
    approvals.note(bound, confirmed, { expiresAt: approvalExpiresAt, keptBy: 'service' })
}

/** What could not be written ends the login: without the record nobody knows later who was confirmed. */
export async function performCheck(parts: Parts, login: WebLogin, effects: readonly CheckEffect[]): Promise<void> {
  const { pending, place, lockouts, confirmed } = parts
  const key = (): string => lockoutKey(named(login.user), login.rhost)
  for (const effect of effects) {
    switch (effect.do) {
      case 'count-failure':
        await lockouts.count(key())
        break
      case 'clear-failures':
        lockouts.clear(key())
        break
      case 'forget-pending':
        pending.forget(place)
        break
      case 'refuse-connection':
        pending.refuse(place)
        break
      case 'record':
        // Who came in at somebody else's account has a record in the own name, and no approval for the next login.
        confirmed.write(login.anyone ? { ...place, user: effect.confirmed.user } : place, effect.confirmed)
        if (!login.anyone) keepApproval(parts, login, effect.confirmed)
        break
    }
  }
}

export const describeConfirmed = ({ subject, issuer, groups, acr }: Confirmed): string =>
  [
    `subject ${subject}`,
    `issuer ${issuer}`,
    groups.length > 0 ? `groups ${groups.join(' ')}` : '',
    acr ? `acr ${acr}` : '',
  ]
    .filter((text) => text !== '')
    .join(', ')
