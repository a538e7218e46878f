// Logins to accounts that belong to no person: the front door of the certificate authority, and functional accounts
// that turn into a person. What was proven is left for the one process of this connection that may use it.
import { parseLoginName } from '../base/names.ts'
import { allowed, denied, type Outcome } from '../base/outcome.ts'
import { isSsh } from '../base/pam-service.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import { attributesIn, decideFunctional, personOf } from '../shell/policy.ts'
import { leaveRecord } from '../shell/records.ts'
import type { FunctionalRole } from '../shell/role-policy.ts'
import { parseAuthInfo } from '../ssh/auth-info-format.ts'
import type { Proof } from '../ssh/proof.ts'
import type { PublicKey } from '../ssh/wire.ts'
import { type PamRequest, settleSession } from './answers.ts'
import { performSession } from './effects.ts'
import type { Phase, PhaseResult } from './event-policy.ts'
import type { Ports } from './ports.ts'

type Functional = {
  readonly world: Parts<'env' | 'now' | 'files'>
  readonly ports: Ports
  readonly config: Config
  readonly role: FunctionalRole
  readonly readProof: () => Promise<Proof>
}

/** Decides a phase of a login to such an account. */
export async function decideFunctionalPhase(
  phase: Phase,
  request: PamRequest,
  parts: Functional,
): Promise<PhaseResult> {
  const early = decideFunctional({ phase, ssh: isSsh(request.service) })
  if (early) return { outcome: early, notes: [] }
  return parts.role === 'authority' ? identifyKey(request, parts) : identifyPerson(request, parts)
}

/** The key that sshd saw proven last; undefined when there is none or sshd's text cannot be read. */
function provenKey(world: Parts<'env' | 'now' | 'files'>): PublicKey | undefined {
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

async function identifyPerson(
  request: PamRequest,
  { world, config, ports, readProof }: Functional,
): Promise<PhaseResult> {
  const proof = await readProof()
  const key = provenKey(world)
  const person = personOf(key, [...config.functional_accounts, config.ca_user ?? 'root'])
  if (person.kind === 'refused') return { outcome: person.outcome, notes: [] }
  const about = proof.kind === 'key' ? `${proof.about ?? 'key'} ${proof.fingerprint}` : ''
  const notes = [`as ${person.name}`, about]
  // The person's own session policy decides: the portal, the key policy, the revocation list, the account.
  const asPerson = { ...request, user: person.name, functional: attributesIn(key, config.cert_attributes) }
  const { outcome, effects, facts } = await settleSession(ports, config, asPerson, proof)
  const performed = await performSession(ports, asPerson, effects)
  const details = [facts.authorization, facts.account].flatMap((one) => (one && 'detail' in one ? [one.detail] : []))
  const result = (outcome: Outcome): PhaseResult => ({ outcome, notes: [...notes, ...details, ...performed] })
  if (outcome.kind !== 'allowed') return result(outcome)
  leave(world, request, { kind: 'person', person: person.name })
  return result(allowed('person-identified'))
}

function leave(
  world: Parts<'env' | 'now' | 'files'>,
  request: PamRequest,
  proven: Parameters<typeof leaveRecord>[1]['proven'],
): void {
  const account = parseLoginName(request.user ?? '')
  if (!account) return
  const sshConnection = world.env['SSH_CONNECTION'] ?? ''
  leaveRecord(world, { writtenAt: world.now(), account, connection: request.connection, sshConnection, proven })
}
