// PAM account: may this user use this service on this host? Asked for every login and every sudo, whatever proved the
// person.
import type { Authorization, Granted } from '../formats/replies.ts'
import type { LoginName } from '../names.ts'
import { allowed, denied, type Outcome } from '../outcome.ts'
import { noAnswer } from './auth.ts'
import { decideOffline, type OfflineFacts, type OfflineQuestion } from './offline.ts'
import { decideServiceAccess, type ServiceStanding } from './service-account.ts'
import type { Step } from './step.ts'

export type AccountFacts = OfflineFacts & {
  /** The person: PAM_RUSER under sudo, PAM_USER otherwise. */
  readonly user: LoginName | undefined
  readonly service: string
  readonly authorization?: Authorization
  readonly serviceAccount?: ServiceStanding | undefined
}

export type AccountEffect =
  | { readonly do: 'remember' | 'cache-grant' | 'remember-offline'; readonly authorization: Granted }
  | { readonly do: 'forget-grant' }

type AccountStep = Step<'authorization' | OfflineQuestion, AccountEffect>

/** `sudo -i` runs as its own PAM service but is the same right; the portal only knows `sudo`. */
export const isSudo = (service: string): boolean => service === 'sudo' || service === 'sudo-i'
export const askedService = (service: string): string => (isSudo(service) ? 'sudo' : service)

export function decideAccount(f: AccountFacts): AccountStep {
  if (!f.user) return end(denied('bad-login-name'))
  if (f.user === 'root') return end(isSudo(f.service) ? allowed('root-exempt') : denied('root-refused'))
  if (f.serviceAccount) return end(decideServiceAccess(f.serviceAccount, f.service))
  if (!f.authorization) return { ask: 'authorization' }
  switch (f.authorization.kind) {
    case 'granted':
      return decideGranted(f.service, f.authorization)
    case 'refused':
      return end(denied('portal-denied'), { do: 'forget-grant' })
    case 'unreachable':
      return decideWithoutPortal(f)
    case 'garbled':
    case 'refuses-host':
      return end(noAnswer(f.authorization))
  }
}

function decideGranted(service: string, authorization: Granted): AccountStep {
  const cache: AccountEffect = { do: 'cache-grant', authorization }
  if (!isSudo(service)) return end(allowed('portal-allowed'), { do: 'remember', authorization }, cache)
  return end(authorization.sudoAllowed ? allowed('sudo-allowed') : denied('sudo-denied'), cache)
}

function decideWithoutPortal(f: AccountFacts): AccountStep {
  const step = decideOffline(f)
  if ('ask' in step) return step
  if ('end' in step) return end(step.end)
  const { authorization } = step.use
  if (!isSudo(f.service)) return end(allowed('offline-allowed'), { do: 'remember-offline', authorization })
  return end(authorization.sudoAllowed ? allowed('offline-sudo-allowed') : denied('sudo-denied'))
}

const end = (outcome: Outcome, ...effects: readonly AccountEffect[]): AccountStep => ({ outcome, effects })
