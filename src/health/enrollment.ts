// This host and its portal: the token, whether the portal answers it, the heartbeats, the clock.

import { bad, type Finding, good, note } from '../base/finding.ts'
import { parseLoginName } from '../base/names.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import type { Ports } from '../login/ports.ts'
import { judgeClock, judgeHeartbeat, judgeRefresh, judgeTimer } from '../portal-client/enrollment-policy.ts'
import { readHeartbeat } from '../portal-client/heartbeat.ts'
import { probePortal, tlsFloor } from '../portal-client/probe.ts'
import { timerState } from '../portal-client/timer.ts'
import { readTokenFile } from '../portal-client/token-file.ts'

export function judgeToken(world: Parts<'files' | 'now'>, config: Config): readonly Finding[] {
  const { expiresAt, refreshToken } = readTokenFile(world, config.server_token_file)
  const findings: Finding[] = []
  if (!refreshToken)
    findings.push(
      bad(
        `${config.server_token_file} holds no refresh token: the enrollment ends with the access token`,
        'ob enroll --force',
      ),
    )
  const left = expiresAt === undefined ? undefined : Math.round((expiresAt - world.now()) / 60)
  if (left === undefined) return [...findings, note('the token file does not say when the access token expires')]
  const when =
    left > 0
      ? `the access token is good for ${left} min`
      : `the access token expired ${-left} min ago; the next call renews it`
  return [...findings, left > 0 ? good(when) : note(when)]
}

export async function judgePortal(
  world: Parts<'monotonic'>,
  config: Config,
  { portal }: Pick<Ports, 'portal'>,
): Promise<readonly Finding[]> {
  const probe = parseLoginName('__test__')
  if (!probe) return []
  const startedAt = world.monotonic()
  const answer = await portal.authorize({ user: probe, service: 'sshd' })
  const took = Math.round(world.monotonic() - startedAt)
  switch (answer.kind) {
    case 'granted':
      return [
        {
          verdict: 'open',
          message: `the portal grants access to a user that nobody has (group ${config.server_group})`,
          lets: 'everybody gets in whose name this host accepts',
          remedy: 'correct the ssh rule of this group at the portal; a bare word like deny is true there',
        },
      ]
    case 'refused':
      return [good(`${config.portal_url} answers this host in ${took} ms, ${tlsFloor(config)}`)]
    case 'unreachable':
      return [bad(answer.detail, `check the network, and ${config.portal_url} from this host`)]
    case 'out-of-order':
    case 'garbled':
      return [bad(answer.detail, 'check portal_url and that the PAM plugin of the portal is active')]
    case 'refuses-host':
      return [bad(answer.detail, 'ob enroll --force')]
  }
}

export async function judgeHeartbeats(
  world: Parts<'files' | 'now' | 'spawn'>,
  config: Config,
): Promise<readonly Finding[]> {
  const state = readHeartbeat(world)
  const tokens = readTokenFile(world, config.server_token_file)
  const [refresh, fresh] = [judgeRefresh(state, tokens, world.now()), judgeHeartbeat(state, world.now())]
  return [judgeTimer(await timerState(world)), fresh, ...(tokens.refreshToken ? [refresh] : [])]
}

export async function judgeClockHere(
  world: Parts<'now' | 'monotonic' | 'timeout' | 'fetch' | 'files'>,
  config: Config,
): Promise<readonly Finding[]> {
  return [judgeClock((await probePortal(world, config)).skew)]
}
