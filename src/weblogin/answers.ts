// The three decisions of a web login with their answers, and their effects.
import type { ServiceAccountState } from '../accounts/service-accounts-policy.ts'
import { hex, sha256 } from '../base/bytes.ts'
import { type Settled, settle } from '../base/decision.ts'
import { Fault } from '../base/fault.ts'
import type { LoginName } from '../base/names.ts'
import { askedService, isSsh, isSudo } from '../base/pam-service.ts'
import type { Secret } from '../base/secret.ts'
import type { Parts as WorldParts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import type { Lockouts } from '../lockout/counters.ts'
import { lockoutKey } from '../lockout/state-format.ts'
import { type ConfirmedLogins, openConfirmedLogins } from './confirmed.ts'
import { openWebService, type WebWorld } from './open.ts'
import { openPendingLogins, type PendingLogins, type Place } from './pending.ts'
import {
  type AskEffect,
  type AskFacts,
  type CheckEffect,
  type CheckFacts,
  decideAsk,
  decideCheck,
  type Pending,
} from './policy.ts'
import type { Confirmed, ProvenKey, StartRequest, WebService } from './service.ts'

/** Who logs in, from where, and with which key, if sshd has proven one already. */
export type WebLogin = {
  readonly user: LoginName | undefined
  readonly service: string
  readonly rhost: string | undefined
  readonly key: ProvenKey | undefined
  readonly serviceAccount: ServiceAccountState | undefined
}

export type Parts = {
  readonly config: Config
  readonly service: WebService
  readonly lockouts: Lockouts
  readonly pending: PendingLogins
  readonly confirmed: ConfirmedLogins
  readonly place: Place
}

/** Everything that a decision about this login needs. */
export const openParts = async (
  login: WebLogin,
  {
    world,
    config,
    lockouts,
  }: { readonly world: WebWorld & Seeds; readonly config: Config; readonly lockouts: Lockouts },
): Promise<Parts> => ({
  config,
  service: await openWebService(world, config),
  lockouts,
  pending: openPendingLogins(world),
  confirmed: openConfirmedLogins(world),
  place: placeOf(world, login),
})

type Seeds = WorldParts<'connectionSeed' | 'callerSeed'>

/** Every try of one ssh connection has the same place, and so has every try of one sudo. */
export function placeOf(world: Seeds, { user, service }: Pick<WebLogin, 'user' | 'service'>): Place {
  const seed = isSsh(service) ? world.connectionSeed() : world.callerSeed()
  return {
    id: hex(sha256(`weblogin ${seed}`)).slice(0, 32),
    user: user ?? '',
    service: isSudo(service) ? 'sudo' : service,
  }
}

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

export function settleCheck(
  parts: Parts,
  login: WebLogin,
  typed: { readonly kind: CheckFacts['answer']; readonly code: Secret },
): Promise<Settled<CheckFacts, CheckEffect>> {
  const { pending, place, service } = parts
  const checkFacts: CheckFacts = { ...personOf(parts, login), answer: typed.kind }
  return settle(decideCheck, checkFacts, {
    lockout: () => lockoutOf(parts, login),
    pending: () => pending.read(place),
    check: (facts) => service.check(sessionOf(facts.pending), typed.code.expose()),
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
        confirmed.write(place, effect.confirmed)
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
