// The decisions of a login without anything they change: for `ob why`. The same policy runs on the same answers, but a
// token that was not typed counts as one that the portal accepts, and no account is made.
import type { LoginName } from '../base/names.ts'
import { allowed, type Outcome } from '../base/outcome.ts'
import { Secret } from '../base/secret.ts'
import type { Config } from '../config/load.ts'
import type { Authorization } from '../portal-client/reply-format.ts'
import type { Proof } from '../ssh/proof.ts'
import { type PamRequest, settleAccount, settleAuth, settleSession } from './answers.ts'
import type { Ports } from './ports.ts'

export type ForeseenPhase = 'auth' | 'account' | 'session'

export type Foreseen = {
  readonly outcome: Outcome
  readonly authorization: Authorization | undefined
  /** The assumption that was made, because only a real login can show the truth. */
  readonly assumed: string | undefined
}

/** Foresees the decision of this phase. Asks the portal what the phase would ask; changes nothing on this host. */
export async function foresee(
  phase: ForeseenPhase,
  request: PamRequest & { readonly user: LoginName; readonly proof: Proof },
  { ports, config }: { readonly ports: Ports; readonly config: Config },
): Promise<Foreseen> {
  const dry = withoutChanges(ports, config, request.user)
  switch (phase) {
    case 'auth':
      return foreseeAuth(request, dry, config)
    case 'account': {
      const { outcome, facts } = await settleAccount(dry, config, request, request.proof)
      return { outcome, authorization: facts.authorization, assumed: undefined }
    }
    case 'session': {
      const { outcome, facts } = await settleSession(dry, config, request, request.proof)
      return { outcome, authorization: facts.authorization, assumed: undefined }
    }
  }
}

async function foreseeAuth(request: PamRequest, ports: Ports, config: Config): Promise<Foreseen> {
  // Of the shape that every portal's token may have.
  const typed = { kind: 'token', token: new Secret('a'.repeat(64)) } as const
  const { outcome, facts } = await settleAuth(ports, { ...config, token_pattern: '.*' }, request, typed)
  const isAssumed = facts.verification !== undefined || facts.introspection !== undefined
  const assumed = isAssumed ? 'that the portal accepts what is typed as a token of this user' : undefined
  return { outcome: isAssumed ? allowed('token-accepted') : outcome, authorization: undefined, assumed }
}

const tokenSeconds = 3600

function withoutChanges(ports: Ports, config: Config, user: LoginName): Ports {
  const client = config.oauth2_token_clients?.[0] ?? config.client_id ?? ''
  return {
    ...ports,
    usedTokens: { take: () => 'won', release: () => undefined, tidy: () => undefined },
    portal: { ...ports.portal, verify: async () => ({ kind: 'accepted', user, detail: '' }) },
    introspect: async () => ({
      kind: 'active',
      subject: user,
      client,
      scopes: [],
      bearer: true,
      secondsLeft: Math.max(tokenSeconds, config.oauth2_token_min_ttl),
      detail: '',
    }),
    knownTokens: async () => ({ ...(await ports.knownTokens()), recall: async () => 'unknown' }),
    accounts: async () => {
      const accounts = await ports.accounts()
      return { ...accounts, provision: accounts.preview, matchesReservation: () => true }
    },
  }
}
