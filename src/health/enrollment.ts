// This host and its portal: the token, whether the portal answers it, the heartbeats, the clock.

import { orElse } from '../base/fault.ts'
import { bad, type Finding, good, note } from '../base/finding.ts'
import { parseLoginName } from '../base/names.ts'
import { remedyFor } from '../base/remedy.ts'
import type { Parts } from '../base/world.ts'
import { type Config, groupOf } from '../config/load.ts'
import type { Ports } from '../login/ports.ts'
import { judgeClock, judgeHeartbeat, judgeRefresh, judgeTimer } from '../portal-client/enrollment-policy.ts'
import { readHeartbeat, startedAt } from '../portal-client/heartbeat.ts'
import type { PortalHttpWorld } from '../portal-client/portal-http.ts'
import { probePortal, tlsFloor } from '../portal-client/probe.ts'
import { timerState } from '../portal-client/timer.ts'
import { readTokenFile } from '../portal-client/token-file.ts'

/** What the portal answered to a question about a user that nobody has. */
export type PortalAnswer = {
  readonly kind: 'granted' | 'refused' | 'unreachable' | 'nonsense' | 'refuses-host' | 'untrusted'
  readonly detail: string
  readonly tookMs: number
}

const shutOut = 'everybody but root and service accounts is refused, and nothing cached counts'

export async function askPortal(
  world: Parts<'monotonic'>,
  { portal }: Pick<Ports, 'portal'>,
): Promise<PortalAnswer | undefined> {
  const user = parseLoginName('__test__')
  if (!user) return undefined
  const startedAt = world.monotonic()
  const answer = await orElse(
    () => portal.authorize({ user, service: 'sshd' }),
    (fault) => ({ kind: 'untrusted' as const, detail: fault.message }),
  )
  const tookMs = Math.round(world.monotonic() - startedAt)
  const detail = 'detail' in answer ? answer.detail : ''
  const isNonsense = answer.kind === 'garbled' || answer.kind === 'out-of-order'
  return { kind: isNonsense ? 'nonsense' : answer.kind, detail, tookMs }
}

export function judgeToken(world: Parts<'files' | 'now'>, config: Config): readonly Finding[] {
  const tokens = orElse(
    () => readTokenFile(world, config.server_token_file),
    ({ message, hint }): Finding => ({ verdict: 'shut', message, lets: shutOut, remedy: hint ?? 'ob enroll --force' }),
  )
  if ('verdict' in tokens) return [tokens]
  const { expiresAt, refreshToken } = tokens
  const findings: Finding[] = []
  if (!refreshToken)
    findings.push({
      ...bad(`${config.server_token_file} holds no refresh token`, 'ob enroll --force'),
      lets: 'the enrollment ends with the access token',
    })
  const left = expiresAt === undefined ? undefined : Math.round((expiresAt - world.now()) / 60)
  if (left === undefined) return [...findings, note('the token file does not say when the access token expires')]
  const when =
    left > 0
      ? `the access token is good for ${left} min`
      : `the access token expired ${-left} min ago; the next call renews it`
  return [...findings, left > 0 ? good(when) : note(when)]
}

export function judgePortal(config: Config, answer: PortalAnswer | undefined): readonly Finding[] {
  if (!answer) return []
  const { kind, detail, tookMs } = answer
  switch (kind) {
    case 'granted':
      return [
        {
          verdict: 'open',
          message: `the portal grants access to a user that nobody has (group ${groupOf(config)})`,
          lets: 'everybody gets in whose name this host accepts',
          remedy: 'correct the ssh rule of this group at the portal',
        },
      ]
    case 'refused':
      return [good(`${config.portal_url} answers this host in ${tookMs} ms, ${tlsFloor(config)}`)]
    case 'unreachable':
      return [
        {
          ...bad(detail, `check the network, and ${config.portal_url} from this host`),
          lets: 'only what was cached counts, where the portal allowed that',
        },
      ]
    case 'nonsense':
      return [
        {
          ...bad(detail, 'check portal_url and that the PAM plugin of the portal is active'),
          lets: 'only what was cached counts, where the portal allowed that',
        },
      ]
    case 'untrusted':
      return [
        {
          verdict: 'shut',
          message: detail,
          lets: shutOut,
          remedy: remedyFor('portal-untrusted') ?? '',
        },
      ]
    case 'refuses-host':
      return [
        {
          verdict: 'shut',
          message: detail,
          lets: shutOut,
          remedy: remedyFor('portal-refuses-host', detail) ?? '',
        },
      ]
  }
}

/** What the portal does not answer now is said once: the last heartbeat failed for the same reason. */
export async function judgeHeartbeats(
  world: Parts<'files' | 'now' | 'spawn'>,
  config: Config,
  answer: PortalAnswer | undefined,
): Promise<readonly Finding[]> {
  const timer = judgeTimer(await timerState(world))
  const state = readHeartbeat(world)
  const tokens = orElse(
    () => readTokenFile(world, config.server_token_file),
    () => undefined,
  )
  if (!tokens) return [timer]
  const last = judgeHeartbeat(state, world.now(), startedAt(world, tokens))
  const isSaid = answer !== undefined && answer.kind !== 'refused' && answer.kind !== 'granted'
  const fresh = isSaid && last.verdict === 'bad' && state !== undefined ? note(last.message) : last
  const refresh = judgeRefresh(state, tokens, world.now())
  const isTwice = !tokens.refreshToken || (state?.result === 'refuses-host' && fresh.verdict === 'bad')
  return [timer, fresh, ...(isTwice || (isSaid && state?.result === 'refuses-host') ? [] : [refresh])]
}

export async function judgeClockHere(
  world: PortalHttpWorld & Parts<'monotonic'>,
  config: Config,
  answer: PortalAnswer | undefined,
): Promise<readonly Finding[]> {
  if (answer?.kind === 'unreachable' || answer?.kind === 'untrusted') return []
  return [judgeClock((await probePortal(world, config)).skew)]
}
