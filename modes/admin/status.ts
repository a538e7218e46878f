// One screen: who this host is to the portal, and how it is. ob doctor says what to do about it.

import { orElse } from '../../src/base/fault.ts'
import { bad, type Finding } from '../../src/base/finding.ts'
import { allowed, denied } from '../../src/base/outcome.ts'
import { remedyFor } from '../../src/base/remedy.ts'
import { duration, hangingLines, printable } from '../../src/base/text.ts'
import type { World } from '../../src/base/world.ts'
import { type HopSummary, summarizeHops } from '../../src/bastion/summary.ts'
import { type Config, hasPortal, loadConfig } from '../../src/config/load.ts'
import { type Snapshot, takeSnapshot } from '../../src/health/snapshot.ts'
import { openPorts } from '../../src/login/ports.ts'
import {
  judgeClock,
  judgeHeartbeat,
  judgeRefresh,
  judgeTimer,
  lastRenewalAt,
} from '../../src/portal-client/enrollment-policy.ts'
import { readHeartbeat, startedAt } from '../../src/portal-client/heartbeat.ts'
import type { HeartbeatState } from '../../src/portal-client/heartbeat-format.ts'
import { refusalOfHost } from '../../src/portal-client/host-refusal.ts'
import { type Probe, probePortal, tlsFloor } from '../../src/portal-client/probe.ts'
import type { TokenFile } from '../../src/portal-client/server-token-format.ts'
import { timerState } from '../../src/portal-client/timer.ts'
import { readTokenFile } from '../../src/portal-client/token-file.ts'
import { judgeServedConfig } from '../../src/userdb/served-config.ts'
import { parse } from '../run/args.ts'
import { ended, type Mode } from '../run/mode.ts'

export const syntax = {
  name: 'status',
  summary:
    'Show on one screen who this host is to the portal and how it is. Ends with 1 when something needs attention.',
  args: { json: { type: 'boolean', description: 'print JSON', default: false } },
} as const

type Row = readonly [name: string, text: string]

export const mode: Mode = {
  run: async (args, world) => {
    const result = await parse(syntax, args)
    if ('ending' in result) return result.ending
    const view = await look(world, loadConfig(world.files))
    const attention = view.findings.filter(({ verdict }) => verdict === 'bad')
    const outcome = attention.length === 0 ? allowed('done') : denied('found-problems')
    return ended(outcome, result.parsed.json ? `${JSON.stringify(factsOf(world, view))}\n` : screen(world, view))
  },
}

type View = {
  readonly config: Config
  readonly tokens: TokenFile | undefined
  readonly beat: HeartbeatState | undefined
  readonly probe: Probe
  readonly skew: number | undefined
  readonly here: Snapshot
  readonly hops: HopSummary
  readonly findings: readonly Finding[]
}

async function look(world: World, config: Config): Promise<View> {
  const broken: Finding[] = []
  const tried = async <T>(work: () => T | Promise<T>, otherwise: T): Promise<T> => {
    return orElse(work, (fault) => {
      broken.push({ verdict: 'bad', message: fault.message, remedy: fault.hint ?? 'ob doctor' })
      return otherwise
    })
  }
  const now = world.now()
  const beat = readHeartbeat(world)
  const isEnrolled = hasPortal(config)
  const tokens = isEnrolled ? await tried(() => readTokenFile(world, config.server_token_file), undefined) : undefined
  const refused: Probe = { problem: 'refused', tookMs: 0, skew: undefined }
  const ports = openPorts(world, config)
  const [probe, here, timer, hops] = await Promise.all([
    isEnrolled ? tried(() => probePortal(world, config), refused) : refused,
    takeSnapshot(world, config, ports),
    timerState(world),
    isEnrolled ? tried(() => summarizeHops(world, config, ports.portal.send), {}) : {},
  ])
  // The Date of an answer now is newer than that of the last heartbeat.
  const skew = probe.skew ?? beat?.skew
  const unreachable: Finding[] =
    probe.problem === undefined || probe === refused
      ? []
      : [{ verdict: 'bad', message: probe.problem, remedy: 'check the network and the portal' }]
  const findings = [
    ...broken,
    ...unreachable,
    ...(tokens
      ? [judgeRefresh(beat, tokens, now), judgeHeartbeat(beat, now, startedAt(world, tokens)), judgeTimer(timer)]
      : []),
    ...(isEnrolled ? [judgeClock(skew)] : []),
    ...(await tried(() => judgeServedConfig(world), [])),
    ...refusal(world),
    ...here.problems.map((message): Finding => ({ verdict: 'bad', message, remedy: 'ob doctor' })),
  ]
  return { config, tokens, beat, probe, skew, here, hops, findings }
}

function refusal(world: World): readonly Finding[] {
  const said = refusalOfHost(world)
  if (said === undefined) return []
  const remedy = remedyFor('portal-refuses-host', said) ?? ''
  return [bad(`the portal refused this host, so nothing cached counts${said === '' ? '' : `: ${said}`}`, remedy)]
}

function screen(world: World, view: View): string {
  const columns = Math.min(world.terminal?.columns ?? 80, 80) - 1
  // A word that is too long stays whole: people copy addresses and the id of a bastion.
  const hanging = (first: string, text: string) => hangingLines(first, printable(text), columns)
  const rows = rowsOf(world, view).flatMap(([name, text]) => hanging(name.padEnd(12), text))
  const attention = view.findings.filter(({ verdict }) => verdict === 'bad')
  const warnings = attention.flatMap(({ message, remedy }) => [
    ...hanging('! ', message),
    ...(remedy === undefined ? [] : hanging('    → ', remedy)),
  ])
  const last = attention.length === 0 ? 'nothing needs attention' : warnings.join('\n')
  return `${rows.join('\n')}\n\n${last}\n`
}

