// One PAM phase, from the request to the audit line and the sentence for the person.

import { type AuditEvent, reference } from '../../src/audit/event-format.ts'
import { type AuditConfig, fallbackAudit, openAudit } from '../../src/audit/log.ts'
import { Fault } from '../../src/base/fault.ts'
import { allowed, type Outcome, unavailable } from '../../src/base/outcome.ts'
import { isSsh, isSudo } from '../../src/base/pam-service.ts'
import { auditText, personText, type Reason } from '../../src/base/reason.ts'
import type { World } from '../../src/base/world.ts'
import { type Config, loadConfig } from '../../src/config/load.ts'
import { type PamRequest, settleAccount, settleAuth, settleSession } from '../../src/login/answers.ts'
import type { PasswordCheck } from '../../src/login/auth.ts'
import {
  forgetConnection,
  performAccount,
  performAuth,
  performSession,
  publishPolicy,
} from '../../src/login/effects.ts'
import { openPorts } from '../../src/login/ports.ts'
import { boundFingerprint } from '../../src/login/session.ts'
import { parseUserToken } from '../../src/login/typed-answer-format.ts'
import { greeterMessage } from '../../src/offline/password-policy.ts'
import type { Cached } from '../../src/offline/policy.ts'
import type { Proof } from '../../src/ssh/proof.ts'
import { type Ending, ended } from '../run/mode.ts'

export type Phase = 'auth' | 'account' | 'open_session' | 'close_session'

/** What one phase found: the outcome, and what the log should know besides. */
type Finding = {
  readonly outcome: Outcome
  readonly notes: readonly string[]
  /** What the cache said, when the portal was away. */
  readonly cached?: Cached | undefined
  /** Instead of the sentence that goes with the outcome. */
  readonly said?: string | undefined
}

/** A refusal is never faster than this, so that the time does not tell why. Seconds. */
const refusalFloor = 0.4

/** Decides, writes the audit line, and says what the person may read. */
export async function runPhase(phase: Phase, request: PamRequest, world: World): Promise<Ending> {
  const startedAt = world.monotonic()
  let config: Config | undefined
  try {
    refuseDuplicates(world)
    config = loadConfig(world.files)
    const finding = await find(phase, request, config, world)
    const filed = await report(phase, request, finding, world, config, startedAt)
    const outcome = !filed && config.audit_required ? unavailable('audit-unwritable') : finding.outcome
    if (phase === 'auth' && outcome.kind !== 'allowed') await floor(world, startedAt)
    return ended(outcome, saidAbout(finding) ?? spoken(outcome.reason, request))
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    const outcome = unavailable(error.kind === 'refused' ? 'portal-untrusted' : 'fault')
    const text = error.hint ? `${error.message} (${error.hint})` : error.message
    await report(phase, request, { outcome, notes: [text] }, world, config ?? fallbackAudit, startedAt)
    if (phase === 'auth') await floor(world, startedAt)
    return ended(outcome, spoken(outcome.reason, request))
  }
}

// pam_exec appends its own PAM_* to whatever modules before it set, so a second one means that somebody tries to be
// another.
function refuseDuplicates(world: World): void {
  const [name] = world.duplicates
  if (name !== undefined)
    throw new Fault(`${name} is in the environment twice`, {
      hint: 'some PAM module lets users set variables; remove user_readenv=1 from pam_env lines',
    })
}

function find(phase: Phase, request: PamRequest, config: Config, world: World): Promise<Finding> | Finding {
  switch (phase) {
    case 'auth':
      return authenticate(request, config, world)
    case 'account':
      return authorize(request, config, world)
    case 'open_session':
      return openSession(request, config, world)
    case 'close_session':
      return closeSession(request, config, world)
  }
}

async function closeSession(request: PamRequest, config: Config, world: World): Promise<Finding> {
  const ports = openPorts(world, config)
  ports.connections.forget(request.connection)
  if (request.user && config.oauth2_token_auth) await (await ports.knownTokens()).forgetUser(request.user)
  return { outcome: allowed('session-closed'), notes: [] }
}

const longestAnswer = 8192

