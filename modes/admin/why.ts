// Foresees a decision about a user by running the very same decision without its effects; or explains why the last one
// was refused.

import { type AuditEvent, parseAuditLine, reference } from '../../src/audit/event-format.ts'
import { decodeBytewise, decodeUtf8 } from '../../src/base/bytes.ts'
import { type LoginName, parseLoginName } from '../../src/base/names.ts'
import { allowed, denied, type Outcome } from '../../src/base/outcome.ts'
import { isSudo } from '../../src/base/pam-service.ts'
import { paths } from '../../src/base/paths.ts'
import { auditText, everyReason, type Reason } from '../../src/base/reason.ts'
import { remedyFor } from '../../src/base/remedy.ts'
import { printable } from '../../src/base/text.ts'
import type { World } from '../../src/base/world.ts'
import { type Config, loadConfig } from '../../src/config/load.ts'
import { judgeSudoGroup, unfoundRemedy } from '../../src/health/accounts.ts'
import { lockoutFileName, lockoutKey } from '../../src/lockout/state-format.ts'
import { type ForeseenPhase, foresee } from '../../src/login/dry-run.ts'
import { judgeProof } from '../../src/login/phases.ts'
import { openPorts, type Ports } from '../../src/login/ports.ts'
import type { Authorization, Granted } from '../../src/portal-client/reply-format.ts'
import type { Proof } from '../../src/ssh/proof.ts'
import { parse } from '../run/args.ts'
import { type Ending, ended, type Mode, usage } from '../run/mode.ts'

export const syntax = {
  name: 'why',
  summary:
    'Say what would be decided for a user and why, by the very same decision without its effects; or explain the last refusal.',
  args: {
    user: { type: 'positional', description: 'the user', required: false },
    service: { type: 'string', description: 'the PAM service', default: 'sshd' },
    phase: { type: 'string', description: 'auth, account or session', default: 'account' },
    key: {
      type: 'string',
      description: 'the public key or certificate that proves the user, a file: for account and session',
    },
    rhost: { type: 'string', description: 'the address the user comes from, for the lockout' },
    last: { type: 'boolean', description: 'explain the last refusal of this user from the audit log', default: false },
    ref: { type: 'string', description: 'explain every refusal with this reference, the last one first' },
    json: { type: 'boolean', description: 'print JSON', default: false },
  },
} as const

export const mode: Mode = {
  run: async (args, world) => {
    const result = await parse(syntax, args)
    if ('ending' in result) return result.ending
    const { user: name, service, phase, key, rhost, last, ref, json } = result.parsed
    if (ref === undefined && name === undefined) return usage('name a user, or --ref REFERENCE')
    const user = parseLoginName(name ?? '')
    if (ref === undefined && !user) return usage(`"${name?.slice(0, 40)}" is not a name this host accepts`)
    const config = loadConfig(world.files)
    if (ref !== undefined)
      return explain(
        world,
        config,
        { matches: (event) => reference(event.correlation_id) === ref.toUpperCase(), most: shown },
        json,
      )
    if (last || !user) return explain(world, config, { matches: (event) => event.user === name, most: 1 }, json)
    if (!isPhase(phase)) return usage(`"${printable(phase)}" is no phase; the phases are auth, account and session`)
    const proof = await provenBy(world, config, { user, file: key })
    if (!proof) return usage(`${key} holds no public key or certificate`)
    return answer(world, config, { user, service, rhost, phase, proof }, json)
  },
}

type Question = {
  readonly user: LoginName
  readonly service: string
  readonly rhost: string | undefined
  readonly phase: ForeseenPhase
  readonly proof: Proof
}
type Fact = { readonly about: string; readonly text: string }

const isPhase = (phase: string): phase is ForeseenPhase =>
  phase === 'auth' || phase === 'account' || phase === 'session'

