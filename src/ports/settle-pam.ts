// The three PAM decisions with their answers: which port finds which fact. `ob why` uses the same answers and drops
// the effects.
import type { Config } from '../config/load.ts'
import { type AccountEffect, type AccountFacts, askedService, decideAccount } from '../decide/account.ts'
import { type AuthEffect, type AuthFacts, decideAuth } from '../decide/auth.ts'
import {
  boundFingerprint,
  decideSession,
  type Proof,
  type SessionEffect,
  type SessionFacts,
} from '../decide/session.ts'
import { type Settled, settle } from '../decide/step.ts'
import { Fault } from '../fault.ts'
import { lockoutKey } from '../formats/lockout-state.ts'
import type { Granted } from '../formats/replies.ts'
import type { UserToken } from '../formats/user-token.ts'
import type { LoginName } from '../names.ts'
import type { Ports } from './open.ts'
import { offlineAnswers, offlinePolicy } from './settle-offline.ts'

/** PAM's own items, checked (pam_get_item(3)). */
export type PamRequest = {
  readonly service: string
  /** The person: the invoking user under sudo. */
  readonly user: LoginName | undefined
  readonly rhost: string | undefined
  readonly connection: string
}

export const settleAuth = (
  ports: Ports,
  config: Config,
  request: PamRequest,
  typed: UserToken,
): Promise<Settled<AuthFacts, AuthEffect>> => {
  const { user, rhost, service } = request
  const facts: AuthFacts = {
    user,
    answer: typed.kind,
    authorizeOnly: config.authorize_only,
    createUser: config.create_user,
  }
  return settle(decideAuth, facts, {
    lockout: ({ user }) => ports.lockouts.left(lockoutKey(named(user), rhost)),
    newcomerLimit: () => ports.newcomers.left(newcomerKey(rhost)),
    newcomer: ({ user }) => ports.portal.authorize({ user: named(user), service: askedService(service) }),
    claim: () => ports.claims.take(typed.token),
    verification: () => ports.portal.verify(typed.token),
  })
}

export const settleAccount = (
  ports: Ports,
  config: Config,
  request: PamRequest,
  proof: Proof,
): Promise<Settled<AccountFacts, AccountEffect>> => {
  const fingerprint = boundFingerprint({ proof, binding: config.fingerprint_binding })
  const { user, service } = request
  const facts: AccountFacts = { user, service, offline: offlinePolicy(config, service) }
  return settle(decideAccount, facts, {
    ...offlineAnswers(),
    authorization: ({ user }) =>
      ports.portal.authorize({ user: named(user), service: askedService(service), fingerprint }),
  })
}

export const settleSession = (
  ports: Ports,
  config: Config,
  request: PamRequest,
  proof: Proof,
): Promise<Settled<SessionFacts, SessionEffect>> => {
  const { user, service, connection } = request
  const remembered = user && ports.connections.recall(connection, user)
  const binding = config.fingerprint_binding
  const offline = offlinePolicy(config, service)
  const facts: SessionFacts = { user, proof, binding, createUser: config.create_user, remembered, offline }
  return settle(decideSession, facts, {
    ...offlineAnswers(),
    authorization: (f) =>
      ports.portal.authorize({ user: named(f.user), service: askedService(service), fingerprint: boundFingerprint(f) }),
    account: async (f) => {
      const answer = latest(f)
      if (answer?.kind !== 'granted') throw new Fault('an account was asked for before the portal granted it')
      return (await ports.accounts()).provision(named(f.user), wantedOf(answer), true)
    },
  })
}

/** What the portal said last, in this phase, in the account phase, or before it went away. */
const latest = (f: SessionFacts) => {
  if (f.authorization?.kind === 'granted') return f.authorization
  return f.cached?.kind === 'hit' ? f.cached.authorization : f.remembered?.authorization
}

const named = (user: LoginName | undefined): LoginName => {
  if (!user) throw new Fault('a question about nobody')
  return user
}

export const wantedOf = ({ attributes, groups, sudoAllowed }: Granted) => ({ ...attributes, groups, sudo: sudoAllowed })

const newcomerKey = (rhost: string | undefined): string => lockoutKey('newcomer', rhost)

/** Performs the effects of an authentication. What could not be written is told, and changes no verdict. */
export async function performAuth(
  ports: Ports,
  request: PamRequest,
  typed: UserToken,
  effects: readonly AuthEffect[],
): Promise<readonly string[]> {
  const key = (): string => lockoutKey(named(request.user), request.rhost)
  const perform = async (effect: AuthEffect): Promise<string | undefined> => {
    switch (effect.do) {
      case 'count-failure':
        await ports.lockouts.count(key())
        return undefined
      case 'clear-failures':
        ports.lockouts.clear(key())
        return undefined
      case 'release-claim':
        ports.claims.release(typed.token)
        return undefined
      case 'count-newcomer':
        await ports.newcomers.count(newcomerKey(request.rhost))
        return undefined
      case 'register': {
        const accounts = await ports.accounts()
        const made = await accounts.provision(named(request.user), wantedOf(effect.authorization), false)
        return made.detail
      }
    }
  }
  return collect(effects.map((effect) => () => perform(effect)))
}

export const performAccount = (
  ports: Ports,
  request: PamRequest,
  fingerprint: ReturnType<typeof boundFingerprint>,
  effects: readonly AccountEffect[],
): Promise<readonly string[]> =>
  collect(
    effects.map((effect) => async () => {
      if (effect.do !== 'remember' && effect.do !== 'remember-offline') return undefined
      const { authorization } = effect
      const offline = effect.do === 'remember-offline'
      ports.connections.remember(request.connection, { authorization, fingerprint, offline })
      return undefined
    }),
  )

/** The session phase is the last that needs it, and the stacks do not call us when the session closes. */
export const forgetConnection = (ports: Ports, request: PamRequest): Promise<readonly string[]> =>
  collect([async () => void ports.connections.forget(request.connection)])

async function collect(works: readonly (() => Promise<string | undefined>)[]): Promise<readonly string[]> {
  const told: string[] = []
  for (const work of works) {
    try {
      const text = await work()
      if (text) told.push(text)
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      told.push(error.message)
    }
  }
  return told
}
