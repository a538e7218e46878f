// The PAM services of this host: those that call ob, those that have to, and those that service_map names.

import { decodeUtf8 } from '../base/bytes.ts'
import { bad, type Finding, good } from '../base/finding.ts'
import { askedService, isSsh, isSudo, ownSudo, type ServiceMap, unlockService } from '../base/pam-service.ts'
import { paths } from '../base/paths.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import { judgeLines, judgeMapping, type Stacks } from './pam-lines-policy.ts'
import { isOurs } from './pam-modules-policy.ts'
import { judgeService, type ServiceKind } from './pam-policy.ts'
import { type ReadPam, type Stack, stackOf } from './pam-stack-policy.ts'
import type { SshdAnswer } from './sshd.ts'
import { settingOf, takesKeys, takesSecrets } from './sshd-policy.ts'

const folder = '/etc/pam.d'

/** What package managers and people leave beside a service; no program has such a name. */
const isLeftover = (name: string): boolean =>
  /^\.|~$|\.(dpkg-\w+|ucf-\w+|rpm\w+|pam-old|bak|old|orig|save|swp|tmp|new|disabled|example|\d+)$/i.test(name)

/** su asks for what the other account proves itself with; the portal has no say there, whoever checks the proof. */
const isSu = (name: string): boolean => name === 'su' || name === 'su-l'

export function judgePam(world: Parts<'files'>, config: Config, sshd: SshdAnswer): readonly Finding[] {
  const read: ReadPam = (file) => {
    const path = file.startsWith('/') ? file : `${folder}/${file}`
    if (world.files.stat(path)?.kind !== 'file') return undefined
    const bytes = world.files.read(path, 1 << 20)
    return bytes && (decodeUtf8(bytes) ?? '')
  }
  const sshdService = ('portal' in sshd && settingOf(sshd.portal, 'pamservicename')) || 'sshd'
  const services = servicesOf(world, config.service_map, read, sshdService)
  const calling = services.filter(({ stacks }) => stacks && callsUs(stacks))
  if (calling.length === 0)
    return [
      {
        verdict: 'open',
        message: 'no file in /etc/pam.d calls /usr/sbin/ob',
        lets: 'whoever sshd and sudo accept gets in, and the portal is not asked',
        remedy: 'put the stacks of your mode (pam.d/ of this project) in place',
      },
    ]
  const shared = {
    read,
    uids: { min: config.min_uid, max: config.max_uid },
    missing: missingModules(
      world,
      services.flatMap(({ stacks }) => (stacks ? all(stacks) : [])),
    ),
    sshd:
      'portal' in sshd
        ? { takesSecrets: takesSecrets(sshd.portal), takesKeys: takesKeys(sshd.portal) }
        : { takesSecrets: true, takesKeys: true },
    asksTarget: asksTarget(world),
  }
  const findings = services.flatMap(({ name, kind, stacks }) => [
    ...judgeService({ ...shared, name, kind }),
    ...(stacks ? judgeLines(name, stacks) : []),
    ...(stacks && callsUs(stacks) ? judgeMapping(name, config.service_map, stacks) : []),
  ])
  const names = calling.map(({ name }) => name).join(', ')
  return findings.some(({ verdict }) => verdict !== 'note')
    ? findings
    : [good(`${names}: nobody gets through without a yes of ob, and root does`), ...findings]
}

type Found = { readonly name: string; readonly kind: ServiceKind; readonly stacks: Stacks | undefined }

function servicesOf(world: Parts<'files'>, map: ServiceMap, read: ReadPam, sshdService: string): readonly Found[] {
  const there = (world.files.list(folder) ?? []).filter((name) => read(name) !== undefined)
  const wanted = [sshdService, ...sudoServices(world), ...[...map.keys()].filter((name) => name !== unlockService)]
  const names = [
    ...wanted.filter((name) => name === sshdService || there.includes(name)),
    ...there.filter((name) => !wanted.includes(name) && !isLeftover(name) && !isSu(name)).sort(),
  ]
  return names.flatMap((name): readonly Found[] => {
    // Two names for the same text are one thing to mend.
    if (name === 'sudo-i' && read(name) === read('sudo')) return []
    const stacks = stacksOf(name, read)
    if (!wanted.includes(name) && !(stacks && callsUs(stacks))) return []
    return [{ name, kind: kindOf(name, map, sshdService, stacks), stacks }]
  })
}

