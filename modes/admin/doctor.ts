// Is this host sound? One walk along the path of a login; the first broken link comes first, because the later ones
// often break with it.
import { decodeUtf8 } from '../../src/base/bytes.ts'
import { Fault } from '../../src/base/fault.ts'
import { bad, type Finding, good, note } from '../../src/base/finding.ts'
import { parseLoginName } from '../../src/base/names.ts'
import { allowed, denied } from '../../src/base/outcome.ts'
import { unlockService } from '../../src/base/pam-service.ts'
import { paths } from '../../src/base/paths.ts'
import type { World } from '../../src/base/world.ts'
import { type Config, checkConfig, configPath, loadConfig, problemText } from '../../src/config/load.ts'
import { parsePamFile } from '../../src/health/pam-stack-format.ts'
import { judgeSecrets } from '../../src/health/secrets.ts'
import { parseSshdSettings } from '../../src/health/sshd-settings-format.ts'
import {
  judgeMapping,
  judgeMissingFile,
  judgeSources,
  judgeSshd,
  judgeStack,
  type PlacedLine,
} from '../../src/health/stack-policy.ts'
import { judgeWebhooks } from '../../src/health/webhooks.ts'
import { openPorts } from '../../src/login/ports.ts'
import { judgeClock, judgeHeartbeat, judgeRefresh, judgeTimer } from '../../src/portal-client/enrollment-policy.ts'
import { readHeartbeat } from '../../src/portal-client/heartbeat.ts'
import { probePortal, tlsFloor } from '../../src/portal-client/probe.ts'
import { timerState } from '../../src/portal-client/timer.ts'
import { readTokenFile } from '../../src/portal-client/token-file.ts'
import { isStale, readKrl } from '../../src/revocation/krl.ts'
import { parse } from '../run/args.ts'
import { ended, type Mode } from '../run/mode.ts'

export const syntax = {
  name: 'doctor',
  summary: 'Say whether this host is sound, from the configuration to the last PAM line. Changes nothing.',
  args: { json: { type: 'boolean', description: 'print JSON', default: false } },
} as const

type Check = {
  readonly name: string
  readonly run: (world: World, config: Config) => Promise<readonly Finding[]> | readonly Finding[]
}

export const mode: Mode = {
  run: async (args, world) => {
    const result = await parse(syntax, args)
    if ('ending' in result) return result.ending
    const findings = await examine(world)
    const sick = findings.filter(({ verdict }) => verdict === 'bad').length
    const outcome = sick === 0 ? allowed('done') : denied('found-problems')
    const asText = (): string => JSON.stringify({ sound: sick === 0, findings: findings.map(asJson) })
    if (result.parsed.json) return ended(outcome, `${asText()}\n`)
    const lines = findings.flatMap((finding) => describe(finding))
    return ended(
      outcome,
      `${lines.join('\n')}\n\n${sick === 0 ? 'this host is sound' : `${sick} to mend; begin with the first`}\n`,
    )
  },
}

type Named = Finding & { readonly check: string }

const marks = { good: 'ok  ', bad: 'BAD ', note: 'note' }

/** The member is called `proof` in what scripts read. */
const asJson = ({ message, ...rest }: Named) => ({ ...rest, proof: message })

const describe = ({ check, verdict, message, remedy }: Named): readonly string[] => [
  `${marks[verdict]} ${check.padEnd(13)} ${message}`,
  ...(remedy === undefined ? [] : [`     ${''.padEnd(13)} → ${remedy}`]),
]

async function examine(world: World): Promise<readonly Named[]> {
  const findings: Named[] = []
  const collect = async (check: string, run: () => Promise<readonly Finding[]> | readonly Finding[]): Promise<void> => {
    try {
      findings.push(...(await run()).map((finding) => ({ check, ...finding })))
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      findings.push({ check, ...bad(error.message, error.hint ?? 'mend that, then run ob doctor again') })
    }
  }
  await collect('program', () => checkProgram(world))
  await collect('configuration', () => checkConfiguration(world))
  const config = readable(world)
  for (const { name, run } of config ? checks : []) await collect(name, () => run(world, config!))
  return findings
}

function readable(world: World): Config | undefined {
  try {
    return loadConfig(world.files)
  } catch (error) {
    if (error instanceof Fault) return undefined
    throw error
  }
}

const checks: readonly Check[] = [
  { name: 'directories', run: checkDirectories },
  { name: 'token', run: checkToken },
  { name: 'secrets', run: judgeSecrets },
  { name: 'portal', run: checkPortal },
  { name: 'heartbeat', run: checkHeartbeat },
  { name: 'clock', run: checkClock },
  { name: 'accounts', run: checkAccounts },
  { name: 'pam', run: checkStacks },
  { name: 'sshd', run: checkSshd },
  { name: 'services', run: checkServiceAccounts },
  { name: 'revocations', run: checkRevocations },
  { name: 'webhooks', run: judgeWebhooks },
]

