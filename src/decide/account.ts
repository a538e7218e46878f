// PAM account: may this user use this service on this host? Asked for every login and every sudo, whatever proved the
// person.

import type { Authorization } from '../formats/replies.ts'
import type { LoginName } from '../names.ts'
import { allowed, denied, type Outcome } from '../outcome.ts'
import { noAnswer } from './auth.ts'
import type { Step } from './step.ts'

export type AccountFacts = {
  /** The person: PAM_RUSER under sudo, PAM_USER otherwise. */
  readonly user: LoginName | undefined
  readonly service: string
  readonly authorization?: Authorization
}

export type AccountEffect = { readonly do: 'remember'; readonly authorization: Authorization & { kind: 'granted' } }

type AccountStep = Step<'authorization', AccountEffect>

/** `sudo -i` runs as its own PAM service but is the same right; the portal only knows `sudo`. */
export const isSudo = (service: string): boolean => service === 'sudo' || service === 'sudo-i'
export const askedService = (service: string): string => (isSudo(service) ? 'sudo' : service)

export function decideAccount(f: AccountFacts): AccountStep {
  if (!f.user) return end(denied('bad-login-name'))
  if (f.user === 'root') return end(isSudo(f.service) ? allowed('root-exempt') : denied('root-refused'))
  if (!f.authorization) return { ask: 'authorization' }
  switch (f.authorization.kind) {
    case 'granted':
      if (!isSudo(f.service)) return end(allowed('portal-allowed'), { do: 'remember', authorization: f.authorization })
      return end(f.authorization.sudoAllowed ? allowed('sudo-allowed') : denied('sudo-denied'))
    case 'refused':
      return end(denied('portal-denied'))
    case 'unreachable':
    case 'garbled':
    case 'refuses-host':
      return end(noAnswer(f.authorization))
  }
}

const end = (outcome: Outcome, ...effects: readonly AccountEffect[]): AccountStep => ({ outcome, effects })
