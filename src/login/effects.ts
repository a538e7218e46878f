// Carries out the effects of a decision. A failed write becomes a note in the log and changes no verdict.

import { Fault } from '../base/fault.ts'
import type { Fingerprint, LoginName } from '../base/names.ts'
import { lockoutKey } from '../lockout/state-format.ts'
import type { Granted } from '../portal-client/reply-format.ts'
import type { AccountEffect } from './account.ts'
import { type PamRequest, requireUser, unknownUserKey, wantedOf } from './answers.ts'
import type { AuthEffect } from './auth.ts'
import type { Ports } from './ports.ts'
import type { SessionEffect } from './session.ts'
import type { UserToken } from './typed-answer-format.ts'

export async function performAuth(
  ports: Ports,
  request: PamRequest,
  typed: UserToken,
  effects: readonly AuthEffect[],
): Promise<readonly string[]> {
  const key = (): string => lockoutKey(requireUser(request.user), request.rhost)
  const perform = async (effect: AuthEffect): Promise<string | undefined> => {
    switch (effect.do) {
      case 'count-failure':
        await ports.lockouts.count(key())
        return undefined
      case 'clear-failures':
        ports.lockouts.clear(key())
        return undefined
      case 'release-claim':
        ports.usedTokens.release(typed.token)
        return undefined
      case 'keep-token':
        await (await ports.knownTokens()).keep(requireUser(request.user), typed.token, effect.secondsLeft)
        return undefined
      case 'keep-password':
        await (await ports.passwords()).store(
          requireUser(request.user),
          { password: typed.token, secondsLeft: effect.secondsLeft },
          {},
        )
        return undefined
      case 'count-newcomer':
        await ports.unknownUsers.count(unknownUserKey(request.rhost))
        return undefined
      case 'register': {
        const accounts = await ports.accounts()
        const made = await accounts.provision(requireUser(request.user), wantedOf(effect.authorization), false)
        // A name that sshd knew already: a client typed the placeholder, which is no guess and yet asks the portal.
        if (made.kind !== 'ready' || !made.made)
          await ports.unknownUsers.count(lockoutKey(requireUser(request.user), request.rhost))
        if (made.kind === 'ready') publishKeys(ports, effect.authorization)
        return made.detail
      }
    }
  }
  return collect(effects.map((effect) => () => perform(effect)))
}

export const performAccount = (
  ports: Ports,
  request: PamRequest,
  fingerprint: Fingerprint | undefined,
  effects: readonly AccountEffect[],
): Promise<readonly string[]> =>
  collect(
    effects.map((effect) => async () => {
      switch (effect.do) {
        case 'remember':
        case 'remember-offline':
        case 'remember-break-glass': {
          const { authorization } = effect
          const offline = effect.do !== 'remember'
          const breakGlass = effect.do === 'remember-break-glass'
          if (!offline) publishKeys(ports, authorization)
          if (!offline && authorization.hopVoucher)
            await ports.keepVoucher(authorization.user, authorization.hopVoucher)
          ports.connections.remember(request.connection, { authorization, fingerprint, offline, breakGlass })
          return undefined
        }
        case 'cache-grant':
          return keepGrant(ports, effect.authorization, fingerprint)
        case 'forget-grant':
          return forgetGrant(ports, request)
      }
    }),
  )

export const performSession = (
  ports: Ports,
  request: PamRequest,
  effects: readonly SessionEffect[],
): Promise<readonly string[]> =>
  collect(
    effects.map((effect) => async () => {
      switch (effect.do) {
        case 'cache-grant':
          return keepGrant(ports, effect.authorization, effect.fingerprint)
        case 'forget-grant':
          return forgetGrant(ports, request)
        case 'mark-offline':
          ports.offlineSessions.mark(requireUser(request.user))
          return undefined
      }
    }),
  )

const publishKeys = (ports: Ports, { user, attributes }: Granted): void =>
  ports.published.keys(user, attributes.sshPublicKeys)

async function keepGrant(
  ports: Ports,
  authorization: Granted,
  fingerprint: Fingerprint | undefined,
): Promise<undefined> {
  if (ports.mayKeep(authorization)) await (await ports.offline()).keep(authorization, fingerprint)
  const { user, offlineVerifier, attributes } = authorization
  if (!ports.keepsPasswords || !offlineVerifier) return undefined
  const { gecos, home, shell } = attributes
  const kept = { ...(gecos && { gecos }), ...(home && { home }), ...(shell && { shell }) }
  await (await ports.passwords()).store(user, { verifier: offlineVerifier.expose() }, kept)
}

async function forgetGrant(ports: Ports, request: PamRequest): Promise<undefined> {
  ;(await ports.offline()).forget(requireUser(request.user))
}

/** Writes the public part of the configuration for `ob keys` and `ob principals`. */
export const publishPolicy = (ports: Ports): Promise<readonly string[]> =>
  collect([async () => void ports.published.policy()])

/** For the sudo that comes later. */
export const noteProvenKey = (
  ports: Ports,
  user: LoginName,
  fingerprint: Fingerprint | undefined,
): Promise<readonly string[]> => collect([async () => void ports.provenKeys.note(user, fingerprint)])

/** For cache_invalidate_on_logout. */
export const noteSession = (ports: Ports, user: LoginName): Promise<readonly string[]> =>
  collect([async () => void (await ports.knownTokens()).sessionBegan(user)])

/** The session phase is the last that needs it, and the stacks do not call us when the session closes. */
export const forgetConnection = (ports: Ports, request: PamRequest): Promise<readonly string[]> =>
  collect([async () => void ports.connections.forget(request.connection)])

async function collect(works: readonly (() => Promise<string | undefined>)[]): Promise<readonly string[]> {
  const notes: string[] = []
  for (const work of works) {
    try {
      const text = await work()
      if (text) notes.push(text)
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      notes.push(error.message)
    }
  }
  return notes
}
