// What each PAM module may answer to somebody, as far as a verdict on a stack needs it.

import type { PamValue } from './pam-control-format.ts'
import type { PamType } from './pam-stack-format.ts'
import type { ModuleLine } from './pam-stack-policy.ts'
import { judgeSucceedIf } from './pam-succeed-if-policy.ts'
import type { Possible } from './pam-walk-policy.ts'

/** Somebody at the door. */
export type Subject = {
  /** Undefined: a name that no line of the stack names. */
  readonly name: string | undefined
  readonly uid: number
  /** In /etc/passwd. */
  readonly isLocal: boolean
  readonly hasPassword: boolean
  /** The real uid of the program that calls PAM: the caller's under sudo, root's in sshd and the greeters. */
  readonly programUid: number
}

/** What is known at the end of a path. */
export type Known = {
  /** The last word of ob; whether any word of it was no. */
  readonly ob: 'not asked' | 'yes' | 'no'
  readonly wasRefused: boolean
  /** A module other than ob saw a secret that proves who it is. */
  readonly isProven: boolean
  /** A Unix password had been accepted before ob was asked for the first time. */
  readonly leaksPassword: boolean
  /** Only people whom root put on a list come this way. */
  readonly isChosen: boolean
}

export const nothingKnown: Known = {
  ob: 'not asked',
  wasRefused: false,
  isProven: false,
  leaksPassword: false,
  isChosen: false,
}

export const isOurs = (line: ModuleLine): boolean => line.module === 'pam_exec.so' && line.args.includes('/usr/sbin/ob')

export type Circumstances = {
  readonly type: PamType
  readonly service: string
  readonly subject: Subject
  /** What ob answers; both, unless the question is about one of them. */
  readonly ob: 'yes' | 'no' | 'either'
  /** Whether the list-like modules may pick this somebody. */
  readonly mayBeChosen: boolean
}

type Choice = Possible<Known>

const plain = (value: PamValue, cred: PamValue = value): Choice => ({ value, cred, learn: (known) => known })
const proven = (value: PamValue): Choice => ({ value, cred: value, learn: (known) => ({ ...known, isProven: true }) })
const chosen = (value: PamValue): Choice => ({ value, cred: value, learn: (known) => ({ ...known, isChosen: true }) })

/** pam_exec runs nothing in pam_setcred(3): it answers "ignore" there. */
const verdict = (ob: 'yes' | 'no'): Choice => ({
  value: ob === 'yes' ? 'success' : 'system_err',
  cred: 'ignore',
  learn: (known) => ({
    ...known,
    ob,
    wasRefused: known.wasRefused || ob === 'no',
    leaksPassword: known.leaksPassword || (known.isProven && known.ob === 'not asked'),
  }),
})

export function possibleAnswers(line: ModuleLine, circumstances: Circumstances): readonly Choice[] {
  const { type, subject } = circumstances
  switch (line.module) {
    case 'pam_permit.so':
      return [plain('success')]
    case 'pam_deny.so':
      return [plain(type === 'session' ? 'session_err' : 'auth_err', 'cred_err')]
    case 'pam_exec.so':
      return execAnswers(line, circumstances)
    case 'pam_succeed_if.so':
      return succeedIfAnswers(line, circumstances)
    case 'pam_rootok.so':
      return [subject.programUid === 0 ? plain('success') : plain('auth_err')]
    case 'pam_localuser.so':
      return [subject.isLocal ? plain('success') : plain('perm_denied')]
    case 'pam_nologin.so':
      return [plain(line.args.includes('successok') ? 'success' : 'ignore', 'ignore')]
    case 'pam_unix.so':
      return unixAnswers(type, subject)
    case 'pam_faildelay.so':
      return [plain('ignore')]
    default:
      return otherAnswers(line, circumstances)
  }
}

function execAnswers(line: ModuleLine, { type, ob }: Circumstances): readonly Choice[] {
  const phase = type === 'session' ? 'open_session' : type
  const only = line.args.find((arg) => arg.startsWith('type='))?.slice('type='.length)
  if (only !== undefined && only !== phase) return [plain('ignore')]
  // Shows something above the next prompt; that it could is no yes to anybody.
  if (isOurs(line) && line.args.includes('ask')) return [plain('success', 'ignore'), plain('system_err', 'ignore')]
  if (isOurs(line)) return ob === 'either' ? [verdict('yes'), verdict('no')] : [verdict(ob)]
  const yes = plain('success', 'ignore')
  // Another program that is handed the secret may well judge it.
  const judges = type === 'auth' && line.args.includes('expose_authtok')
  return [judges ? { ...yes, learn: (known) => ({ ...known, isProven: true }) } : yes, plain('system_err', 'ignore')]
}

function unixAnswers(type: PamType, { hasPassword }: Subject): readonly Choice[] {
  if (type === 'auth') return hasPassword ? [proven('success'), plain('auth_err')] : [plain('auth_err')]
  if (type === 'session') return [plain('success')]
  return [plain('success'), plain('new_authtok_reqd'), plain('acct_expired'), plain('authinfo_unavail')]
}

function succeedIfAnswers(line: ModuleLine, { service, subject, mayBeChosen }: Circumstances): readonly Choice[] {
  // Under targetpw and the like the name in PAM is another one than the caller's; "use_uid" asks the kernel.
  const { programUid, uid, name, isLocal } = subject
  const person = line.args.includes('use_uid')
    ? { uid: programUid, name: programUid === 0 ? 'root' : name, service, mayBeUnknown: false }
    : { uid, name, service, mayBeUnknown: name === undefined && !isLocal }
  return judgeSucceedIf(line.args, person).flatMap((answered) => {
    // It has nothing to say in pam_setcred.
    if (answered !== 'chosen') return [plain(answered, 'ignore')]
    return mayBeChosen ? [{ ...chosen('success'), cred: 'ignore' }] : []
  })
}

/** Modules that say yes without a secret, or whose yes is about something else. */
const proveNothing = new Set(
  `access cap cgfs debug ecryptfs echo env exec faillock fscrypt ftp gnome_keyring group issue keyinit kwallet kwallet5 lastlog lastlog2
  limits listfile loginuid mail mkhomedir motd mount namespace oddjob_mkhomedir pwhistory securetty selinux sepermit
  setquota shells stress systemd tally2 time timestamp tty_audit umask usertype warn wheel xauth`
    .split(/\s+/)
    .map((name) => `pam_${name}.so`),
)

/** Modules that ask a list which root wrote, and without an entry there say no. */
const lists = new Set(['pam_listfile.so', 'pam_wheel.so'])

function otherAnswers(line: ModuleLine, { type, mayBeChosen }: Circumstances): readonly Choice[] {
  const yes = lists.has(line.module)
    ? [chosen('success')].filter(() => mayBeChosen)
    : [type === 'auth' && !proveNothing.has(line.module) ? proven('success') : plain('success')]
  const named = [...line.control.named.keys()].filter((value) => value !== 'success')
  const refusing = new Set<PamValue>([...named, 'ignore', type === 'session' ? 'session_err' : 'auth_err'])
  return [...yes, ...[...refusing].map((value) => plain(value))]
}