/** The proof that sshd would hand over for this key; undefined when the file holds none. */
async function provenBy(
  world: World,
  config: Config,
  { user, file }: { readonly user: LoginName; readonly file: string | undefined },
): Promise<Proof | undefined> {
  if (file === undefined) return { kind: 'no-key' }
  const text = decodeUtf8(world.files.read(file, 1 << 17) ?? new Uint8Array())?.trim() ?? ''
  const [type = '', base64 = ''] = text.split(/\s+/)
  const proof = await judgeProof(world, config, {
    user,
    authInfo: `publickey ${type} ${base64}\n`,
    connection: '',
    isSession: true,
  })
  return proof.kind === 'key' ? proof : undefined
}

async function answer(world: World, config: Config, question: Question, json: boolean): Promise<Ending> {
  const ports = openPorts(world, config)
  const { user, service, rhost, phase, proof } = question
  const request = { service, user, rhost, connection: 'foreseen', proof }
  const { outcome, authorization, assumed } = await foresee(phase, request, { ports, config })
  const found: Fact[] = [
    await lockoutFact(world, config, ports, user, rhost),
    await accountFact(world, config, ports, user),
    ...(await groupFacts(world, service, user, authorization)),
    ...(authorization && 'detail' in authorization && authorization.detail !== ''
      ? [{ about: 'portal', text: authorization.detail }]
      : []),
    ...(authorization?.kind === 'granted'
      ? [
          {
            about: 'portal',
            text: grantText(authorization),
          },
        ]
      : []),
    ...(assumed === undefined ? [] : [{ about: 'assumed', text: assumed }]),
  ]
  const said = authorization && 'detail' in authorization ? authorization.detail : ''
  const about = `${user}, service ${service}, phase ${phase}`
  const told = {
    about,
    kind: outcome.kind,
    reason: outcome.reason,
    facts: found,
    remedy: remedyFor(outcome.reason, said),
  }
  const text = json ? `${JSON.stringify(asJson(told))}\n` : `${linesOf(told).join('\n')}\n`
  return ended(outcome.kind === 'allowed' ? allowed('done') : denied('found-problems'), text)
}

const grantText = ({ groups, sudoAllowed }: Granted): string =>
  `allowed; groups ${groups.join(', ') || '(none)'}; sudo ${sudoAllowed ? 'allowed' : 'not allowed'}`

async function lockoutFact(
  world: World,
  config: Config,
  ports: Ports,
  user: LoginName,
  rhost: string | undefined,
): Promise<Fact> {
  const key = lockoutKey(user, rhost)
  const { secondsLeft } = await ports.lockouts.left(key)
  const file = `${config.rate_limit_state_dir}/${lockoutFileName(key)}`
  const from = rhost ?? 'this host itself'
  if (secondsLeft > 0)
    return { about: 'lockout', text: `tokens from ${from} are refused for ${secondsLeft} s more (${file})` }
  return {
    about: 'lockout',
    text: world.files.stat(file)
      ? `failures from ${from} are counted, no lock now (${file})`
      : `no failures from ${from}`,
  }
}

async function accountFact(world: World, config: Config, ports: Ports, user: LoginName): Promise<Fact> {
  const { code, stdout } = await world.spawn(['getent', 'passwd', user])
  if (code === 0) return { about: 'account', text: stdout.trim() }
  if ((await ports.accounts()).registry().users.has(user))
    return {
      about: 'account',
      text: `in the registry, but NSS does not find it: ${unfoundRemedy(config.create_user_target)}, then ob doctor`,
    }
  return { about: 'account', text: withoutAccount(world, config) }
}

async function groupFacts(
  world: World,
  service: string,
  user: LoginName,
  authorization: Authorization | undefined,
): Promise<readonly Fact[]> {
  if (!isSudo(service) || authorization?.kind !== 'granted' || !authorization.sudoAllowed) return []
  return (await judgeSudoGroup(world, user)).map(({ message, remedy }) => ({
    about: 'groups',
    text: `${message}, so sudo refuses: ${remedy}`,
  }))
}