async function authenticate(request: PamRequest, config: Config, world: World): Promise<Finding> {
  const input = world.stdin(longestAnswer)
  const typed = parseUserToken(input, config.offline_cache_enabled)
  input.fill(0)
  const ports = openPorts(world, config)
  const { outcome, effects, facts } = await settleAuth(ports, config, request, typed)
  const told = await performAuth(ports, request, typed, effects)
  const notes = [detailOf(facts.verification ?? facts.introspection ?? facts.newcomer), ...told]
  const safe = notes.map((note) => withoutToken(note, typed.token.expose()))
  const said = config.offline_error_messages === 'greeter' ? greeterText(request, facts.password) : undefined
  return { outcome, notes: [...safe, facts.password?.detail ?? ''], said }
}

/** What a greeter on this host itself understands; nobody far away is told why a password did not count. */
function greeterText(request: PamRequest, password: PasswordCheck | undefined): string | undefined {
  if (!password || password.kind === 'accepted' || request.rhost !== undefined) return undefined
  return `${greeterMessage(password.kind, password.secondsLeft)}\n`
}

/** A portal may repeat in its answer what it was asked about. */
const withoutToken = (note: string, token: string): string =>
  token.length > 3 ? note.replaceAll(token, '[secret]') : note

async function authorize(request: PamRequest, config: Config, world: World): Promise<Finding> {
  const ports = openPorts(world, config)
  const proof = await proofOf('account', world, config)
  const { outcome, effects, facts } = await settleAccount(ports, config, request, proof)
  const fingerprint = boundFingerprint({ proof, binding: config.fingerprint_binding })
  const told = await performAccount(ports, request, fingerprint, effects)
  const published = isSudo(request.service) ? [] : await publishPolicy(ports)
  const known = [facts.authorization, facts.cached, facts.serviceAccount].map(detailOf)
  const notes = [...known, ...told, ...published]
  return { outcome, notes, cached: facts.cached }
}

const withoutSession: ReadonlySet<string> = new Set(['sudo', 'sudo-i', 'su', 'su-l', 'cron', 'crond', 'systemd-user'])

async function openSession(request: PamRequest, config: Config, world: World): Promise<Finding> {
  if (withoutSession.has(request.service)) return { outcome: allowed('not-our-session'), notes: [] }
  const proof = await proofOf('open_session', world, config)
  const ports = openPorts(world, config)
  const { outcome, effects, facts } = await settleSession(ports, config, request, proof)
  const told = [...(await performSession(ports, request, effects)), ...(await forgetConnection(ports, request))]
  const key = proof.kind === 'key' ? `${proof.about ?? 'key'} ${proof.fingerprint}` : ''
  const details = [key, ...[facts.authorization, facts.cached, facts.serviceAccount, facts.account].map(detailOf)]
  return { outcome, notes: [...details, ...told], cached: facts.cached }
}

async function proofOf(phase: Phase, world: World, config: Config): Promise<Proof> {
  const text = world.env['SSH_AUTH_INFO_0']
  if (text === undefined) return world.env['SSH_CONNECTION'] === undefined ? { kind: 'no-key' } : { kind: 'unreadable' }
  // Before the session phase sshd lists only earlier methods, so with one method the text is empty.
  if (text === '') return { kind: phase === 'account' ? 'no-key' : 'unreadable' }
  const [{ parseAuthInfo }, { judgeKey }] = await Promise.all([
    import('../../src/ssh/auth-info-format.ts'),
    import('../../src/ssh/key-policy.ts'),
  ])
  const info = parseAuthInfo(text)
  if ('problem' in info) return { kind: 'unreadable' }
  const keys = info.methods.flatMap(({ key }) => (key ? [key] : []))
  const key = keys.find(({ certificate }) => certificate) ?? keys[0]
  if (!key) return { kind: 'no-key' }
  const policy = {
    enabled: config.ssh_key_policy_enabled,
    allowedTypes: config.ssh_key_allowed_types,
    minRsaBits: config.ssh_key_min_rsa_bits,
    minEcdsaBits: config.ssh_key_min_ecdsa_bits,
  }
  const refused = keys.map((one) => judgeKey(policy, one)).find((verdict) => verdict !== 'accepted')
  const { fingerprint, certificate } = key
  if (!certificate) return { kind: 'key', fingerprint, certificate: false, judged: refused ?? 'accepted' }
  const judged = refused ?? (config.krl_max_age > 0 ? await judgeList(world, config) : 'accepted')
  const about = `certificate serial ${certificate.serial} ID "${certificate.keyId.slice(0, 128)}"`
  return { kind: 'key', fingerprint, certificate: true, judged, about }
}

