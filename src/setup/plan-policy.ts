// What `ob setup` changes on a host: from the files as they are to the files as they shall be. Pure: it decides and
// writes nothing, so that the same plan is shown as a diff, applied, and undone.

import { formatConf } from '../base/conf-syntax.ts'
import {
  isOpenBastion,
  migrated,
  takeOver,
  takeoverPaths,
  withoutTheirModule,
  withServiceKeys,
} from './takeover-policy.ts'

/** Texts that come with the program, one set a mode (pam.d/, packaging/). */
export type Stock = {
  readonly sshdStack: string
  readonly sudoStack: string
  readonly snippet: string
  readonly sudoers: string
  /** openbastion.conf as a host gets it that has none. */
  readonly sample: string
}

export type HostFacts = {
  /** The present text of each file that a plan may change; absent files are not in it. */
  readonly files: ReadonlyMap<string, string>
  /** Of `sshd -V`, e.g. [9, 2]. */
  readonly openssh: readonly [number, number]
  /** Paths that exist and are needed by some modes. */
  readonly existing: ReadonlySet<string>
}

export type Wanted = {
  readonly mode: string
  /** Keys of openbastion.conf and their values. */
  readonly settings: Readonly<Record<string, string>>
  /** The certificate of the authority that signed the portal's, to be kept where services may read it. */
  readonly authority?: string
  /** Open Bastion's set-up makes way for this one. */
  readonly takesOver?: boolean
}

export type Edit = {
  readonly path: string
  /** Undefined: there is no such file now. */
  readonly before: string | undefined
  readonly after: string
  readonly mode: number
  readonly why: string
}

export type Plan = { readonly edits: readonly Edit[]; readonly problems: readonly string[] }

export const setupPaths = {
  configuration: '/etc/open-bastion/openbastion.conf',
  authority: '/etc/open-bastion/portal-ca.pem',
  nsswitch: '/etc/nsswitch.conf',
  sshdConfig: '/etc/ssh/sshd_config',
  snippet: '/etc/ssh/sshd_config.d/00-open-bastion.conf',
  sshdStack: '/etc/pam.d/sshd',
  ownSshdStack: '/etc/pam.d/open-bastion-sshd',
  ownSudoStack: '/etc/pam.d/open-bastion-sudo',
  sudoers: '/etc/sudoers.d/open-bastion',
} as const

/** Every file that a plan may change, or looks at. */
export const plannedFiles: readonly string[] = [
  ...new Set([...Object.values(setupPaths), ...Object.values(takeoverPaths)]),
]

/** The sandboxes of our units hide homes and temporary files, and a copied file is not removed by accident. */
export const isKept = (path: string): boolean => /^\/(?:etc|usr)\//.test(path)

/** Files that must be there before sshd reads the snippet of a mode, and the command that makes each. */
const needed: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
  e: [
    ['/etc/ssh/open-bastion_ca.pub', 'curl -fsS PORTAL/ssh/ca -o /etc/ssh/open-bastion_ca.pub'],
    ['/etc/ssh/revoked_keys', 'ob krl update'],
  ],
}

export function planHost(host: HostFacts, wanted: Wanted, stock: Stock): Plan {
  const { files } = host
  const edit = (path: string, after: string, mode: number, why: string): readonly Edit[] => {
    const before = files.get(path)
    return before === after ? [] : [{ path, before, after, mode, why }]
  }
  // OpenSSH 9.8 can be given a PAM service of its own, so that Debian's /etc/pam.d/sshd stays as it is.
  const ownService = isAtLeast(host.openssh, [9, 8])
  const nsswitch = files.get(setupPaths.nsswitch)
  const sshdConfig = files.get(setupPaths.sshdConfig)
  const configuration = files.get(setupPaths.configuration) ?? stock.sample
  const theirs = wanted.takesOver ? takeOver(files, stock.sshdStack) : []
  const taken = wanted.takesOver ? migrated(files, configuration) : { text: configuration, problems: [] }
  const snippet = wanted.takesOver ? withServiceKeys(files, stock.snippet) : stock.snippet
  const edits = [
    ...(wanted.authority === undefined
      ? []
      : edit(setupPaths.authority, wanted.authority, 0o644, 'the authority that signed the certificate of the portal')),
    ...edit(
      setupPaths.configuration,
      withSettings(taken.text, wanted.settings),
      0o600,
      'what this host knows of its portal',
    ),
    ...(nsswitch === undefined
      ? []
      : edit(
          setupPaths.nsswitch,
          withInitgroups(withExtrausers(wanted.takesOver ? withoutTheirModule(nsswitch) : nsswitch)),
          0o644,
          'NSS finds the accounts of portal users',
        )),
    ...edit(
      setupPaths.ownSudoStack,
      stock.sudoStack,
      0o644,
      'the PAM stack of sudo for portal users; the stacks of Debian stay as they are',
    ),
    ...edit(setupPaths.sudoers, sudoersOf(wanted.mode, stock), 0o440, 'who may ask for sudo, and by which stack'),
    ...edit(
      ownService ? setupPaths.ownSshdStack : setupPaths.sshdStack,
      stock.sshdStack,
      0o644,
      ownService ? 'the PAM stack of sshd, beside the one of Debian' : 'the PAM stack of sshd',
    ),
    ...(sshdConfig === undefined
      ? []
      : edit(setupPaths.sshdConfig, withInclude(sshdConfig), 0o644, 'sshd reads sshd_config.d')),
    ...edit(
      setupPaths.snippet,
      ownService ? withOwnSshdService(snippet) : snippet,
      0o644,
      'which methods sshd takes for portal users; root keeps the own key',
    ),
    ...theirs
      .filter(({ path }) => ownService || path !== setupPaths.sshdStack)
      .flatMap(({ path, after, why }) => edit(path, after, 0o644, why)),
  ]
  // What is wrong with lines of the configuration shows when it is loaded.
  const left = taken.problems.filter(({ line }) => line === 0).map(({ text, hint }) => `${text}; ${hint}`)
  return { edits, problems: [...problemsOf(host, wanted), ...left] }
}

