// `ob shell --enter`: root's half of the login shell of functional accounts. sudo starts it for them and for nobody
// else; it becomes the person whom the session phase of this very connection identified.
import { correlationId, reference } from '../../src/audit/event-format.ts'
import { openAudit } from '../../src/audit/log.ts'
import { parseLoginName } from '../../src/base/names.ts'
import { allowed, denied, type Outcome, unavailable } from '../../src/base/outcome.ts'
import { auditText, personText } from '../../src/base/reason.ts'
import type { World } from '../../src/base/world.ts'
import { type Config, loadConfig } from '../../src/config/load.ts'
import type { ProvenRecord } from '../../src/shell/record-format.ts'
import { takeRecord } from '../../src/shell/records.ts'
import { type Account, parseAccount, switchTo } from '../../src/shell/switch-policy.ts'
import { type Ending, ended, type Mode, usage } from '../run/mode.ts'
import { execute } from '../world/process/execute.ts'
import { loginUid, takeTerminal, terminalName } from '../world/process/session.ts'

export const mode: Mode = {
  run: async (args, world) => {
    if (args.length !== 1 || args[0] !== '--enter')
      return usage('sudo runs "ob shell --enter" for the login shell of functional accounts; see docs/smart-shell.md')
    const config = loadConfig(world.files)
    const caller = parseLoginName(world.env['SUDO_USER'] ?? '')
    const connection = correlationId(world.connectionSeed())
    const taken = takeRecord(world, connection, caller)
    if (taken.kind !== 'record' || taken.record.proven.kind !== 'person')
      return refuse(world, config, { outcome: denied('switch-not-possible'), detail: taken.kind, caller, connection })
    const { record } = taken
    const { person } = taken.record.proven
    const found = await world.spawn(['getent', 'passwd', person], { signal: world.timeout(5), limit: 1 << 16 })
    const account = parseAccount(found.stdout.split('\n')[0] ?? '', person)
    if (!account)
      return refuse(world, config, {
        outcome: denied('person-refused'),
        detail: `${person} has no account that a person may have`,
        caller,
        connection,
      })
    return enter(world, config, record, account)
  },
}

function enter(world: World, config: Config, record: ProvenRecord, account: Account): Ending {
  const terminal = terminalName()
  const command = world.env['OB_SHELL_COMMAND']
  const what = command === undefined ? (terminal ?? 'no terminal') : 'a command'
  const outcome = allowed('switched')
  const user = account.name
  const isWritten = report(world, config, { outcome, user, record, detail: `from ${record.account}, ${what}` })
  if (!isWritten && config.audit_required) {
    world.stderr(`${personText('audit-unwritable')}\n`)
    return ended(unavailable('audit-unwritable'))
  }
  if (terminal !== undefined) takeTerminal(terminal, account)
  if (terminal !== undefined) world.stderr(`You are ${user} now; ${record.account} was only the way in.\n`)
  loginUid(account.uid)
  const language = Object.fromEntries(
    Object.entries(world.env).flatMap(([name, value]) =>
      value !== undefined && isKept(name, terminal) ? [[name, value]] : [],
    ),
  )
  const { sshConnection } = record
  return execute(switchTo({ account, command, terminal, sshConnection, language }))
}

/** sudo makes a TERM up where there is no terminal. */
const isKept = (name: string, terminal: string | undefined): boolean =>
  /^(LANG|LC_[A-Z]+)$/.test(name) || (name === 'TERM' && terminal !== undefined)

type Refused = {
  readonly outcome: Outcome
  readonly detail: string
  readonly caller: string | undefined
  readonly connection: string
}

function refuse(world: World, config: Config, { outcome, detail, caller, connection }: Refused): Ending {
  report(world, config, { outcome, user: caller, detail, record: { connection, sshConnection: '' } })
  world.stderr(`${personText(outcome.reason)} [ref ${reference(connection)}]\n`)
  return ended(outcome)
}

type Reported = {
  readonly outcome: Outcome
  readonly user: string | undefined
  readonly detail: string
  readonly record: Pick<ProvenRecord, 'connection' | 'sshConnection'>
}

function report(world: World, config: Config, { outcome, user, detail, record }: Reported): boolean {
  const source = record.sshConnection.split(' ')[0] ?? ''
  return openAudit(world, config).write({
    timestamp: world.now(),
    event_type: outcome.kind === 'allowed' ? 'SESSION_SWITCHED' : 'SECURITY_ERROR',
    correlation_id: record.connection,
    host: world.hostname(),
    ...(user === undefined ? {} : { user }),
    service: 'ob-shell',
    ...(source === '' ? {} : { client_ip: source }),
    result_code: outcome.kind === 'allowed' ? 0 : 4,
    reason: outcome.reason,
    details: `${auditText(outcome.reason)}; ${detail}`,
    more: { outcome: outcome.kind },
  })
}