async function judgeList(world: World, config: Config): Promise<'accepted' | 'krl-stale'> {
  const { isStale, readKrl } = await import('../../src/revocation/krl.ts')
  return isStale(readKrl(world), config.krl_max_age) ? 'krl-stale' : 'accepted'
}

const detailOf = (reply: { readonly kind: string } | undefined): string =>
  reply && 'detail' in reply && typeof reply.detail === 'string' ? reply.detail : ''

async function report(
  phase: Phase,
  request: PamRequest,
  { outcome, notes, cached }: Finding,
  world: World,
  config: AuditConfig & Partial<Pick<Config, 'log_level' | 'notify_enabled' | 'notify_events'>>,
  startedAt: number,
): Promise<boolean> {
  const details = [auditText(outcome.reason), ...notes].filter((note) => note !== '').join('; ')
  const { PAM_USER: user, PAM_TTY: tty } = world.env
  if (logged(config)) world.syslog('info', `${phase} ${outcome.kind} ${outcome.reason}`)
  const event: AuditEvent = {
    timestamp: world.now(),
    event_type: eventOf(phase, outcome),
    correlation_id: request.connection,
    host: world.hostname(),
    user: request.user ?? user ?? '',
    service: request.service,
    ...(request.rhost === undefined ? {} : { client_ip: request.rhost }),
    ...(tty ? { tty } : {}),
    result_code: outcome.kind === 'allowed' ? 0 : 4,
    ...(cached ? { cache_hit: cached.kind === 'hit' } : {}),
    latency_ms: Math.round(world.monotonic() - startedAt),
    reason: outcome.reason,
    details,
    more: { phase, outcome: outcome.kind, ...offlineFacts(cached) },
  }
  const filed = openAudit(world, config).write(event)
  if (config.notify_enabled && config.notify_events?.includes(event.event_type)) await announce(world, event)
  return filed
}

/** Leaves the event for the webhook. What cannot be left is told to syslog and changes no verdict. */
async function announce(world: World, event: AuditEvent): Promise<void> {
  try {
    await (await import('../../src/audit/webhooks.ts')).queueEvent(world, event)
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    world.syslog('err', error.message)
  }
}

const offlineFacts = (cached: Cached | undefined): Readonly<Record<string, string | number>> =>
  cached?.kind === 'hit' ? { offline: 'true', cache_age: Math.round(Math.min(cached.ageSeconds, 1e9)) } : {}

/** Somebody let in without the portal reads that, and how old its word is. */
function saidAbout({ outcome, cached, said }: Finding): string | undefined {
  if (said !== undefined) return said
  if (outcome.kind !== 'allowed' || cached?.kind !== 'hit') return undefined
  const minutes = Math.max(1, Math.round(cached.ageSeconds / 60))
  return `The single sign-on portal cannot be reached; using its authorization of ${minutes} min ago.\n`
}

const logged = ({ log_level }: Partial<Pick<Config, 'log_level'>>): boolean =>
  log_level === 'info' || log_level === 'debug'

const errors: Partial<Record<Reason, string>> = {
  'locked-out': 'RATE_LIMITED',
  'token-of-another-user': 'SECURITY_ERROR',
  'service-account-other-key': 'SECURITY_ERROR',
  'krl-stale': 'SECURITY_ERROR',
  'cache-tampered': 'SECURITY_ERROR',
  'portal-untrusted': 'SECURITY_ERROR',
  fault: 'CONFIG_ERROR',
}

function eventOf(phase: Phase, { kind, reason }: Outcome): string {
  const error = errors[reason]
  if (error !== undefined) return error
  if (kind === 'unavailable') return 'SERVER_ERROR'
  if (phase === 'auth') return kind === 'allowed' ? 'AUTH_SUCCESS' : 'AUTH_FAILURE'
  if (phase === 'account') return kind === 'allowed' ? 'AUTHZ_SUCCESS' : 'AUTHZ_DENIED'
  if (kind === 'denied') return 'AUTHZ_DENIED'
  return phase === 'open_session' ? 'SESSION_OPENED' : 'SESSION_CLOSED'
}

function spoken(reason: Reason, request: PamRequest): string {
  const text = personText(reason, isSsh(request.service))
  return text === '' ? '' : `${text} [ref ${reference(request.connection)}]\n`
}

const floor = (world: World, startedAt: number): Promise<void> =>
  world.sleep(Math.max(0, refusalFloor - (world.monotonic() - startedAt) / 1000))
