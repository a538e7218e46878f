// Logins to accounts that belong to no person: the front door of the certificate authority, and functional accounts
// that turn into a person. What was proven is left for the one process of this connection that may use it.
import { settle } from '../base/decision.ts'
import { parseLoginName } from '../base/names.ts'
import { allowed, denied, type Outcome } from '../base/outcome.ts'
import { isSsh } from '../base/pam-service.ts'
import type { Parts } from '../base/world.ts'
import { type Config, hasPortal } from '../config/load.ts'
import { lockoutKey } from '../lockout/state-format.ts'
import { attributesIn, decideFunctional, type IdentifiedPerson, personNamed, personOf } from '../shell/policy.ts'
import { leaveRecord, takeRecord } from '../shell/records.ts'
import type { FunctionalRole } from '../shell/role-policy.ts'
import { parseAuthInfo } from '../ssh/auth-info-format.ts'
import type { Proof } from '../ssh/proof.ts'
import type { PublicKey } from '../ssh/wire.ts'
import { canBeToken, type PamRequest, requireUser, settleSession, verifyTyped } from './answers.ts'
import { performAuth, performSession } from './effects.ts'
import type { Phase, PhaseResult } from './event-policy.ts'
import { decideTyped, type TypedFacts } from './functional-policy.ts'
import type { Ports } from './ports.ts'
import type { UserToken } from './typed-answer-format.ts'

type Here = Parts<'env' | 'now' | 'files'>

type Functional = {
  readonly world: Here & Parts<'connectionSeed' | 'callerSeed'>
  readonly ports: Ports
  readonly config: Config
  readonly role: FunctionalRole
  readonly readProof: () => Promise<Proof>
  readonly readAnswer: () => UserToken
}

/** Decides a phase of a login to such an account. */
export async function decideFunctionalPhase(
  phase: Phase,
  request: PamRequest,
  parts: Functional,
): Promise<PhaseResult> {
  const tokens = parts.config.functional_logins && parts.role === 'person'
  const early = decideFunctional({ phase, ssh: isSsh(request.service), tokens })
  if (early) return { outcome: early, notes: [] }
  if (phase === 'auth') return identifyByToken(request, { ...parts, typed: parts.readAnswer() })
  return parts.role === 'authority' ? identifyKey(request, parts) : identifyPerson(request, parts)
}

/** The key that sshd saw proven last; undefined when there is none or sshd's text cannot be read. */
function provenKey(world: Here): PublicKey | undefined {
  const info = parseAuthInfo(world.env['SSH_AUTH_INFO_0'] ?? '')
  if ('problem' in info) return undefined
  const keys = info.methods.flatMap(({ key }) => (key ? [key] : []))
  return keys.find(({ certificate }) => certificate) ?? keys[0]
}

/** The authority judges the key when it signs, so that the person reads why it is refused. */
function identifyKey(request: PamRequest, { world }: Functional): PhaseResult {
  const key = provenKey(world)
  if (!key) return { outcome: denied('no-proof'), notes: [] }
  leave(world, request, { kind: 'key', blob: key.blob })
  return { outcome: allowed('session-opened'), notes: [`key ${key.fingerprint}`] }
}

/** The portal says whose token was typed. That leaves a name for the session phase, which decides about the person. */
export async function identifyByToken(
  request: PamRequest,
  {
    world,
    config,
    ports,
    typed,
  }: Pick<Functional, 'config' | 'ports'> & { readonly world: Here; readonly typed: UserToken },
): Promise<PhaseResult> {
  const isNoToken = typed.kind === 'token' && !canBeToken(typed.token.expose(), config)
  const known: TypedFacts = { answer: typed.kind, isNoToken }
  const { outcome, effects, facts } = await settle(decideTyped, known, {
    lockout: () => ports.lockouts.left(lockoutKey(requireUser(request.user), request.rhost)),
    claim: () => ports.usedTokens.take(typed.token),
    verification: () => verifyTyped(ports, typed),
  })
  const named = effects.flatMap((effect) => (effect.do === 'identify' ? [effect.name] : []))
  const counted = effects.flatMap((effect) => (effect.do === 'identify' ? [] : [effect]))
  const notes = await performAuth(ports, request, typed, counted)
  const { verification } = facts
  const detail = verification && 'detail' in verification ? [verification.detail] : []
  if (outcome.kind !== 'allowed') return { outcome, notes: [...notes, ...detail] }
  const [name = ''] = named
  const left = nameTyped(world, config, request, name)
  return { outcome: left.kind === 'allowed' ? outcome : left, notes: [`as ${name}`, ...notes] }
}

/** Leaves the name for the session phase of this connection, unless nobody may be called so. */
export function nameTyped(world: Here, config: Config, request: PamRequest, name: string): Outcome {
  const person = personNamed(name, functionalNames(config))
  if (person.kind === 'refused') return person.outcome
  leave(world, request, { kind: 'typed', person: person.name })
  return allowed('person-identified')
}

const functionalNames = (config: Config): readonly string[] => [...config.functional_accounts, config.ca_user ?? 'root']

/** The person whom a proven certificate names; without any key, whom a token named on this very connection. */
function personHere(
  request: PamRequest,
  { key, proof }: { readonly key: PublicKey | undefined; readonly proof: Proof },
  { world, config }: Functional,
): IdentifiedPerson {
  const functional = functionalNames(config)
  if (key || proof.kind !== 'no-key' || !config.functional_logins) return personOf(key, functional)
  const taken = takeRecord(world, request.connection, request.user)
  const isTyped = taken.kind === 'record' && taken.record.proven.kind === 'typed'
  return isTyped ? personNamed(taken.record.proven.person, functional) : personOf(undefined, functional)
}

async function identifyPerson(request: PamRequest, parts: Functional): Promise<PhaseResult> {
  const { world, config, ports, readProof } = parts
  const proof = await readProof()
  const key = provenKey(world)
  const person = personHere(request, { key, proof }, parts)
  if (person.kind === 'refused') return { outcome: person.outcome, notes: [] }
  const about = proof.kind === 'key' ? `${proof.about ?? 'key'} ${proof.fingerprint}` : ''
  const notes = [`as ${person.name}`, about]
  // The person's own session policy decides: the portal, the key policy, the revocation list, the account.
  const asPerson = { ...request, user: person.name, functional: attributesIn(key, config.cert_attributes) }
  const { outcome, effects, facts } = await settleSession(ports, config, asPerson, proof)
  const performed = await performSession(ports, asPerson, effects)
  if (!hasPortal(config)) (await import('../weblogin/authority.ts')).forgetConfirmed(world, asPerson)
  const details = [facts.authorization, facts.account].flatMap((one) => (one && 'detail' in one ? [one.detail] : []))
  const result = (outcome: Outcome): PhaseResult => ({ outcome, notes: [...notes, ...details, ...performed] })
  if (outcome.kind !== 'allowed') return result(outcome)
  leave(world, request, { kind: 'person', person: person.name })
  return result(allowed('person-identified'))
}

function leave(world: Here, request: PamRequest, proven: Parameters<typeof leaveRecord>[1]['proven']): void {
  const account = parseLoginName(request.user ?? '')
  if (!account) return
  const sshConnection = world.env['SSH_CONNECTION'] ?? ''
  leaveRecord(world, { writtenAt: world.now(), account, connection: request.connection, sshConnection, proven })
}
