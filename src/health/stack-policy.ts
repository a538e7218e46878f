// Whether a PAM stack and an sshd configuration really do what their administrator believes. Each finding is one broken
// link with its proof and its remedy; the traps are those of pam_exec(8) and sshd(8).

import { bad, type Finding, good } from '../base/finding.ts'
import { askedService, type ServiceMap, unlockService } from '../base/pam-service.ts'
import type { PamLine } from './pam-stack-format.ts'
import type { SshdSettings } from './sshd-settings-format.ts'

/** A PAM line and the file it stands in, includes already put in place. */
export type PlacedLine = PamLine & { readonly file: string }

const isOurs = (line: PlacedLine): boolean =>
  line.module === 'pam_exec.so' && line.args.some((arg) => arg === '/usr/sbin/ob')

const place = (line: PlacedLine): string => `${line.file} line ${line.number}`

/** Judges one service file that names us. */
export function judgeStack(service: string, lines: readonly PlacedLine[]): readonly Finding[] {
  const findings = [
    ...lines.filter(isOurs).flatMap((line) => judgeLine(service, line)),
    ...judgeAuthEnd(lines),
    ...judgeAccount(service, lines),
    ...judgeSession(lines),
    ...judgeReadenv(lines),
  ]
  return findings.length > 0 ? findings : [good(`the PAM stack of ${service} is sound`)]
}

function judgeLine(service: string, line: PlacedLine): readonly Finding[] {
  const findings: Finding[] = []
  const has = (arg: string): boolean => line.args.includes(arg)
  if (line.control === 'optional' && !has('type=close_session'))
    findings.push(
      bad(`${place(line)}: optional, so the verdict of ob decides nothing`, 'make it required or requisite'),
    )
  if (line.type === 'auth' && !has('expose_authtok'))
    findings.push(
      bad(
        `${place(line)}: without expose_authtok no token reaches ob`,
        'write: pam_exec.so quiet expose_authtok /usr/sbin/ob',
      ),
    )
  if (
    line.type === 'auth' &&
    line.control.includes('=') &&
    jump(line.control, 'success') !== jump(line.control, 'ignore')
  )
    findings.push(
      bad(
        `${place(line)}: success and ignore differ; pam_exec answers ignore to setcred, and sshd ends a session that had just begun`,
        'write the same jump for both, as in [success=1 ignore=1 default=ignore], and end the stack with pam_permit.so',
      ),
    )
  if ((service === 'sudo' || service === 'sudo-i') && !has('seteuid'))
    findings.push(
      bad(`${place(line)}: without seteuid ob runs with the real uid of the user under sudo`, 'add seteuid'),
    )
  if (has('debug') || line.args.some((arg) => arg.startsWith('log=')))
    findings.push(
      bad(
        `${place(line)}: debug and log= write what ob says into files of their own`,
        'remove them; the audit log has it',
      ),
    )
  return findings
}

const jump = (control: string, word: string): string | undefined =>
  new RegExp(`(?:^|\\s)${word}=(\\S+)`).exec(control)?.[1]

// The classic fail-open: a stack in which pam_permit answers for everybody.
function judgeAuthEnd(lines: readonly PlacedLine[]): readonly Finding[] {
  const auth = lines.filter((line) => line.type === 'auth')
  if (!auth.some(isOurs)) return []
  const deciding = auth.some(
    (line) => line.module === 'pam_deny.so' || (isOurs(line) && /^(required|requisite)$/.test(line.control)),
  )
  return deciding
    ? []
    : [
        bad(
          `${place(auth[0]!)}: no auth line can say no`,
          'make the line of ob requisite, or put "auth requisite pam_deny.so" after the jumps',
        ),
      ]
}

function judgeAccount(service: string, lines: readonly PlacedLine[]): readonly Finding[] {
  const ours = lines.find((line) => line.type === 'account' && isOurs(line))
  if (ours) return []
  return [
    bad(
      `the PAM stack of ${service} has no account line for ob: keys and cached sudo passwords pass without the portal`,
      'add: account requisite pam_exec.so quiet stdout /usr/sbin/ob',
    ),
  ]
}

