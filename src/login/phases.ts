// The four PAM phases: each reads what PAM and sshd say, has it decided, and carries out what was decided.
import { Fault } from '../base/fault.ts'
import { type LoginName, parseLoginName } from '../base/names.ts'
import { allowed } from '../base/outcome.ts'
import { isSsh, isSudo } from '../base/pam-service.ts'
import { paths } from '../base/paths.ts'
import type { World } from '../base/world.ts'
import { type Config, hasPortal } from '../config/load.ts'
import { greeterMessage } from '../offline/password-policy.ts'
import { type FunctionalRole, functionalRole } from '../shell/role-policy.ts'
import { type Proof, type ProofSource, readProof } from '../ssh/proof.ts'
import { type PamRequest, settleAccount, settleAuth, settleSession } from './answers.ts'
import type { PasswordCheck } from './auth.ts'
import {
  forgetConnection,
  noteProvenKey,
  noteSession,
  performAccount,
  performAuth,
  performSession,
  publishPolicy,
} from './effects.ts'
import type { Phase, PhaseResult } from './event-policy.ts'
import { openPorts } from './ports.ts'
import { parseUserToken, type UserToken } from './typed-answer-format.ts'

/** Decides one phase. A Fault says that this host is broken. */
export function decidePhase(
  phase: Phase,
  request: PamRequest,
  { world, config }: { readonly world: World; readonly config: Config },
): Promise<PhaseResult> {
  const role = functionalRole(request.user, config)
  if (role !== undefined) return decideAsFunctional(phase, request, { world, config, role })
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

/** Loaded only where such an account is configured and asked for. */
async function decideAsFunctional(
  phase: Phase,
  request: PamRequest,
  parts: { readonly world: World; readonly config: Config; readonly role: FunctionalRole },
): Promise<PhaseResult> {
  const { decideFunctionalPhase } = await import('./functional.ts')
  return decideFunctionalPhase(phase, request, {
    ...parts,
    ports: openPorts(parts.world, parts.config),
    readProof: () => proofOf('open_session', parts.world, parts.config),
    readAnswer: () => readAnswer(parts.world, parts.config),
  })
}

const longestAnswer = 8192

/** The typed answer. It is on standard input once. */
export function readAnswer(world: World, config: Config): UserToken {
  const input = world.stdin(longestAnswer)
  const typed = parseUserToken(input, config.offline_cache_enabled)
  input.fill(0)
  return typed
}

const authenticate = (request: PamRequest, config: Config, world: World): Promise<PhaseResult> =>
  authenticateWith(readAnswer(world, config), request, { world, config })

export async function authenticateWith(
  typed: UserToken,
  request: PamRequest,
  { world, config }: { readonly world: World; readonly config: Config },
): Promise<PhaseResult> {
  const ports = openPorts(world, config)
  const { outcome, effects, facts } = await settleAuth(ports, config, request, typed)
  const performed = await performAuth(ports, request, typed, effects)
  const notes = [detailOf(facts.verification ?? facts.introspection ?? facts.newcomer), ...performed]
  const safe = notes.map((note) => withoutToken(note, typed.token.expose()))
  const message = config.offline_error_messages === 'greeter' ? greeterText(request, facts.password) : undefined
  return { outcome, notes: [...safe, facts.password?.detail ?? ''], message }
}

/** A code that a greeter on this host understands; a user far away does not learn why a password did not count. */
function greeterText(request: PamRequest, password: PasswordCheck | undefined): string | undefined {
  if (!password || password.kind === 'accepted' || request.rhost !== undefined) return undefined
  return `${greeterMessage(password.kind, password.secondsLeft)}\n`
}

/** A portal may repeat in its answer what it was asked about. */
const withoutToken = (note: string, token: string): string =>
  token.length > 3 ? note.replaceAll(token, '[secret]') : note

async function authorize(request: PamRequest, config: Config, world: World): Promise<PhaseResult> {
  const ports = openPorts(world, config)
  const proof = await proofOf('account', world, config)
  const { outcome, effects, facts } = await settleAccount(ports, config, request, proof)
  const performed = await performAccount(ports, request, facts.bound, effects)
  const published = isSudo(request.service) ? [] : [...(await publishPolicy(ports)), ...(await tend(world, config))]
  const details = [facts.authorization, facts.cached, facts.serviceAccount].map(detailOf)
  return { outcome, notes: [...details, ...performed, ...published], cached: facts.cached }
}

const withoutSession: ReadonlySet<string> = new Set(['sudo', 'sudo-i', 'su', 'su-l', 'cron', 'crond', 'systemd-user'])

async function openSession(request: PamRequest, config: Config, world: World): Promise<PhaseResult> {
  if (withoutSession.has(request.service)) return { outcome: allowed('not-our-session'), notes: [] }
  const proof = await proofOf('open_session', world, config)
  const ports = openPorts(world, config)
  const { outcome, effects, facts } = await settleSession(ports, config, request, proof)
  const performed = [...(await performSession(ports, request, effects)), ...(await forgetConnection(ports, request))]
  // Not of service accounts: no portal is asked about their sudo.
  if (outcome.kind === 'allowed' && isSsh(request.service) && request.user && !facts.serviceAccount)
    performed.push(...(await noteProvenKey(ports, request.user, facts.bound)))
  if (outcome.kind === 'allowed' && request.user && config.oauth2_token_auth)
    performed.push(...(await noteSession(ports, request.user)))
  if (!hasPortal(config)) (await import('../weblogin/authority.ts')).forgetConfirmed(world, request)
  const key = proof.kind === 'key' ? `${proof.about ?? 'key'} ${proof.fingerprint}` : ''
  const details = [facts.authorization, facts.cached, facts.serviceAccount, facts.account].map(detailOf)
  const hop = proof.kind === 'key' && proof.hop?.kind === 'vouched' ? proof.hop.about : ''
  return { outcome, notes: [key, hop, ...details, ...performed], cached: facts.cached }
}

async function closeSession(request: PamRequest, config: Config, world: World): Promise<PhaseResult> {
  const ports = openPorts(world, config)
  ports.connections.forget(request.connection)
  if (request.user && config.oauth2_token_auth) await (await ports.knownTokens()).forgetUser(request.user)
  return { outcome: allowed('session-closed'), notes: [] }
}

// Loaded where hops are configured, or were.
async function tend(world: World, config: Config): Promise<readonly string[]> {
  const mayConcern = config.bastion_jwt_allowed_bastions.length > 0 || config.bastion_jwt_required
  if (!mayConcern && world.files.stat(paths.hopPolicy) === undefined) return []
  try {
    return await (await import('../bastion/upkeep.ts')).tendHops(world, config)
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    return [error.message]
  }
}

/** The proof that sshd has up to this phase. In the auth phase that is what it had proven before it ran PAM. */
export const proofOf = (phase: Phase, world: World, config: Config): Promise<Proof> =>
  judgeProof(world, config, {
    user: parseLoginName(world.env['PAM_USER'] ?? ''),
    authInfo: world.env['SSH_AUTH_INFO_0'],
    connection: world.env['SSH_CONNECTION'],
    isSession: phase !== 'account',
  })

/** Judges what sshd says was proven by the configuration of this host. */
export const judgeProof = (
  world: World,
  config: Config,
  source: Pick<ProofSource, 'authInfo' | 'connection' | 'isSession'> & { readonly user: LoginName | undefined },
): Promise<Proof> =>
  readProof({
    ...source,
    policy: {
      enabled: config.ssh_key_policy_enabled,
      allowedTypes: config.ssh_key_allowed_types,
      minRsaBits: config.ssh_key_min_rsa_bits,
      minEcdsaBits: config.ssh_key_min_ecdsa_bits,
    },
    isRevocationListStale: async () => {
      if (config.krl_max_age === 0) return false
      const { isStale, readKrl } = await import('../revocation/krl.ts')
      return isStale(readKrl(world), config.krl_max_age)
    },
    // Loaded for certificates that are for a hop.
    judgeHop: async (key) => {
      const { user } = source
      return user && (await import('../bastion/proven.ts')).judgeProven(world, config, { key, user })
    },
  })

export const detailOf = (reply: { readonly kind: string } | undefined): string =>
  reply && 'detail' in reply && typeof reply.detail === 'string' ? reply.detail : ''