function withoutAccount(world: World, config: Config): string {
  if (!config.create_user) return 'none, and create_user is not set: sshd will not know this user'
  const isServed = world.files.stat(`${paths.userdb}/io.openbastion`) !== undefined
  if (isServed) return 'none yet; ob serve tells sshd about the user, and the first login makes it'
  if (config.create_user_target === 'userdb') return 'none yet, and ob serve is away: sshd will not know this user'
  return 'none yet; the first connection registers it, the second gets in'
}

/** One decision, foreseen or read in the log. */
type Told = {
  readonly about: string
  readonly kind: string
  readonly reason: Reason
  readonly facts: readonly Fact[]
  readonly remedy: string | undefined
}

const asJson = ({ about, kind, reason, facts, remedy }: Told) => ({
  about,
  outcome: kind,
  reason,
  text: auditText(reason),
  facts,
  remedy,
})

const linesOf = ({ about, kind, reason, facts, remedy }: Told): readonly string[] => [
  `${about}: ${kind} (${reason})`,
  `  ${'because'.padEnd(8)} ${auditText(reason)}`,
  ...facts.map((fact) => `  ${fact.about.padEnd(8)} ${printable(fact.text)}`),
  ...(remedy === undefined ? [] : [`  ${'remedy'.padEnd(8)} ${remedy}`]),
]

/** The end of the log that is searched, in bytes: some twenty thousand events. */
const searched = 8 << 20

/** One connection rarely meets more refusals than sshd's MaxAuthTries, and each of its sudo may meet some. */
const shown = 20

type Wanted = { readonly matches: (event: AuditEvent) => boolean; readonly most: number }

function explain(world: World, config: Config, { matches, most }: Wanted, json: boolean): Ending {
  const bytes = world.files.readEnd(config.audit_log_file, searched)
  if (!bytes)
    return notFound(
      `${config.audit_log_file} does not exist: nothing was decided here yet`,
      denied('found-problems'),
      json,
    )
  const whole = bytes.length < searched ? bytes : bytes.subarray(bytes.indexOf(10) + 1)
  // A full disk may have cut a letter in two: that damages one line, not the log.
  const lines = (decodeUtf8(whole) ?? decodeBytewise(whole)).split('\n')
  const found: Told[] = []
  for (let i = lines.length - 1; i >= 0 && found.length < most; i--) {
    const event = parseAuditLine(lines[i]!)
    if (event && event.result_code !== 0 && matches(event)) found.push(toldOf(event))
  }
  const [last, ...earlier] = found
  // A user without a refusal is good news; a reference that somebody read aloud must be there.
  if (!last)
    return notFound('no such refusal in the audit log', most === 1 ? allowed('done') : denied('found-problems'), json)
  const outcome = denied('found-problems')
  if (json) return ended(outcome, `${JSON.stringify({ ...asJson(last), earlier: earlier.map(asJson) })}\n`)
  return ended(outcome, `${found.map((told) => linesOf(told).join('\n')).join('\n\n')}\n`)
}

const notFound = (text: string, outcome: Outcome, json: boolean): Ending =>
  ended(outcome, json ? `${JSON.stringify({ found: false, text })}\n` : `${text}\n`)

function toldOf(event: AuditEvent): Told {
  const facts: Fact[] = [
    { about: 'when', text: new Date(event.timestamp * 1000).toISOString() },
    { about: 'from', text: event.client_ip ?? 'this host itself' },
    { about: 'details', text: event.details ?? '' },
    { about: 'ref', text: reference(event.correlation_id) },
  ]
  const reason = everyReason.find((known) => known === event.reason) ?? 'fault'
  const kind = printable(String(event.more?.['outcome'] ?? 'denied'))
  const about = `${printable(event.user ?? '?')}, service ${printable(event.service ?? '?')}`
  return { about, kind, reason, facts, remedy: remedyFor(reason, event.details) }
}