const portalText = (config: Config, probe: Probe): string =>
  hasPortal(config)
    ? `${config.portal_url}, ${probe.problem === undefined ? `answers in ${probe.tookMs} ms` : 'no answer'}`
    : `none; logins by ${config.weblogin_url ?? 'nothing'}`

function rowsOf(world: World, { config, tokens, beat, probe, skew, here, hops }: View): readonly Row[] {
  const now = world.now()
  const ago = (at: number | undefined): string => (at === undefined ? 'unknown' : `${duration(now - at)} ago`)
  const role = config.node_role === undefined ? '' : `, ${config.node_role}`
  const due = beat?.next === undefined ? 'now' : beat.next > now ? `in ${duration(beat.next - now)}` : 'now'
  return [
    ['host', `${world.hostname()}${role}`],
    [
      'enrolled',
      tokens ? `as ${config.client_id ?? '?'} in group ${config.server_group ?? '(not set)'}, ${since(tokens)}` : 'no',
    ],
    ['token', tokens ? `renewed ${ago(lastRenewalAt(beat, tokens))}, ${expiry(tokens, now)}` : 'none'],
    ['heartbeat', beat ? `${lastBeat(beat, ago)}; next due ${due}` : 'none since boot'],
    ['portal', portalText(config, probe)],
    ['tls', tlsFloor(config)],
    ['clock', clockText(skew, probe.skew === undefined ? ago(beat?.renewedAt) : undefined)],
    ['lockouts', `${here.locked} locked now`],
    ['accounts', `${here.accounts} of portal users`],
    ['audit log', audit(config, here, now)],
    ['sessions', `${here.sessions} now`],
    ['offline', `${here.offline.kept} answers of the portal kept; ${here.offline.users} users came in without it`],
    ...hopRows(hops),
  ]
}

/** `when`: how old the comparison is that the last renewal made; undefined when it was made just now. */
function clockText(skew: number | undefined, when: string | undefined): string {
  if (skew === undefined) return 'not compared'
  const difference = `${Math.abs(skew)} s ${skew < 0 ? 'behind' : 'ahead of'} the portal`
  return when === undefined ? difference : `${difference}, compared ${when}`
}

/** A failure is as old as itself, and not as the heartbeat that was sent before. */
function lastBeat({ result, at, reportedAt }: HeartbeatState, ago: (at: number | undefined) => string): string {
  const sent = reportedAt === undefined ? 'none sent since boot' : `last sent ${ago(reportedAt)}`
  if (result !== 'ok') return `${result}, ${ago(at)}; ${sent}`
  return reportedAt === undefined ? sent : `ok, ${ago(reportedAt)}`
}

function hopRows({ bastion, backend }: HopSummary): readonly Row[] {
  const age = backend?.keysAge === undefined ? 'no keys of the portal yet' : `keys ${duration(backend.keysAge)} old`
  return [
    ...(bastion ? [['bastion id', bastion.id ?? 'the portal does not say'] as const] : []),
    ...(backend ? [['hops', `from ${backend.bastions} bastions; ${age}`] as const] : []),
  ]
}

const since = ({ enrolledAt }: TokenFile): string =>
  enrolledAt === undefined ? 'since an unknown day' : `since ${new Date(enrolledAt * 1000).toISOString().slice(0, 10)}`

function expiry({ expiresAt }: TokenFile, now: number): string {
  if (expiresAt === undefined) return 'expiry unknown'
  return expiresAt > now ? `expires in ${duration(expiresAt - now)}` : `expired ${duration(now - expiresAt)} ago`
}

function audit(config: Config, { audit }: Snapshot, now: number): string {
  if (!audit) return config.audit_enabled ? 'nothing written yet' : 'switched off'
  const { last, bytes } = audit
  const size = bytes < 10_240 ? `${bytes} bytes` : `${Math.round(bytes / 1024)} KiB`
  return last ? `${size}, last ${last.event} ${last.user}, ${duration(now - last.at)} ago` : size
}

function factsOf(world: World, { config, tokens, beat, probe, skew, here, hops, findings }: View): object {
  const { locked, accounts, audit, sessions, offline } = here
  return {
    host: world.hostname(),
    enrolled: tokens && {
      client_id: config.client_id,
      server_group: config.server_group,
      node_role: config.node_role,
      since: tokens.enrolledAt,
    },
    token: tokens && { renewed_at: lastRenewalAt(beat, tokens), expires_at: tokens.expiresAt },
    heartbeat: beat,
    portal: { url: config.portal_url, reachable: probe.problem === undefined, latency_ms: probe.tookMs },
    tls: { floor: config.min_tls_version === 12 ? '1.2' : '1.3', pins: config.cert_pin },
    clock: { skew },
    locked,
    accounts,
    audit,
    sessions,
    offline,
    bastion_id: hops.bastion?.id,
    hops: hops.backend && { bastions: hops.backend.bastions, keys_age: hops.backend.keysAge },
    attention: findings
      .filter(({ verdict }) => verdict === 'bad')
      .map(({ message, remedy }) => ({ proof: message, remedy })),
  }
}
