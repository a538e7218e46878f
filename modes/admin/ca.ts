// This host as a certificate authority, for its administrator: keys, rotation, revocation, hosts.
import { correlationId } from '../../src/audit/event-format.ts'
import { openAudit } from '../../src/audit/log.ts'
import { Fault } from '../../src/base/fault.ts'
import { parseFingerprint, parseLoginName } from '../../src/base/names.ts'
import { allowed, denied } from '../../src/base/outcome.ts'
import { paths } from '../../src/base/paths.ts'
import type { World } from '../../src/base/world.ts'
import { longestReply, replyLength } from '../../src/ca/agent-format.ts'
import { agentUser } from '../../src/ca/agent-unit.ts'
import * as authority from '../../src/ca/authority.ts'
import { issueHostCertificate, readHosts } from '../../src/ca/host-certificate.ts'
import { formatHosts, isHostName } from '../../src/ca/hosts-format.ts'
import { openLedger } from '../../src/ca/ledger.ts'
import type { LedgerEntry } from '../../src/ca/ledger-format.ts'
import { changeRevocations } from '../../src/ca/revocations.ts'
import type { Revocations } from '../../src/ca/revocations-format.ts'
import { type AskAgent, probeAgent, readAuthorityKeys } from '../../src/ca/signing.ts'
import { type Config, loadConfig } from '../../src/config/load.ts'
import { type Parsed, parse } from '../run/args.ts'
import { type Ending, ended, type Mode, usage } from '../run/mode.ts'
import { requestOnce } from '../world/io/unix-request.ts'

export const syntax = {
  name: 'ca',
  summary:
    'This host as a certificate authority: init makes accounts, keys and the unit of the agent; status says whether it can sign; list shows what was issued; rotate makes a second key, then --activate lets it sign and --finish drops the first; revoke takes a USER, a serial or a key fingerprint back and writes the list for hosts; restore lets a user have certificates again; host enrolls the key of a host under its names and prints its certificate.',
  args: {
    verb: { type: 'positional', description: 'init, status, list, rotate, revoke, restore or host', required: true },
    what: { type: 'positional', description: 'who or what to revoke or restore; the names of a host', required: false },
    key: { type: 'string', description: 'file with a public key: of the host; or, for init, one that the agent has' },
    hosts: { type: 'boolean', description: 'rotate the key for hosts', default: false },
    activate: { type: 'boolean', description: 'the second key signs from now on', default: false },
    finish: { type: 'boolean', description: 'the first key is trusted no more', default: false },
    remove: { type: 'boolean', description: 'the key of this host is signed no more', default: false },
    json: { type: 'boolean', description: 'print JSON', default: false },
  },
} as const

type Wishes = Parsed<typeof syntax.args>
type Host = { readonly world: World; readonly config: Config; readonly ask: AskAgent; readonly wishes: Wishes }

export const mode: Mode = {
  run: async (args, world) => {
    const result = await parse(syntax, args)
    if ('ending' in result) return result.ending
    const config = loadConfig(world.files)
    const ask: AskAgent = (request) =>
      requestOnce(config.ca_agent, request, { length: replyLength, longest: longestReply, deadline: world.timeout(5) })
    const verb = verbs.get(result.parsed.verb)
    if (!verb) return usage(`"${result.parsed.verb.slice(0, 40)}" is not ${[...verbs.keys()].join(', ')}`)
    return verb({ world, config, ask, wishes: result.parsed })
  },
}

const done = (text: string): Ending => ended(allowed('done'), `${text}\n`)