function checkProgram(world: World): readonly Finding[] {
  if (world.userId !== 0)
    return [bad(`this runs as uid ${world.userId} and cannot read what a login reads`, 'run it as root')]
  const facts = world.files.stat('/usr/sbin/ob')
  if (!facts) return [bad('/usr/sbin/ob does not exist', 'install it there; PAM and sshd call it by that path')]
  if (facts.uid !== 0 || (facts.mode & 0o022) !== 0)
    return [
      bad(
        '/usr/sbin/ob belongs to or can be written by others than root',
        'chown root:root /usr/sbin/ob && chmod 755 /usr/sbin/ob',
      ),
    ]
  if ((facts.mode & 0o6000) !== 0) return [bad('/usr/sbin/ob is setuid or setgid', 'chmod 755 /usr/sbin/ob')]
  return [good('/usr/sbin/ob belongs to root')]
}

function checkConfiguration(world: World): readonly Finding[] {
  loadConfig(world.files)
  const bytes = world.files.readTrusted(configPath, { limit: 1 << 20, secret: true })
  const { warnings } = checkConfig((bytes && decodeUtf8(bytes)) ?? '')
  return [good(`${configPath} is complete`), ...warnings.map((problem) => note(problemText(configPath, problem)))]
}

function checkDirectories(world: World, config: Config): readonly Finding[] {
  const directoryOf = (path: string): string => path.slice(0, path.lastIndexOf('/')) || '/'
  const wanted = [
    paths.state,
    directoryOf(config.server_token_file),
    config.rate_limit_state_dir,
    directoryOf(config.audit_log_file),
  ]
  const findings = [...new Set(wanted)].flatMap((path) => {
    const facts = world.files.stat(path)
    if (!facts) return []
    if (facts.kind !== 'directory') return [bad(`${path} is not a directory`, `move ${path} away`)]
    if (facts.uid !== 0) return [bad(`${path} belongs to uid ${facts.uid}`, `chown root: ${path}`)]
    return (facts.mode & 0o022) === 0 ? [] : [bad(`${path} can be written by others`, `chmod go-w ${path}`)]
  })
  return findings.length > 0 ? findings : [good('state and log directories belong to root')]
}

function checkToken(world: World, config: Config): readonly Finding[] {
  const { expiresAt, refreshToken } = readTokenFile(world, config.server_token_file)
  const findings: Finding[] = []
  if (!refreshToken)
    findings.push(
      bad(
        `${config.server_token_file} holds no refresh token: the enrollment ends with the access token`,
        'ob enroll --force',
      ),
    )
  const left = expiresAt === undefined ? undefined : Math.round((expiresAt - world.now()) / 60)
  if (left === undefined) return [...findings, note('the token file does not say when the access token expires')]
  const when =
    left > 0
      ? `the access token is good for ${left} min`
      : `the access token expired ${-left} min ago; the next call renews it`
  return [...findings, left > 0 ? good(when) : note(when)]
}

async function checkPortal(world: World, config: Config): Promise<readonly Finding[]> {
  const probe = parseLoginName('__test__')
  if (!probe) return []
  const startedAt = world.monotonic()
  const answer = await openPorts(world, config).portal.authorize({ user: probe, service: 'sshd' })
  const took = Math.round(world.monotonic() - startedAt)
  switch (answer.kind) {
    case 'granted':
      return [
        bad(
          `the portal grants access to a user that nobody has (group ${config.server_group})`,
          'correct the ssh rule of this group at the portal; a bare word like deny is true there',
        ),
      ]
    case 'refused':
      return [good(`${config.portal_url} answers this host in ${took} ms, ${tlsFloor(config)}`)]
    case 'unreachable':
      return [bad(answer.detail, `check the network, and ${config.portal_url} from this host`)]
    case 'out-of-order':
    case 'garbled':
      return [bad(answer.detail, 'check portal_url and that the PAM plugin of the portal is active')]
    case 'refuses-host':
      return [bad(answer.detail, 'ob enroll --force')]
  }
}

async function checkHeartbeat(world: World, config: Config): Promise<readonly Finding[]> {
  const state = readHeartbeat(world)
  const tokens = readTokenFile(world, config.server_token_file)
  const [refresh, fresh] = [judgeRefresh(state, tokens, world.now()), judgeHeartbeat(state, world.now())]
  return [judgeTimer(await timerState(world)), fresh, ...(tokens.refreshToken ? [refresh] : [])]
}

async function checkClock(world: World, config: Config): Promise<readonly Finding[]> {
  return [judgeClock((await probePortal(world, config)).skew)]
}

