// What sshd lets happen, from what `sshd -T -C user=…` prints for a portal user and for root.

import { bad, type Finding } from '../base/finding.ts'
import { isOverridden, type Override } from './sshd-drop-in-policy.ts'
import type { SshdSettings } from './sshd-settings-format.ts'

export type SshdView = {
  /** For a user of the portal, and for root. */
  readonly portal: SshdSettings
  readonly root: SshdSettings
  /** What the drop-in of the mode says and sshd does not do. */
  readonly overrides: readonly Override[]
  /** Of the files that sshd would refuse every key for. */
  readonly isThere: (path: string) => boolean
  readonly hasUser: (name: string) => boolean
}

export const settingOf = (settings: SshdSettings, key: string): string => settings.get(key)?.[0] ?? ''

const isOn = (settings: SshdSettings, key: string): boolean => settingOf(settings, key) === 'yes'
/** A command that names no key, and a file without one, are as good as none. */
const isSet = (settings: SshdSettings, key: string): boolean =>
  !/^(none|\/(usr\/)?bin\/true|\/dev\/null)?$/.test(settingOf(settings, key))

/** The lists of AuthenticationMethods, of which one has to be gone through; undefined for any. */
function methodLists(settings: SshdSettings): readonly (readonly string[])[] | undefined {
  const value = (settings.get('authenticationmethods') ?? []).join(' ').trim()
  if (value === '' || value === 'any') return undefined
  return value.split(/\s+/).map((list) => list.split(',').map((method) => method.replace(/:.*$/, '')))
}

const typed: readonly string[] = ['keyboard-interactive', 'password']

/** Whether PAM's auth lines are asked for somebody. */
export function takesSecrets(settings: SshdSettings): boolean {
  const isTypedOn = (method: string): boolean =>
    (method === 'password' && isOn(settings, 'passwordauthentication')) ||
    (method === 'keyboard-interactive' && isOn(settings, 'kbdinteractiveauthentication'))
  const lists = methodLists(settings)
  return lists ? lists.some((list) => list.some(isTypedOn)) : typed.some(isTypedOn)
}

/** Whether a key or certificate is enough. */
export function takesKeys(settings: SshdSettings): boolean {
  return (
    offersKeys(settings) && (methodLists(settings)?.some((list) => list.every((one) => one === 'publickey')) ?? true)
  )
}

const keySources = ['authorizedkeysfile', 'authorizedkeyscommand', 'trustedusercakeys']

const offersKeys = (settings: SshdSettings): boolean =>
  isOn(settings, 'pubkeyauthentication') &&
  (methodLists(settings)?.some((list) => list.includes('publickey')) ?? true) &&
  keySources.some((key) => isSet(settings, key))

/** A file that its user writes: below the home directory. */
export const ownKeyFiles = (settings: SshdSettings): readonly string[] =>
  (settings.get('authorizedkeysfile') ?? [])
    .flatMap((value) => value.split(/\s+/))
    .filter((file) => file !== '' && file !== 'none' && (!file.startsWith('/') || /%h/.test(file)))

export function judgeSshd(view: SshdView): readonly Finding[] {
  const findings = [
    ...judgePam(view),
    ...judgeOwnKeys(view),
    ...judgeWays(view),
    ...judgeMissingFiles(view),
    ...judgeKeyCommand(view),
    ...judgeAuthority(view),
    ...judgeLoose(view),
  ]
  return view.overrides.length === 0 ? findings : merged(view, findings)
}

/** What an overridden drop-in leads to is one finding with it. */
function merged({ overrides }: SshdView, findings: readonly Finding[]): readonly Finding[] {
  const isCaused = ({ message }: Finding): boolean => overrides.some((override) => isOverridden(override, message))
  const caused = findings.filter(isCaused)
  const worst = (['open', 'shut'] as const).find((verdict) => caused.some((finding) => finding.verdict === verdict))
  const [first] = overrides
  const more = overrides.length > 1 ? `, and ${overrides.length - 1} more` : ''
  const shown = overrides.map(
    ({ keyword, wanted, found, forRoot }) =>
      `${keyword} is "${found}"${forRoot ? ' for root' : ''}, the file says "${wanted}"`,
  )
  const lets = [...new Set(caused.flatMap((finding) => finding.lets ?? []))].join('; ')
  return [
    {
      verdict: worst ?? 'bad',
      message: `sshd does not do what ${first!.file} says: ${first!.keyword} is "${first!.found}"${more}`,
      lets: lets === '' ? 'another file decides who gets in' : lets,
      remedy: first!.remedy,
      path: shown,
    },
    ...findings.filter((finding) => !isCaused(finding)),
  ]
}

const judgePam = ({ portal }: SshdView): readonly Finding[] =>
  isOn(portal, 'usepam')
    ? []
    : [
        {
          verdict: 'open',
          message: `sshd -T: usepam ${settingOf(portal, 'usepam')}`,
          lets: 'PAM is never asked, and the portal neither',
          remedy: 'set UsePAM yes',
        },
      ]

function judgeOwnKeys({ portal }: SshdView): readonly Finding[] {
  const [file] = ownKeyFiles(portal)
  if (file === undefined || !offersKeys(portal)) return []
  return [
    {
      verdict: 'open',
      message: `sshd -T: authorizedkeysfile ${file} counts for portal users`,
      lets: 'a key that a user, or whoever once was that user, put there lets in, and nobody approved it',
      remedy: 'set AuthorizedKeysFile none, or PubkeyAuthentication no, as in the drop-in of your mode (packaging/ssh)',
    },
  ]
}