async function init(host: Host): Promise<Ending> {
  const { world, config, wishes } = host
  const notes: string[] = []
  const account = config.ca_user ?? 'ca'
  if (await authority.ensureAccount(world, account, '/bin/sh')) notes.push(`account ${account} made`)
  if (await authority.ensureAccount(world, agentUser, '/usr/sbin/nologin')) notes.push(`account ${agentUser} made`)
  for (const kind of ['user', 'host'] as const) {
    const path = authority.keysFile(config, kind)
    if (world.files.stat(path)) continue
    const given = kind === 'user' ? wishes.key : undefined
    const key = given ? authority.readPublicKey(world, given) : await authority.makeKey(world, config, kind)
    authority.writeKeys(world, config, kind, [key])
    notes.push(`${path}: ${key.fingerprint}`)
  }
  if (authority.ensureUnit(world)) notes.push('/etc/systemd/system/ob-ca-agent.service written')
  const started = await startAgent(host)
  notes.push(started)
  if (config.ca_user === undefined)
    notes.push(`next: ca_user = ${account} in openbastion.conf, and docs/certificates.md`)
  return done(notes.join('\n'))
}

async function startAgent({ world, config }: Host): Promise<string> {
  if (await authority.loadAgent(world, config)) return 'the agent has the keys'
  if (!world.files.stat('/run/systemd/system')) return 'no systemd here: start ssh-agent as the unit does'
  await world.spawn(['systemctl', 'daemon-reload'], { signal: world.timeout(30) })
  const { code, stderr } = await world.spawn(['systemctl', 'enable', '--now', 'ob-ca-agent.service'], {
    signal: world.timeout(60),
  })
  if (code !== 0) throw new Fault(`ob-ca-agent does not start: ${stderr.split('\n')[0]?.slice(0, 200) ?? ''}`)
  return 'ob-ca-agent runs'
}

async function status({ world, config, ask }: Host): Promise<Ending> {
  const lines: string[] = []
  let good = config.ca_user !== undefined
  if (!good) lines.push('ca_user is not set: nobody gets a certificate here')
  for (const kind of ['user', 'host'] as const)
    for (const [at, key] of readAuthorityKeys(world, authority.keysFile(config, kind)).entries()) {
      const agent = await probeAgent(ask, key)
      if (at === 0 && agent.kind !== 'ready') good = false
      const state = agent.kind === 'ready' ? (at === 0 ? 'signs' : 'trusted') : agent.detail
      lines.push(`${kind} ${key.fingerprint} ${state}`)
    }
  return ended(good ? allowed('done') : denied('found-problems'), `${lines.join('\n')}\n`)
}

async function list({ world, wishes }: Host): Promise<Ending> {
  const live = openLedger(world)
    .entries()
    .filter(({ validBefore }) => validBefore > world.now())
  if (wishes.json)
    return ended(allowed('done'), `${JSON.stringify(live.map((one) => ({ ...one, serial: String(one.serial) })))}\n`)
  const row = ({ serial, type, name, fingerprint, validBefore }: LedgerEntry): string =>
    `${serial} ${type} ${name} until ${new Date(validBefore * 1000).toISOString()} ${fingerprint}`
  return done(live.map(row).join('\n') || 'no certificate is good now')
}

async function rotate({ world, config, ask, wishes }: Host): Promise<Ending> {
  const kind = wishes.hosts ? 'host' : 'user'
  if (wishes.activate && wishes.finish) return usage('either --activate or --finish')
  if (wishes.activate) {
    const key = await authority.activateRotation(world, config, kind, ask)
    return done(`${key.fingerprint} signs from now on; ob ca rotate --finish when the old certificates have ended`)
  }
  if (wishes.finish) {
    const key = authority.finishRotation(world, config, kind, openLedger(world).entries())
    return done(`only ${key.fingerprint} is trusted; take the other out of TrustedUserCAKeys and out of the agent`)
  }
  const key = await authority.prepareRotation(world, config, kind)
  return done(`${key.fingerprint} is made; give hosts both keys (ssh ca@… show), then: ob ca rotate --activate`)
}