function problemsOf({ files, existing }: HostFacts, { mode, takesOver }: Wanted): readonly string[] {
  const problems = (needed[mode] ?? []).flatMap(([path, command]) =>
    existing.has(path) ? [] : [`mode ${mode} needs ${path} before sshd is reloaded; first: ${command}`],
  )
  if (!takesOver && isOpenBastion(files))
    problems.push('Open Bastion set this host up, and its settings would win: add --from-open-bastion (docs/moving.md)')
  if (!files.has(setupPaths.nsswitch)) problems.push(`${setupPaths.nsswitch} does not exist; no account could be found`)
  if (!files.has(setupPaths.sshdConfig))
    problems.push('openssh-server is not installed: apt-get install openssh-server')
  return problems
}

const isAtLeast = ([major, minor]: readonly [number, number], least: readonly [number, number]): boolean =>
  major > least[0] || (major === least[0] && minor >= least[1])

/**
 * Sets keys of openbastion.conf: in the line that sets them, else in place of their commented sample, else at the end.
 */
export function withSettings(text: string, settings: Readonly<Record<string, string>>): string {
  let lines = text.replace(/\n*$/, '\n').split('\n')
  for (const [key, value] of Object.entries(settings)) {
    const line = formatConf([{ key, value }]).trimEnd()
    const set = lines.findLastIndex((one) => new RegExp(`^\\s*${key}\\s*=`).test(one))
    const sample = lines.findIndex((one) => new RegExp(`^#\\s*${key}\\s*=`).test(one))
    const at = set >= 0 ? set : sample
    lines = at >= 0 ? lines.toSpliced(at, 1, line) : [...lines.slice(0, -1), line, '']
  }
  return lines.join('\n')
}

/** Our source after the files of the host, in the three databases; once. */
export const withExtrausers = (text: string): string =>
  text.replace(/^((?:passwd|group|shadow):(?!.*\bextrausers\b).*?\bfiles)\b/gm, '$1 extrausers')

/**
 * Where a service is asked about users, it is not asked about groups of those whom the files know: one that hangs would
 * hold up every local user (docs/accounts.md).
 */
export const withInitgroups = (text: string): string =>
  /^initgroups:/m.test(text) || !/^passwd:.*\bsystemd\b/m.test(text)
    ? text
    : `${text.replace(/\n*$/, '\n')}initgroups: files [SUCCESS=return] extrausers [SUCCESS=return] systemd\n`

/** sshd reads its directory before anything else, so that no later line wins (sshd_config(5), Include). */
export function withInclude(text: string): string {
  const lines = text.split('\n')
  const at = lines.findIndex((line) => /^\s*Include\s+("?)\/etc\/ssh\/sshd_config\.d\/\*\.conf\1\s*$/i.test(line))
  const first = lines.findIndex((line) => /^\s*[A-Za-z]/.test(line))
  if (at >= 0 && at === first) return text
  return `Include /etc/ssh/sshd_config.d/*.conf\n${text}`
}

const withOwnSshdService = (snippet: string): string =>
  snippet.replace(/^UsePAM yes$/m, 'UsePAM yes\nPAMServiceName open-bastion-sshd')

const groups = ['open-bastion-sudo', 'open-bastion-nopasswd']
/** sudoers(5): with -n authentication is attempted; what would ask a question fails. */
const nonInteractive = 'Defaults:%open-bastion-sudo noninteractive_auth'

/** In these modes sudo asks for nothing while the portal answers, so `sudo -n` may ask PAM. */
const withoutQuestion: ReadonlySet<string> = new Set(['c', 'cg'])

const sudoersOf = (mode: string, { sudoers }: Stock): string =>
  [
    sudoers.trimEnd(),
    ...(withoutQuestion.has(mode)
      ? ['', '# Nothing is typed in this mode, so "sudo -n" asks the portal, too.', nonInteractive]
      : []),
    '',
    '# Portal users get a PAM stack of their own, so that the stacks of Debian stay as they are for local administrators.',
    ...groups.map((group) => `Defaults:%${group} pam_service=open-bastion-sudo, pam_login_service=open-bastion-sudo`),
    '',
  ].join('\n')
