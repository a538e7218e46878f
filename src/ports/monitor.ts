// One round over the sessions that began offline (decide/monitor.ts says what becomes of them).
import * as v from 'valibot'
import { decodeUtf8 } from '../bytes.ts'
import type { Config } from '../config/load.ts'
import { afterRound, hasBeenSilent, judgeUser, type Reach, type Silence } from '../decide/monitor.ts'
import { hasDefaultRoute4, hasDefaultRoute6 } from '../formats/routes.ts'
import type { LoginName } from '../names.ts'
import { paths } from '../paths.ts'
import type { Reason } from '../reason.ts'
import type { World } from '../world.ts'
import { openHttp } from './http.ts'
import { openOfflineSessions } from './offline-sessions.ts'
import { openPorts } from './open.ts'

export type RoundResult = {
  readonly reach: Reach
  readonly silence: Silence
  readonly users: readonly { readonly user: LoginName; readonly verdict: Verdict; readonly reason: Reason }[]
}

type Verdict = 'clear' | 'terminate' | 'keep' | 'gone'

/** `terminate` ends every session of the user; false when something of it is still there. */
export type SessionControl = {
  readonly isPresent: (user: LoginName) => Promise<boolean>
  readonly terminate: (user: LoginName) => Promise<boolean>
}

export async function monitorRound(world: World, config: Config, control: SessionControl): Promise<RoundResult> {
  const sessions = openOfflineSessions(world)
  const marked = sessions.list()
  if (marked.length === 0) {
    world.files.remove(paths.silence)
    return { reach: 'portal', silence: afterRound(undefined, 'portal', world.now()), users: [] }
  }
  const reach = await reachOf(world, config)
  const silence = afterRound(readSilence(world), reach, world.now())
  writeSilence(world, silence)
  const users: RoundResult['users'][number][] = []
  for (const { user } of marked) {
    const { verdict, reason } = await judge(world, config, { user, reach, silence, control })
    const isDone = verdict === 'terminate' ? await control.terminate(user) : verdict !== 'keep'
    // What could not be ended is tried again in the next round.
    if (isDone) sessions.clear(user)
    users.push({ user, verdict, reason })
  }
  return { reach, silence, users }
}

type Round = {
  readonly user: LoginName
  readonly reach: Reach
  readonly silence: Silence
  readonly control: SessionControl
}

async function judge(world: World, config: Config, round: Round): Promise<{ verdict: Verdict; reason: Reason }> {
  const { user, reach, silence, control } = round
  if (!(await control.isPresent(user))) return { verdict: 'gone', reason: 'session-closed' }
  if (reach === 'portal') {
    const { portal } = openPorts(world, config)
    const info = await portal.userinfo(user)
    const authorization = info.kind === 'found' ? await portal.authorize({ user, service: 'sshd' }) : undefined
    const verdict = judgeUser(info, authorization)
    const reasons = { clear: 'portal-allowed', terminate: 'portal-denied', keep: 'portal-unreachable' } as const
    return { verdict, reason: reasons[verdict] }
  }
  if (hasBeenSilent(silence, config.offline_max_sso_unreachable))
    return { verdict: 'terminate', reason: 'silent-too-long' }
  return { verdict: 'keep', reason: 'portal-unreachable' }
}

/** No public address is asked: somebody who answers, even with a refusal, or a default route is a network. */
async function reachOf(world: World, config: Config): Promise<Reach> {
  const url = `${config.portal_url}/.well-known/openid-configuration`
  const answer = await openHttp(world, config)({ method: 'GET', url, headers: {} })
  if (answer.kind !== 'unreachable') return 'portal'
  if (answer.heard) return 'silent'
  const text = (path: string): string => decodeUtf8(world.files.read(path, 1 << 20) ?? new Uint8Array()) ?? ''
  const isConnected = hasDefaultRoute4(text('/proc/net/route')) || hasDefaultRoute6(text('/proc/net/ipv6_route'))
  return isConnected ? 'silent' : 'down'
}

const silenceSchema = v.object({ roundAt: v.number(), silentSeconds: v.number(), downSeconds: v.number() })

function readSilence(world: World): Silence | undefined {
  const bytes = world.files.readTrusted(paths.silence, { limit: 1024, secret: false })
  const read = v.safeParse(v.pipe(v.string(), v.parseJson(), silenceSchema), bytes ? decodeUtf8(bytes) : '')
  return read.success ? read.output : undefined
}

const writeSilence = (world: World, silence: Silence): void =>
  world.files.writeAtomic(paths.silence, JSON.stringify(silence), { mode: 0o600 })