/** What is taken back: a person with every certificate, one serial, or one key. */
function revocation(
  what: string,
  entries: readonly LedgerEntry[],
): ((present: Revocations) => Revocations) | undefined {
  const serials = (present: Revocations, found: readonly LedgerEntry[]) =>
    new Map([...present.serials, ...found.map(({ serial, signer }) => [serial, signer] as const)])
  const key = parseFingerprint(what)
  if (key) return (present) => ({ ...present, keys: new Set([...present.keys, key]) })
  if (/^[1-9]\d{0,19}$/.test(what)) {
    const found = entries.filter(({ serial }) => serial === BigInt(what))
    return found.length === 0 ? undefined : (present) => ({ ...present, serials: serials(present, found) })
  }
  const user = parseLoginName(what)
  if (!user) return undefined
  const found = entries.filter(({ type, name }) => type === 'user' && name === user)
  return (present) => ({
    ...present,
    users: new Set([...present.users, user]),
    serials: serials(present, found),
  })
}

async function revoke({ world, config, wishes: { what = '' } }: Host): Promise<Ending> {
  const ledger = openLedger(world)
  const change = revocation(what, ledger.entries())
  if (!change) return usage('revoke needs a user, a serial that was issued (ob ca list), or SHA256:… of a key')
  const number = await changeRevocations(world, signersOf(world, config), change)
  record(world, config, what, `revoked; list number ${number}`)
  return done(`${what} is revoked; ${paths.ownRevocations} is number ${number}, hosts fetch it with ob krl update`)
}

async function restore({ world, config, wishes: { what = '' } }: Host): Promise<Ending> {
  const user = parseLoginName(what)
  if (!user) return usage('restore needs a user')
  const number = await changeRevocations(world, signersOf(world, config), (present) => ({
    ...present,
    users: new Set([...present.users].filter((one) => one !== user)),
  }))
  record(world, config, what, `may have certificates again; list number ${number}`)
  return done(`${user} may have new certificates; the old ones stay revoked`)
}

const signersOf = (world: World, config: Config) =>
  (['user', 'host'] as const).flatMap((kind) => readAuthorityKeys(world, authority.keysFile(config, kind)))

const record = (world: World, config: Config, user: string, details: string): void =>
  void openAudit(world, config).write({
    timestamp: world.now(),
    event_type: 'CERTIFICATE_REVOKED',
    correlation_id: correlationId(world.connectionSeed()),
    host: world.hostname(),
    user,
    service: 'ssh-ca',
    result_code: 0,
    reason: 'done',
    details,
  })

async function enrollHost({ world, config, ask, wishes }: Host): Promise<Ending> {
  const names = (wishes.what ?? '').split(',')
  if (!names.every(isHostName)) return usage('host needs names, separated by commas, and --key FILE')
  const hosts = new Map(readHosts(world))
  if (wishes.remove) {
    const before = hosts.size
    for (const [key, of] of hosts) if (of[0] === names[0]) hosts.delete(key)
    world.files.writeAtomic(paths.caHosts, formatHosts(hosts), { mode: 0o644 })
    return ended(
      hosts.size < before ? allowed('done') : denied('found-problems'),
      `${before - hosts.size} keys removed\n`,
    )
  }
  if (wishes.key === undefined) return usage('host needs --key FILE, the public key of the host')
  const key = authority.readPublicKey(world, wishes.key)
  const fingerprint = parseFingerprint(key.fingerprint)
  const [signer] = readAuthorityKeys(world, authority.keysFile(config, 'host'))
  if (!fingerprint || !signer) throw new Fault('there is no key that signs for hosts', { hint: 'run: ob ca init' })
  hosts.set(fingerprint, names)
  world.files.writeAtomic(paths.caHosts, formatHosts(hosts), { mode: 0o644 })
  const { now, random } = world
  const rules = { issuer: config.ca_name ?? world.hostname(), lifetimeSeconds: config.ca_host_lifetime, hosts }
  const issued = await issueHostCertificate({ now, random, ledger: openLedger(world), ask, signer, ...rules }, key)
  if (issued.kind === 'not')
    throw new Fault(issued.detail, { hint: 'systemctl restart ob-ca-agent, and see ob ca status' })
  return done(issued.line)
}

const verbs: ReadonlyMap<string, (host: Host) => Promise<Ending>> = new Map([
  ['init', init],
  ['status', status],
  ['list', list],
  ['rotate', rotate],
  ['revoke', revoke],
  ['restore', restore],
  ['host', enrollHost],
])