/** Where sudoers gives portal users a stack of their own, Debian's are for local administrators alone. */
function sudoServices(world: Parts<'files'>): readonly string[] {
  const file = '/etc/sudoers.d/open-bastion'
  const bytes = world.files.stat(file)?.kind === 'file' ? world.files.read(file, 1 << 20) : undefined
  const isOwn = /^Defaults:%open-bastion-sudo\s+pam_service=open-bastion-sudo\b/m.test(
    (bytes && decodeUtf8(bytes)) ?? '',
  )
  return isOwn ? [ownSudo] : ['sudo', 'sudo-i']
}

function stacksOf(name: string, read: ReadPam): Stacks | undefined {
  const [auth, account, session] = [
    stackOf(name, 'auth', read),
    stackOf(name, 'account', read),
    stackOf(name, 'session', read),
  ]
  return auth && account && session ? { auth, account, session } : undefined
}

const all = ({ auth, account, session }: Stacks): Stack => [...auth, ...account, ...session]
const callsUs = (stacks: Stacks): boolean => all(stacks).some((line) => line.kind === 'module' && isOurs(line))

function kindOf(name: string, map: ServiceMap, sshdService: string, stacks: Stacks | undefined): ServiceKind {
  const asked = askedService(name, map)
  if (name === sshdService || isSsh(name)) return 'ssh'
  if (isSudo(name) || (asked !== undefined && isSudo(asked))) return 'sudo'
  if (asked !== undefined) return 'login'
  // A locker opens no session; some include the file of login, whose session lines they never reach.
  const opens = stacks?.session.some((line) => line.file === name && line.kind === 'module' && isOurs(line))
  return map.has(unlockService) && !opens ? 'locker' : 'login'
}

/** Those of the stacks that are in no directory of modules; none where there is no such directory. */
function missingModules(world: Parts<'files'>, lines: Stack): ReadonlySet<string> {
  const roots = ['/usr/lib', '/usr/lib64', '/lib', '/lib64']
  const folders = roots.flatMap((root) => [
    root,
    ...(world.files.list(root) ?? []).filter((name) => name.includes('-linux-')).map((name) => `${root}/${name}`),
  ])
  const modules = new Set(folders.flatMap((root) => world.files.list(`${root}/security`) ?? []))
  if (!modules.has('pam_exec.so')) return new Set()
  const named = lines.flatMap((line) => (line.kind === 'module' ? [line.module] : []))
  return new Set(named.filter((module) => !modules.has(module)))
}

/** sudoers(5): with these PAM is asked about the user that sudo becomes. */
function asksTarget(world: Parts<'files'>): boolean {
  const files = ['/etc/sudoers', ...(world.files.list('/etc/sudoers.d') ?? []).map((name) => `/etc/sudoers.d/${name}`)]
  return files.some((file) => {
    const bytes = world.files.stat(file)?.kind === 'file' ? world.files.read(file, 1 << 20) : undefined
    return /^\s*Defaults[^#\n]*(?<!!)\b(targetpw|rootpw|runaspw)\b/m.test((bytes && decodeUtf8(bytes)) ?? '')
  })
}

/** Screen lockers ask `ob serve`. */
export function judgeLockerSocket(world: Parts<'files'>, config: Config): readonly Finding[] {
  if (!config.service_map.has(unlockService) || world.files.stat(paths.unlock) !== undefined) return []
  return [bad('ob serve does not listen for screen lockers', 'systemctl restart ob-serve')]
}
