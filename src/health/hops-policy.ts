// Whether bastion_jwt_required holds: every way that sshd has into this host ends in the session phase, and what that
// phase refuses is refused. Proven on the stack as libpam walks it.
import { type Finding, good, note } from '../base/finding.ts'
import { isOurs } from './pam-modules-policy.ts'
import type { Stack } from './pam-stack-policy.ts'
import { judgeSucceedIf } from './pam-succeed-if-policy.ts'
import { type Answer, runStack } from './pam-walk-policy.ts'
import { ownKeyFiles, settingOf, takesSecrets } from './sshd-policy.ts'
import type { SshdSettings } from './sshd-settings-format.ts'

export type HopView = {
  /** What sshd does for a portal user. */
  readonly settings: SshdSettings
  /** The session lines of its PAM service; undefined where libpam gives up on it. */
  readonly session: Stack | undefined
}

const isSet = (settings: SshdSettings, key: string): boolean => !/^(none|\/dev\/null)?$/.test(settingOf(settings, key))

/** How somebody gets in without a bastion token, as far as sshd is concerned. */
export function otherWays(settings: SshdSettings): readonly string[] {
  const command = settingOf(settings, 'authorizedkeyscommand')
  return [
    ...(ownKeyFiles(settings).length > 0 || isSet(settings, 'authorizedkeysfile')
      ? [`AuthorizedKeysFile ${(settings.get('authorizedkeysfile') ?? []).join(' ')}`]
      : []),
    ...(isSet(settings, 'authorizedkeyscommand') && !/^\/usr\/sbin\/ob keys /.test(command)
      ? [`AuthorizedKeysCommand ${command}`]
      : []),
    ...(isSet(settings, 'trustedusercakeys') ? [`TrustedUserCAKeys ${settingOf(settings, 'trustedusercakeys')}`] : []),
    ...(takesSecrets(settings) ? ['a typed password or token'] : []),
  ]
}

const success: Answer = { value: 'success', cred: 'success' }
const refusal: Answer = { value: 'system_err', cred: 'system_err' }

/** Whether a session begins although ob says no: for a portal user, whatever else is in the stack says yes. */
function beginsAgainstUs(session: Stack): boolean {
  const person = { uid: 20_000, name: undefined, service: 'sshd', mayBeUnknown: false }
  const { phase } = runStack(session, (line) => {
    if (isOurs(line)) return refusal
    if (line.module !== 'pam_succeed_if.so') return success
    const [answer] = judgeSucceedIf(line.args, person)
    const value = answer === undefined || answer === 'chosen' ? 'success' : answer
    return { value, cred: value }
  })
  return phase === 'success'
}

export function judgeHopWays({ settings, session }: HopView): readonly Finding[] {
  const ways = otherWays(settings)
  const shown = ways.length === 0 ? 'no other key source' : ways.join(', ')
  if (settingOf(settings, 'usepam') !== 'yes')
    return [open('sshd does not use PAM', `every login without a hop (${shown})`, 'set UsePAM yes')]
  if (session && beginsAgainstUs(session))
    return [
      open(
        'a session of sshd begins although ob refuses it',
        `logins that no bastion vouches for (${shown})`,
        'put the first session line of pam.d/mode-c.sshd in place: requisite pam_exec.so … type=open_session /usr/sbin/ob',
      ),
    ]
  const proven = good('no session begins that ob refuses, so bastion_jwt_required holds for every key source')
  return ways.length === 0 ? [proven] : [proven, note(`refused in the session phase only: ${shown}`)]
}

const open = (message: string, lets: string, remedy: string): Finding => ({ verdict: 'open', message, lets, remedy })