function judgeWays({ portal }: SshdView): readonly Finding[] {
  if (takesSecrets(portal) || offersKeys(portal)) return judgeNames(portal)
  return [
    {
      verdict: 'shut',
      message: 'sshd -T: portal users have no way in: neither keyboard-interactive, nor password, nor a source of keys',
      lets: 'no portal user can log in',
      remedy: 'put the drop-in of your mode (packaging/ssh) into /etc/ssh/sshd_config.d',
    },
  ]
}

/** AllowUsers and AllowGroups shut out whom they do not name. */
function judgeNames(portal: SshdSettings): readonly Finding[] {
  const users = portal.get('allowusers') ?? []
  const groups = portal.get('allowgroups') ?? []
  const [key, list] = users.length > 0 ? ['AllowUsers', users] : ['AllowGroups', groups]
  if (list.length === 0 || list.some((pattern) => pattern === '*')) return []
  return [
    {
      ...bad(
        `sshd -T: ${key.toLowerCase()} ${list.join(' ')}`,
        key === 'AllowUsers'
          ? 'remove AllowUsers: the portal says who may'
          : 'name a group of portal users there, or remove AllowGroups',
      ),
      lets: 'sshd refuses everybody else before the portal is asked',
    },
  ]
}

const neededFiles = ['trustedusercakeys', 'revokedkeys'] as const

/** sshd accepts a configuration that names a file which is not there, and then refuses every key. */
function judgeMissingFiles({ portal, root, isThere }: SshdView): readonly Finding[] {
  return neededFiles.flatMap((key): readonly Finding[] => {
    const path = settingOf(portal, key)
    if (!isSet(portal, key) || isThere(path)) return []
    const isAlsoRoot = settingOf(root, key) === path
    return [
      {
        verdict: takesSecrets(portal) ? 'bad' : 'shut',
        message: `sshd -T: ${key} ${path}, and there is no such file`,
        lets: `sshd refuses every key${isAlsoRoot ? ", root's as well" : ''}`,
        remedy:
          key === 'revokedkeys' ? 'ob krl update' : `fetch the authority of the portal into ${path} (GET /ssh/ca)`,
      },
    ]
  })
}

function judgeKeyCommand({ portal, hasUser }: SshdView): readonly Finding[] {
  if (!isOn(portal, 'pubkeyauthentication')) return []
  return ['authorizedkeyscommand', 'authorizedprincipalscommand'].flatMap((key): readonly Finding[] => {
    const command = settingOf(portal, key)
    if (!isSet(portal, key)) return []
    if (!/^\/usr\/sbin\/ob\s/.test(command))
      return [
        {
          ...bad(
            `sshd -T: ${key} ${command}`,
            `set it as in the drop-in of your mode: /usr/sbin/ob ${key.includes('keys') ? 'keys %u %t %k %f' : 'principals %u %i %s %f %k'}`,
          ),
          lets: 'another program than ob says which keys count',
        },
      ]
    return judgeKeyUser(key, settingOf(portal, `${key}user`), hasUser)
  })
}

function judgeKeyUser(key: string, user: string, hasUser: SshdView['hasUser']): readonly Finding[] {
  if (user === '' || user === 'none' || !hasUser(user))
    return [
      {
        verdict: 'shut',
        message: `sshd -T: ${key}user ${user || 'none'}, and there is no such account`,
        lets: 'sshd refuses every key that ob would name',
        remedy:
          'systemd-sysusers /usr/lib/sysusers.d/open-bastion.conf, or: useradd --system --shell /usr/sbin/nologin ob-keys',
      },
    ]
  if (user === 'root')
    return [
      {
        ...bad(`sshd -T: ${key}user root`, `set ${key}User to ob-keys`),
        lets: 'ob reads with more rights than it needs',
      },
    ]
  if (user === 'nobody')
    return [
      {
        ...bad(`sshd -T: ${key}user nobody`, `set it to ob-keys, an account of its own (packaging/sysusers.d)`),
        lets: 'any other program that runs as nobody can trace ob and make it name a key',
      },
    ]
  return []
}

/** PAM does not ask about root, so a certificate for root would be a root shell. */
function judgeAuthority({ portal, root }: SshdView): readonly Finding[] {
  const authority = settingOf(root, 'trustedusercakeys')
  if (!isSet(root, 'trustedusercakeys') || !takesKeys(root)) return []
  if (settingOf(root, 'permitrootlogin') === 'no' || authority !== settingOf(portal, 'trustedusercakeys')) return []
  return [
    {
      verdict: 'open',
      message: `sshd -T: trustedusercakeys ${authority} counts for root, too`,
      lets: 'a certificate of the portal for somebody called root is a root shell, and nobody is asked',
      remedy: 'in "Match User root" write: TrustedUserCAKeys /dev/null',
    },
  ]
}

function judgeLoose({ portal }: SshdView): readonly Finding[] {
  const findings: Finding[] = []
  if (isOn(portal, 'permituserenvironment'))
    findings.push({
      ...bad('sshd -T: permituserenvironment yes', 'set PermitUserEnvironment no'),
      lets: 'users set LD_PRELOAD for their sessions',
    })
  if (isOn(portal, 'permitemptypasswords') && takesSecrets(portal))
    findings.push({
      ...bad('sshd -T: permitemptypasswords yes', 'set PermitEmptyPasswords no'),
      lets: 'an account without a password needs none',
    })
  const grace = Number(settingOf(portal, 'logingracetime'))
  if (grace > 0 && grace < 30)
    findings.push({
      ...bad(`sshd -T: logingracetime ${grace}`, 'set LoginGraceTime 120'),
      lets: 'sshd gives up before the portal could answer',
    })
  return findings
}
