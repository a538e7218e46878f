// `ssh ca@host token TOKEN`: sshd has proven a key, and this signs it for the person whom the token names. It runs by
// sudo as root, prints the certificate on standard output and everything else on standard error.

import { correlationId } from '../../src/audit/event-format.ts'
import { openAudit } from '../../src/audit/log.ts'
import { Fault } from '../../src/base/fault.ts'
import { type LoginName, parseLoginName } from '../../src/base/names.ts'
import { allowed, denied, type Outcome, unavailable } from '../../src/base/outcome.ts'
import { auditText } from '../../src/base/reason.ts'
import type { World } from '../../src/base/world.ts'
import { longestReply, replyLength } from '../../src/ca/agent-format.ts'
import { parseCaCommand } from '../../src/ca/command-format.ts'
import { caService, type Issued, issueCertificate } from '../../src/ca/issue.ts'
import { openLedger } from '../../src/ca/ledger.ts'
import { issuedMessage, refusalMessage, usageMessage } from '../../src/ca/message-policy.ts'
import { refusalOf } from '../../src/ca/people.ts'
import { type AskAgent, readAuthorityKeys } from '../../src/ca/signing.ts'
import { type Config, loadConfig } from '../../src/config/load.ts'
import { openPorts } from '../../src/login/ports.ts'
import type { ProvenRecord } from '../../src/shell/record-format.ts'
import { takeRecord } from '../../src/shell/records.ts'
import { parsePublicKey } from '../../src/ssh/wire.ts'
import { type Ending, ended, type Mode, usage } from '../run/mode.ts'
import { requestOnce } from '../world/io/unix-request.ts'

export const mode: Mode = {
  run: async ([, ...args], world) => {
    if (args.length > 0)
      return usage('sshd runs it for the account of the certificate authority; see docs/certificates.md')
    const config = loadConfig(world.files)
    const connection = correlationId(world.connectionSeed())
    const taken = takeRecord(world, connection, parseLoginName(world.env['SUDO_USER'] ?? ''))
    if (taken.kind !== 'record' || taken.record.proven.kind !== 'key' || taken.record.account !== config.ca_user)
      return refuse(world, config, { outcome: denied('switch-not-possible'), detail: taken.kind })
    const command = parseCaCommand(world.env['SSH_ORIGINAL_COMMAND'])
    if (command.kind === 'malformed') return usage(`${command.problem}\n${usageMessage}`)
    const { record } = taken
    const { blob } = taken.record.proven
    if (command.kind === 'token') return sign(world, config, { record, blob, token: command.token })
    if (command.kind === 'host') return signHost(world, config, record, blob)
    return command.kind === 'help' ? usage(usageMessage) : inform(world, config, command.kind)
  },
}

type Applied = {
  readonly record: ProvenRecord
  readonly blob: Uint8Array
  readonly token: Parameters<typeof issueCertificate>[1]['token']
}

async function sign(world: World, config: Config, { record, blob, token }: Applied): Promise<Ending> {
  const source = record.sshConnection.split(' ')[0] || undefined
  try {
    const issued = await issueCertificate(partsOf(world, config), { token, blob, source })
    if (issued.kind === 'not') return refuse(world, config, issued, record)
    const { body, user } = issued
    const until = new Date(Number(body.validBefore) * 1000).toISOString()
    const details = `serial ${body.serial}, ${body.key.plainType}, until ${until}`
    const isWritten = report(world, config, { outcome: allowed('certificate-issued'), user, details, record, issued })
    if (!isWritten && config.audit_required)
      return refuse(world, config, { outcome: unavailable('audit-unwritable'), user }, record)
    world.stderr(`${issuedMessage(body)}\n`)
    return ended(allowed('certificate-issued'), `${issued.line}\n`)
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    return refuse(world, config, { outcome: unavailable('fault'), detail: error.message }, record)
  }
}

const agentOf =
  (world: World, config: Config): AskAgent =>
  (request) =>
    requestOnce(config.ca_agent, request, { length: replyLength, longest: longestReply, deadline: world.timeout(5) })

