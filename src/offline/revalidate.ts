// One round over the sessions that began offline (revalidate-policy.ts says what becomes of them).
import * as v from 'valibot'
import { decodeUtf8 } from '../base/bytes.ts'
import { Fault, orElse } from '../base/fault.ts'
import type { LoginName } from '../base/names.ts'
import { paths } from '../base/paths.ts'
import type { Reason } from '../base/reason.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import type { Portal } from '../portal-client/endpoints.ts'
import { openPortalHttp, type PortalHttpWorld } from '../portal-client/portal-http.ts'
import type { SessionControl } from '../sessions/terminate.ts'
import { hasDefaultRoute4, hasDefaultRoute6 } from './default-route-format.ts'
import { openOfflineSessions } from './marks.ts'
import {
  afterRound,
  isOutageTooLong,
  judgeUser,
  type Outage,
  type Reach,
  type SessionVerdict,
} from './revalidate-policy.ts'

export type RoundResult = {
  readonly reach: Reach
  readonly silence: Outage
  readonly users: readonly { readonly user: LoginName; readonly verdict: Verdict; readonly reason: Reason }[]
}

type Verdict = 'clear' | 'terminate' | 'keep' | 'gone'

/** The parts that a round uses; it opens nothing by itself. */
export type RoundParts = {
  readonly control: SessionControl
  readonly portal: Pick<Portal, 'userinfo' | 'authorize'>
  /** Destroys the cached answer of the portal about this user. */
  readonly forgetGrant: (user: LoginName) => Promise<void>
}

export async function monitorRound(
  world: PortalHttpWorld & Parts<'syslog'>,
  config: Config,
  parts: RoundParts,
): Promise<RoundResult> {
  const sessions = openOfflineSessions(world)
  const marked = sessions.list()
  if (marked.length === 0) {
    world.files.remove(paths.silence)
    return { reach: 'portal', silence: afterRound(undefined, 'portal', world.now()), users: [] }
  }
  const portalReach = await reachOf(world, config)
  const found: Found[] = []
  for (const { user } of marked) found.push({ user, response: await ask(world, parts, { user, portalReach }) })
  // An attacker who lets the first question through and stops the others causes an outage all the same.
  const reach =
    portalReach === 'portal' && found.some(({ response }) => response === 'unanswered') ? 'silent' : portalReach
  const silence = afterRound(readOutage(world), reach, world.now())
  writeOutage(world, silence)
  const isTooLong = reach !== 'portal' && isOutageTooLong(silence, config.offline_max_sso_unreachable)
  const users: RoundResult['users'][number][] = []
  for (const { user, response } of found) {
    const { verdict, reason } = judgementOf(response, isTooLong)
    // A user whom the portal denies now gets in by no older answer, should the portal be unreachable again.
    if (response === 'terminate') await forgetGrant(world, parts, user)
    const isDone = verdict === 'terminate' ? await parts.control.terminate(user) : verdict !== 'keep'
    // A session that could not be ended is tried again in the next round.
    if (isDone) sessions.clear(user)
    users.push({ user, verdict, reason })
  }
  return { reach, silence, users }
}

/** The answer of the portal about a user; `unanswered` when it is unreachable. */
type Response = SessionVerdict | 'gone'
type Found = { readonly user: LoginName; readonly response: Response }

function judgementOf(response: Response, isTooLong: boolean): { readonly verdict: Verdict; readonly reason: Reason } {
  switch (response) {
    case 'gone':
      return { verdict: 'gone', reason: 'session-closed' }
    case 'clear':
      return { verdict: 'clear', reason: 'portal-allowed' }
    case 'terminate':
      return { verdict: 'terminate', reason: 'portal-denied' }
    case 'unanswered':
      return isTooLong
        ? { verdict: 'terminate', reason: 'silent-too-long' }
        : { verdict: 'keep', reason: 'portal-unreachable' }
  }
}

type Question = { readonly user: LoginName; readonly portalReach: Reach }

async function ask(
  world: Parts<'syslog'>,
  { control, portal }: RoundParts,
  { user, portalReach }: Question,
): Promise<Response> {
  if (!(await control.isPresent(user))) return 'gone'
  if (portalReach !== 'portal') return 'unanswered'
  return unlessRefused(world, 'unanswered', async () => {
    const info = await portal.userinfo(user)
    const authorization = info.kind === 'found' ? await portal.authorize({ user, service: 'sshd' }) : undefined
    return judgeUser(info, authorization)
  })
}

/** An impostor in the portal's place counts as an outage: no reason to keep sessions. */
async function unlessRefused<T>(world: Parts<'syslog'>, otherwise: T, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof Fault) || error.kind !== 'refused') throw error
    world.syslog('err', error.message)
    return otherwise
  }
}

/** A grant that cannot be destroyed does not keep a session. */
async function forgetGrant(world: Parts<'syslog'>, parts: RoundParts, user: LoginName): Promise<void> {
  await orElse(
    () => parts.forgetGrant(user),
    (fault) => void world.syslog('err', fault.message),
  )
}

/** No public address is asked: any answer, even a refusal, or a default route shows a network. */
const reachOf = (world: PortalHttpWorld & Parts<'syslog'>, config: Config): Promise<Reach> =>
  unlessRefused<Reach>(world, 'silent', () => findReach(world, config))

async function findReach(world: PortalHttpWorld, config: Config): Promise<Reach> {
  const url = `${config.portal_url}/.well-known/openid-configuration`
  const answer = await openPortalHttp(world, config)({ method: 'GET', url, headers: {} })
  if (answer.kind !== 'unreachable') return 'portal'
  if (answer.responded) return 'silent'
  const text = (path: string): string => decodeUtf8(world.files.read(path, 1 << 20) ?? new Uint8Array()) ?? ''
  const isConnected = hasDefaultRoute4(text('/proc/net/route')) || hasDefaultRoute6(text('/proc/net/ipv6_route'))
  return isConnected ? 'silent' : 'down'
}

const silenceSchema = v.object({ roundAt: v.number(), silentSeconds: v.number(), downSeconds: v.number() })

function readOutage(world: Parts<'files'>): Outage | undefined {
  const bytes = world.files.readTrusted(paths.silence, { limit: 1024, secret: false })
  const read = v.safeParse(v.pipe(v.string(), v.parseJson(), silenceSchema), bytes ? decodeUtf8(bytes) : '')
  return read.success ? read.output : undefined
}

const writeOutage = (world: Parts<'files'>, silence: Outage): void =>
  world.files.writeAtomic(paths.silence, JSON.stringify(silence), { mode: 0o600 })