function judgeSession(lines: readonly PlacedLine[]): readonly Finding[] {
  const session = lines.filter((line) => line.type === 'session')
  const position = session.findIndex(isOurs)
  if (position < 0) return []
  const before = session.slice(0, position).filter((line) => !/^pam_(succeed_if|permit)\.so$/.test(line.module))
  return before.length === 0
    ? []
    : [
        bad(
          `${place(session[position]!)}: ${before[0]!.module} runs before ob in the session phase and may set variables`,
          'move the line of ob to the top of the session lines',
        ),
      ]
}

function judgeReadenv(lines: readonly PlacedLine[]): readonly Finding[] {
  return lines
    .filter((line) => line.module === 'pam_env.so' && line.args.includes('user_readenv=1'))
    .map((line) =>
      bad(
        `${place(line)}: user_readenv=1 puts the user's own ~/.pam_environment into programs that run as root`,
        'remove user_readenv=1 from that line',
      ),
    )
}

/** Whether the portal can be asked about this service; lockers that run as their user are asked about as "unlock". */
export function judgeMapping(service: string, map: ServiceMap, lines: readonly PlacedLine[]): readonly Finding[] {
  if (askedService(service, map) !== undefined) return []
  // A locker opens no session; some include the file of login, whose session lines they never reach.
  const own = (line: PlacedLine): boolean =>
    line.file.endsWith(`/${service}`) && line.type === 'session' && isOurs(line)
  if (map.has(unlockService) && !lines.some(own)) return []
  const message = `service_map has no entry for ${service}, and its file in /etc/pam.d calls ob: it refuses everybody`
  return [bad(message, `write: service_map = ${service}=ssh; for a screen locker that runs as its user: unlock=ssh`)]
}

/** Judges what sshd will really do; `stack` are the lines of its PAM service. */
export function judgeSshd(settings: SshdSettings, stack: readonly PlacedLine[]): readonly Finding[] {
  const value = (key: string): string => settings.get(key)?.[0] ?? ''
  const ours = (type: PamLine['type']): boolean => stack.some((line) => line.type === type && isOurs(line))
  const findings: Finding[] = []
  if (value('usepam') !== 'yes')
    findings.push(bad(`sshd -T: usepam ${value('usepam')}: PAM is never asked`, 'set UsePAM yes'))
  const interactive = value('kbdinteractiveauthentication') === 'yes' || value('passwordauthentication') === 'yes'
  if (ours('auth') && !interactive)
    findings.push({
      verdict: 'note',
      message:
        'sshd -T: neither keyboard-interactive nor password authentication is on: only keys can log in, no token',
    })
  if (!ours('auth') && interactive)
    findings.push({
      verdict: 'note',
      message:
        'sshd -T: keyboard-interactive or password authentication is on, and the auth lines of the sshd stack do not ask ob',
    })
  if (value('permituserenvironment') === 'yes')
    findings.push(
      bad(
        'sshd -T: permituserenvironment yes lets users set LD_PRELOAD for their sessions',
        'set PermitUserEnvironment no',
      ),
    )
  const grace = Number(value('logingracetime'))
  if (grace > 0 && grace < 30)
    findings.push(bad(`sshd -T: logingracetime ${grace}: shorter than one portal timeout`, 'set LoginGraceTime 120'))
  return findings.length > 0 ? findings : [good('sshd does what this needs (sshd -T)')]
}

/** Where NSS looks for one database; `isServed` when `ob serve` answers nss-systemd here. */
export function judgeSources(database: string, sources: string, isServed: boolean): Finding | undefined {
  if (/\bextrausers\b/.test(sources) || (isServed && /\bsystemd\b/.test(sources))) return undefined
  const better = /\bfiles\b/.test(sources) ? sources.replace(/\bfiles\b/, 'files extrausers') : 'files extrausers'
  return bad(
    `/etc/nsswitch.conf: "${database}: ${sources}" does not look where the accounts of portal users are`,
    `install libnss-extrausers and write: ${database}: ${better}`,
  )
}

/** sshd accepts a configuration that names a file which is not there, and then refuses every key. */
export const judgeMissingFile = (key: string, path: string): Finding =>
  bad(
    `sshd -T: ${key} ${path}, and there is no such file: sshd refuses every key`,
    key === 'revokedkeys' ? 'ob krl update' : `fetch the authority of the portal into ${path} (GET /ssh/ca)`,
  )