async function checkAccounts(world: World, config: Config): Promise<readonly Finding[]> {
  const bytes = world.files.read('/etc/nsswitch.conf', 1 << 20)
  const text = (bytes && decodeUtf8(bytes)) ?? ''
  const findings: Finding[] = []
  const isNeeded = config.create_user && config.create_user_target !== 'passwd'
  for (const database of isNeeded ? ['passwd', 'group', 'shadow'] : []) {
    const sources = new RegExp(`^\\s*${database}:\\s*(.*?)\\s*(?:#.*)?$`, 'm').exec(text)?.[1] ?? ''
    const finding = judgeSources(database, sources, world.files.stat(`${paths.userdb}/io.openbastion`) !== undefined)
    if (finding) findings.push(finding)
  }
  const accounts = await openPorts(world, config).accounts()
  const users = [...accounts.registry().users].filter(([, { state }]) => state === 'active')
  const [first] = users
  if (first) {
    const { code, stdout } = await world.spawn(['getent', 'passwd', first[0]])
    if (code !== 0)
      findings.push(
        bad(`getent passwd ${first[0]} finds nothing, although ${paths.registry} has this user`, 'ob nss export'),
      )
    else if (Number(stdout.split(':')[2]) !== first[1].uid)
      findings.push(
        bad(
          `${first[0]} has uid ${stdout.split(':')[2]} here but ${first[1].uid} in ${paths.registry}`,
          'remove the other account of that name, or rename it',
        ),
      )
  }
  return findings.length > 0 ? findings : [good(`${users.length} accounts of portal users`)]
}

const pamDirectory = '/etc/pam.d'

function checkStacks(world: World, config: Config): readonly Finding[] {
  const stacks = (world.files.list(pamDirectory) ?? [])
    .map((service) => ({ service, lines: stackOf(world, service) }))
    .filter(({ lines }) => lines.some(namesUs))
  if (stacks.length === 0)
    return [
      bad('no file in /etc/pam.d calls /usr/sbin/ob', 'choose a stack from pam.d/ of this project and put it in place'),
    ]
  const listens = !config.service_map.has(unlockService) || world.files.stat(paths.unlock) !== undefined
  return [
    ...stacks.flatMap(({ service, lines }) => judgeStack(service, lines)),
    ...stacks.flatMap(({ service, lines }) => judgeMapping(service, config.service_map, lines)),
    ...(listens ? [] : [bad('ob serve does not listen for screen lockers', 'systemctl restart ob-serve')]),
  ]
}

const namesUs = (line: PlacedLine): boolean => line.module === 'pam_exec.so' && line.args.includes('/usr/sbin/ob')

/** The lines of a service with its includes in place. */
function stackOf(world: World, service: string, depth = 0): readonly PlacedLine[] {
  const file = service.startsWith('/') ? service : `${pamDirectory}/${service}`
  if (depth > 8 || world.files.stat(file)?.kind !== 'file') return []
  const bytes = world.files.read(file, 1 << 20)
  const { lines } = parsePamFile((bytes && decodeUtf8(bytes)) ?? '')
  return lines.flatMap((line) => ('module' in line ? [{ ...line, file }] : stackOf(world, line.file, depth + 1)))
}

async function checkServiceAccounts(world: World, config: Config): Promise<readonly Finding[]> {
  const { accounts, problems } = await openPorts(world, config).serviceAccounts.read()
  const path = config.service_accounts_file
  if (problems.length > 0)
    return problems.map((problem) =>
      bad(problemText(path, problem), 'correct it; ob service-account check looks again'),
    )
  return accounts.size > 0 ? [good(`${accounts.size} service accounts`)] : []
}

function checkRevocations(world: World, config: Config): readonly Finding[] {
  const state = readKrl(world)
  const remedy = 'ob krl update, and systemctl enable --now ob-krl.timer'
  if (state.kind === 'absent') return config.krl_max_age > 0 ? [bad(`${paths.revokedKeys} does not exist`, remedy)] : []
  if (state.kind === 'damaged')
    return [bad(`${paths.revokedKeys}: ${state.problem}; it revokes nothing, or sshd refuses every key for it`, remedy)]
  const age = `${paths.revokedKeys} was fetched ${Math.floor(state.ageSeconds / 60)} min ago`
  if (isStale(state, config.krl_max_age)) return [bad(`${age}; certificates are refused (krl_max_age)`, remedy)]
  return [state.ageSeconds > 86_400 ? bad(age, remedy) : good(age)]
}

async function checkSshd(world: World): Promise<readonly Finding[]> {
  const { code, stdout, stderr } = await world.spawn(['sshd', '-T'])
  if (code !== 0)
    return [
      bad(`sshd -T: ${stderr.split('\n')[0]?.slice(0, 200) ?? 'failed'}`, 'mend sshd_config; sshd -t names the line'),
    ]
  const settings = parseSshdSettings(stdout)
  // A file named there and missing: sshd takes the configuration and refuses every key.
  const missing = ['trustedusercakeys', 'revokedkeys'].flatMap((key) => {
    const path = settings.get(key)?.[0] ?? 'none'
    return path === 'none' || world.files.stat(path) ? [] : [judgeMissingFile(key, path)]
  })
  return [...missing, ...judgeSshd(settings, stackOf(world, 'sshd'))]
}
