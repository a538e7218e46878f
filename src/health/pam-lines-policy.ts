// Traps in single lines of a PAM stack that calls ob (pam_exec(8), pam_env(8)).

import type { Finding } from '../base/finding.ts'
import { bad } from '../base/finding.ts'
import { askedService, isSudo, type ServiceMap, unlockService } from '../base/pam-service.ts'
import { isOurs } from './pam-modules-policy.ts'
import type { PamType } from './pam-stack-format.ts'
import type { ModuleLine, Stack } from './pam-stack-policy.ts'

export type Stacks = Readonly<Record<Exclude<PamType, 'password'>, Stack>>

const place = ({ file, number }: ModuleLine): string => `/etc/pam.d/${file} line ${number}`

const modulesOf = (stack: Stack): readonly ModuleLine[] =>
  stack.flatMap((line) => (line.kind === 'module' ? [line] : []))

export function judgeLines(service: string, stacks: Stacks): readonly Finding[] {
  const [auth, account, session] = [modulesOf(stacks.auth), modulesOf(stacks.account), modulesOf(stacks.session)]
  const all = [...auth, ...account, ...session]
  if (!all.some(isOurs)) return []
  return [
    ...judgeSecret(auth.filter(isOurs)),
    ...all.filter(isOurs).flatMap((line) => judgeOptions(service, line)),
    ...judgeOrder(session),
    ...judgeReadenv([...auth, ...session]),
  ]
}

function judgeSecret(auth: readonly ModuleLine[]): readonly Finding[] {
  const [line] = auth
  if (!line || auth.some(({ args }) => args.includes('expose_authtok'))) return []
  return [
    bad(
      `${place(line)}: without expose_authtok nothing that is typed reaches ob`,
      'write: pam_exec.so quiet stdout expose_authtok /usr/sbin/ob',
    ),
  ]
}

function judgeOptions(service: string, line: ModuleLine): readonly Finding[] {
  const findings: Finding[] = []
  if (isSudo(service) && !line.args.includes('seteuid'))
    findings.push({
      ...bad(`${place(line)}: without seteuid ob runs with the real uid of the caller`, 'add seteuid to that line'),
      lets: 'the caller may send it signals while it decides',
    })
  if (line.args.some((arg) => arg === 'debug' || arg.startsWith('log=')))
    findings.push(
      bad(
        `${place(line)}: debug and log= write what ob says into files of their own`,
        'remove them; the audit log has it',
      ),
    )
  return findings
}

/** These put nothing into the environment that ob gets. */
const harmless = /^pam_(succeed_if|permit|deny|localuser|rootok|nologin|exec)\.so$/

function judgeOrder(session: readonly ModuleLine[]): readonly Finding[] {
  const position = session.findIndex(isOurs)
  const before = session.slice(0, Math.max(position, 0)).find(({ module }) => !harmless.test(module))
  if (!before) return []
  return [
    {
      ...bad(
        `${place(session[position]!)}: ${before.module} (${place(before)}) runs before ob`,
        'move the line of ob to the top of the session lines',
      ),
      lets: 'it may set variables for ob, which runs as root',
    },
  ]
}

const judgeReadenv = (lines: readonly ModuleLine[]): readonly Finding[] =>
  lines
    .filter(({ module, args }) => module === 'pam_env.so' && args.includes('user_readenv=1'))
    .map((line) => ({
      verdict: 'open',
      message: `${place(line)}: user_readenv=1 puts the user's own ~/.pam_environment into programs that run as root`,
      lets: 'every user of this host can become root',
      remedy: 'remove user_readenv=1 from that line',
    }))

/** Whether the portal can be asked about this service; lockers that run as their user are asked about as "unlock". */
export function judgeMapping(service: string, map: ServiceMap, { session }: Stacks): readonly Finding[] {
  if (askedService(service, map) !== undefined) return []
  // A locker opens no session; some include the file of login, whose session lines they never reach.
  const opens = modulesOf(session).some((line) => line.file === service && isOurs(line))
  if (map.has(unlockService) && !opens) return []
  return [
    {
      ...bad(
        `service_map has no entry for ${service}, whose file in /etc/pam.d calls ob`,
        `write: service_map = ${service}=ssh; for a screen locker that runs as its user: unlock=ssh`,
      ),
      lets: 'everybody is refused there',
    },
  ]
}
