// What `ob setup` changes besides on a host that Open Bastion's scripts set up: its drop-ins for sshd would win over
// ours, its PAM module and its NSS module would still be asked. Pure.
import { type Migrated, migrate } from '../config/migrate-policy.ts'

/** Files that its scripts write, besides those that a set-up changes anyway. */
export const takeoverPaths = {
  backend: '/etc/ssh/sshd_config.d/00-open-bastion-backend.conf',
  bastion: '/etc/ssh/sshd_config.d/00-open-bastion-bastion.conf',
  maximum: '/etc/ssh/sshd_config.d/60-max-security.conf',
  sshd: '/etc/pam.d/sshd',
  sudo: '/etc/pam.d/sudo',
  sudoLogin: '/etc/pam.d/sudo-i',
  nss: '/etc/open-bastion/nss_openbastion.conf',
  bastions: '/etc/open-bastion/allowed_bastions',
  services: '/etc/open-bastion/service-accounts.conf',
} as const

type Texts = ReadonlyMap<string, string>

const dropIns = [takeoverPaths.backend, takeoverPaths.bastion, takeoverPaths.maximum] as const
const sshdConfig = '/etc/ssh/sshd_config'
const module = /^[^#\n]*\bpam_openbastion\.so\b/m
/**
 * Settings of its drop-ins that decide who gets in, or start its programs: they would win, because sshd takes the first
 * value. What is stricter than sshd's defaults (AllowAgentForwarding, X11Forwarding, …) stays.
 */
const decisive = new RegExp(
  `^\\s*(?:${[
    ...[
      'TrustedUserCAKeys',
      'Authorized(?:Principals|Keys)\\w+',
      'RevokedKeys',
      'AuthenticationMethods',
      'ForceCommand',
    ],
    ...['(?:Pubkey|Password|KbdInteractive|ChallengeResponse)Authentication', 'UsePAM', 'PAMServiceName'],
    ...['PermitRootLogin', 'ExposeAuthInfo'],
  ].join('|')})\\b.*$`,
  'gim',
)
const setting = new RegExp(decisive.source, 'im')

/** Whether its scripts, or an administrator by its documentation, set this host up. */
export const isOpenBastion = (files: Texts): boolean =>
  [takeoverPaths.sshd, takeoverPaths.sudo, takeoverPaths.sudoLogin].some((path) =>
    module.test(files.get(path) ?? ''),
  ) || [takeoverPaths.backend, takeoverPaths.bastion].some((path) => setting.test(files.get(path) ?? ''))

/** The mode of ours that is the nearest to how people log in there. */
export function modeThere(files: Texts): string {
  const stack = files.get(takeoverPaths.sshd) ?? ''
  if (/^auth\s+\S+\s+pam_openbastion\.so/m.test(stack)) return /^auth\s.*pam_unix\.so/m.test(stack) ? 'b' : 'a'
  return dropIns.some((path) => /^\s*TrustedUserCAKeys\s/im.test(files.get(path) ?? '')) ? 'e' : 'c'
}

export type Takeover = { readonly path: string; readonly after: string; readonly why: string }

export function takeOver(files: Texts, sshdStack: string): readonly Takeover[] {
  const stacks = [
    { path: takeoverPaths.sshd, after: sshdStack },
    { path: takeoverPaths.sudo, after: debianSudo('common-session-noninteractive') },
    { path: takeoverPaths.sudoLogin, after: debianSudo('common-session') },
  ]
  return [
    ...dropIns
      .filter((path) => setting.test(files.get(path) ?? ''))
      .map((path) => ({ path, after: withoutDecisive(files.get(path) ?? ''), why: whyOf(files.get(path) ?? '') })),
    ...stacks
      .filter(({ path }) => module.test(files.get(path) ?? ''))
      .map((stack) => ({ ...stack, why: 'the PAM module of Open Bastion is asked no more' })),
  ]
}

const withoutDecisive = (text: string): string => text.replace(decisive, (line) => `# ob setup: ${line.trimStart()}`)

/** What ends with these lines is said, not only shown. */
function whyOf(text: string): string {
  const recording = /^\s*ForceCommand\b/im.test(text) ? '; SESSIONS ARE RECORDED NO MORE' : ''
  const root = /^\s*PermitRootLogin\s+no\b/im.test(text) ? "; root's own key counts again (PermitRootLogin was no)" : ''
  return `settings of Open Bastion would win over those of this set-up${recording}${root}`
}

/** As Debian ships it (sudo 1.9.13); portal users get a stack of their own. */
const debianSudo = (session: string): string => `#%PAM-1.0

# Set up user limits from /etc/security/limits.conf.
session    required   pam_limits.so

@include common-auth
@include common-account
@include ${session}
`

/** Its NSS module is asked no more: what it made is in the files, and others are found by ours. */
export const withoutTheirModule = (nsswitch: string): string =>
  nsswitch.replace(/^((?:passwd|group|shadow|gshadow):.*?)[ \t]+openbastion\b/gm, '$1')

/** Its configuration with lines that this program accepts, and what is left for a person. */
export const migrated = (files: Texts, configuration: string): Migrated =>
  migrate({
    text: configuration,
    nss: files.get(takeoverPaths.nss),
    allowedBastions: files.get(takeoverPaths.bastions),
    services: files.get(takeoverPaths.services),
    hasOldToken: false,
  })

/** In mode e no plain key counts; there those of accounts for programs did, by a command of their own. */
export const withServiceKeys = (files: Texts, snippet: string): string =>
  [...dropIns, sshdConfig].some((path) =>
    /^\s*AuthorizedKeysCommand\s+\S*ob-service-account-keys\b/im.test(files.get(path) ?? ''),
  )
    ? snippet.replace(
        /^AuthorizedKeysCommand \/usr\/bin\/true$/m,
        'AuthorizedKeysCommand /usr/sbin/ob keys %u %t %k %f',
      )
    : snippet