function partsOf(world: World, config: Config): Parameters<typeof issueCertificate>[0] {
  const { portal, usedTokens, lockouts } = openPorts(world, config)
  const [signer] = readAuthorityKeys(world, config.ca_public_keys)
  if (!signer) throw new Fault(`${config.ca_public_keys} names no key that signs`)
  return {
    now: world.now,
    random: world.random,
    portal,
    usedTokens,
    lockouts,
    ledger: openLedger(world),
    ask: agentOf(world, config),
    signer,
    rules: {
      issuer: authorityName(world, config),
      lifetimeSeconds: config.ca_lifetime,
      principals: config.ca_principals,
      extensions: config.ca_extensions,
      options: config.ca_options,
      attributes: config.ca_attributes,
    },
    keyPolicy: {
      enabled: config.ssh_key_policy_enabled,
      allowedTypes: config.ssh_key_allowed_types,
      minRsaBits: config.ssh_key_min_rsa_bits,
      minEcdsaBits: config.ssh_key_min_ecdsa_bits,
    },
    serviceMap: config.service_map,
    refusalOf: (user, key) => refusalOf(world, config, { user, key }),
  }
}

/** The public part of the authority, or where a token comes from. Nothing here waits for anybody. */
async function inform(world: World, config: Config, kind: 'show' | 'login'): Promise<Ending> {
  if (kind === 'login') {
    const { loginMessage } = await import('../../src/ca/login-message.ts')
    return ended(allowed('authority-shown'), `${loginMessage(config.portal_url, authorityName(world, config))}\n`)
  }
  const { patternOf, showAuthority } = await import('../../src/ca/trust-policy.ts')
  const name = authorityName(world, config)
  const host = world.files.stat(config.ca_host_public_keys) ? readAuthorityKeys(world, config.ca_host_public_keys) : []
  const user = readAuthorityKeys(world, config.ca_public_keys)
  return ended(allowed('authority-shown'), showAuthority({ name, user, host, pattern: patternOf(name) }))
}

const authorityName = (world: World, config: Config): string => config.ca_name ?? world.hostname()

/** A host whose administrator enrolled it here proves its own key, and gets its certificate anew. */
async function signHost(world: World, config: Config, record: ProvenRecord, blob: Uint8Array): Promise<Ending> {
  try {
    const { issueHostCertificate, readHosts } = await import('../../src/ca/host-certificate.ts')
    const key = parsePublicKey(blob)
    const [signer] = readAuthorityKeys(world, config.ca_host_public_keys)
    if ('problem' in key || !signer) return refuse(world, config, { outcome: denied('ca-unknown-host') }, record)
    const { now, random } = world
    const parts = { now, random, ledger: openLedger(world), ask: agentOf(world, config), signer }
    const rules = { issuer: authorityName(world, config), lifetimeSeconds: config.ca_host_lifetime }
    const issued = await issueHostCertificate({ ...parts, ...rules, hosts: readHosts(world) }, key)
    if (issued.kind === 'not') return refuse(world, config, issued, record)
    const { serial, principals } = issued.body
    const details = `serial ${serial} for the host ${principals.join(', ')}`
    report(world, config, { outcome: allowed('certificate-issued'), user: undefined, details, record })
    return ended(allowed('certificate-issued'), `${issued.line}\n`)
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    return refuse(world, config, { outcome: unavailable('fault'), detail: error.message }, record)
  }
}

type Refused = { readonly outcome: Outcome; readonly user?: LoginName; readonly detail?: string }

function refuse(world: World, config: Config, refused: Refused, record?: ProvenRecord): Ending {
  const { outcome, user, detail = '' } = refused
  report(world, config, { outcome, user, details: detail, record })
  world.stderr(`${refusalMessage(outcome.reason)}\n`)
  return ended(outcome)
}

type Reported = {
  readonly outcome: Outcome
  readonly user: string | undefined
  readonly details: string
  readonly record: ProvenRecord | undefined
  readonly issued?: Issued & { readonly kind: 'issued' }
}

function report(world: World, config: Config, { outcome, user, details, record, issued }: Reported): boolean {
  const source = record?.sshConnection.split(' ')[0]
  return openAudit(world, config).write({
    timestamp: world.now(),
    event_type: outcome.kind === 'allowed' ? 'CERTIFICATE_ISSUED' : 'CERTIFICATE_REFUSED',
    correlation_id: record?.connection ?? correlationId(world.connectionSeed()),
    host: world.hostname(),
    ...(user === undefined ? {} : { user }),
    service: caService,
    ...(source === undefined || source === '' ? {} : { client_ip: source }),
    result_code: outcome.kind === 'allowed' ? 0 : 4,
    reason: outcome.reason,
    details: [auditText(outcome.reason), details].filter((text) => text !== '').join('; '),
    more: {
      outcome: outcome.kind,
      ...(issued ? { serial: String(issued.body.serial), fingerprint: issued.fingerprint } : {}),
    },
  })
}
