// What a PAM service lets happen, proven by a path through its stack: somebody gets in without a yes of ob, or nobody
// gets in, or root does not.

import type { Finding } from '../base/finding.ts'
import { isOurs, type Known, nothingKnown, possibleAnswers, type Subject } from './pam-modules-policy.ts'
import { describePath } from './pam-path-format.ts'
import { type ReadPam, type Stack, stackOf } from './pam-stack-policy.ts'
import { candidates, type Uids } from './pam-subjects-policy.ts'
import { findPath, type Path, type Result } from './pam-walk-policy.ts'

/** `login`: the console and greeters; `locker`: a screen locker that runs as its user, about which ob serve decides. */
export type ServiceKind = 'ssh' | 'sudo' | 'login' | 'locker'

export type Service = {
  readonly name: string
  readonly kind: ServiceKind
  readonly read: ReadPam
  readonly uids: Uids
  /** Modules that are named in the stack and not on this host. */
  readonly missing: ReadonlySet<string>
  /** Whether sshd takes what people type, and whether it takes keys or certificates of portal users. */
  readonly sshd: { readonly takesSecrets: boolean; readonly takesKeys: boolean }
  /** sudoers says targetpw, rootpw or runaspw: the name in PAM is another one than the caller's. */
  readonly asksTarget: boolean
}

type Phase = 'auth' | 'account' | 'session'

type Question = {
  readonly phase: Phase
  readonly subject: Subject
  readonly ob: 'yes' | 'no' | 'either'
  readonly mayBeChosen?: boolean
}

export function judgeService(service: Service): readonly Finding[] {
  const stacks = { auth: stackOf(service.name, 'auth', service.read), ...gates(service) }
  if (!stacks.auth || !stacks.account || !stacks.session) return [unusable(service)]
  const asks = (stack: Stack): boolean => stack.some((line) => line.kind === 'module' && isOurs(line))
  if (!asks(stacks.auth) && !asks(stacks.account) && !asks(stacks.session))
    return judgeStranger(service, stacks.auth, stacks.account)
  const account = service.kind === 'locker' ? [] : judgeGate(service, 'account', stacks.account)
  const needsSession = service.kind === 'ssh' || asks(stacks.session)
  const session = service.kind === 'locker' || !needsSession ? [] : judgeGate(service, 'session', stacks.session)
  return [...judgeAuth(service, stacks.auth, asks(stacks.auth)), ...account, ...session]
}

const gates = ({ name, read }: Service) => ({
  account: stackOf(name, 'account', read),
  session: stackOf(name, 'session', read),
})

const restore = 'put the file of your mode back (pam.d/ of this project); keep a root shell open until a login works'

const unusable = ({ name }: Service): Finding => ({
  verdict: 'shut',
  message: `/etc/pam.d/${name} includes a file that is not there`,
  lets: `PAM gives up on the service ${name}: nobody gets through it, root included`,
  remedy: restore,
})

/** A service that never asks ob. */
function judgeStranger(service: Service, auth: Stack, account: Stack): readonly Finding[] {
  const { name, kind } = service
  const message = `/etc/pam.d/${name} never asks ob`
  const subject = portalUser(service)
  const passed = walk(service, account, { phase: 'account', subject, ob: 'no' }, ({ phase }) => enters(phase))
  // Portal users have no password on this host.
  const unproven = walk(service, auth, { phase: 'auth', subject, ob: 'no' }, isUnproven)
  const isOpen = passed && (kind === 'ssh' || unproven)
  if (kind === 'ssh' && isOpen)
    return [
      {
        verdict: 'open',
        message,
        lets: 'whoever sshd accepts gets in, and the portal is not asked',
        remedy: `${restore}; when dpkg asks about this file again, keep yours`,
        path: describePath(passed, 'the stack says yes; ob was not asked'),
      },
    ]
  return [{ verdict: isOpen ? 'open' : 'bad', message, lets: consequence(kind, 'account'), remedy: restore }]
}

/** account and session: ob has to say yes there, about everybody but root. */
function judgeGate(service: Service, phase: 'account' | 'session', stack: Stack): readonly Finding[] {
  const bypassed = judgeBypass(service, phase, stack)
  const shut = judgeShut(service, phase, stack)
  return [...bypassed, ...shut, ...(shut.length > 0 ? [] : judgeRoot(service, phase, stack))]
}

const isBypass = ({ phase }: Result, known: Known): boolean => enters(phase) && (known.ob !== 'yes' || known.wasRefused)

/** An expired password lets in, too: sshd then has the user change it. */
const enters = (value: string): boolean => value === 'success' || value === 'new_authtok_reqd'

function judgeBypass(service: Service, phase: 'account' | 'session', stack: Stack): readonly Finding[] {
  const people = candidates(stack, service.kind, service.uids)
  const search = (subjects: readonly Subject[], mayBeChosen: boolean): Path | undefined =>
    first(subjects, (subject) => walk(service, stack, { phase, subject, ob: 'either', mayBeChosen }, isBypass))
  const finding = (verdict: Finding['verdict'], who: string, path: Path): Finding => ({
    verdict,
    message: `${service.name}, ${phase}: ${who} without a yes of ob`,
    lets: consequence(service.kind, phase),
    remedy: restore,
    path: describePath(path, 'the stack says yes'),
  })
  const everybody = search(people.portal, false)
  // Without the session line nobody judges which key was proven; elsewhere the account line has said all.
  const worst = phase === 'account' || service.kind === 'ssh' ? 'open' : 'bad'
  if (everybody) return [finding(worst, 'every portal user gets through', everybody)]
  if (service.asksTarget && service.kind === 'sudo') {
    const asRoot = search(people.target, false)
    if (asRoot) return [finding('open', 'with targetpw in sudoers everybody gets through', asRoot)]
  }
  const chosen = search(people.portal, true)
  const local = search(people.local, false)
  const system = search(people.system, false)
  const named = people.named.flatMap((subject) => {
    const path = search([subject], false)
    return path && !local ? [{ name: subject.name ?? '', path }] : []
  })
  return [
    ...(chosen ? [finding('bad', 'people whom a group or a list names get through', chosen)] : []),
    ...(local ? [finding('bad', 'accounts of this host get through', local)] : []),
    ...(system && !local ? [finding('bad', 'system accounts get through', system)] : []),
    ...named.map(
      ({ name, path }): Finding => ({
        verdict: 'note',
        message: `${service.name}, ${phase}: ${name} gets through without the portal, as a line says`,
        path: describePath(path, 'the stack says yes'),
      }),
    ),
  ]
}

function consequence(kind: ServiceKind, phase: 'account' | 'session'): string {
  if (kind === 'sudo') return 'whoever sudoers names becomes root, and the portal is not asked'
  return phase === 'account'
    ? 'the portal is not asked whether they may use this host'
    : 'nobody judges which key was proven, and no home is made'
}

function judgeShut(service: Service, phase: 'account' | 'session', stack: Stack): readonly Finding[] {
  const subject = portalUser(service)
  const question: Question = { phase, subject, ob: 'yes', mayBeChosen: true }
  if (walk(service, stack, question, (result) => enters(result.phase))) return []
  const path = walk(service, stack, question, () => true)
  return [
    {
      verdict: service.kind === 'ssh' ? 'shut' : 'bad',
      message: `${service.name}, ${phase}: nobody gets through, whatever the portal says`,
      lets: service.kind === 'sudo' ? 'no portal user can use sudo' : 'no portal user can log in',
      remedy: restore,
      ...(path ? { path: describePath(path, 'the stack says no, although ob says yes') } : {}),
    },
  ]
}

/** root must get in when the portal is gone. */
function judgeRoot(service: Service, phase: 'account' | 'session', stack: Stack): readonly Finding[] {
  const question: Question = { phase, subject: root, ob: 'no', mayBeChosen: true }
  if (walk(service, stack, question, (result) => enters(result.phase))) return []
  const path = walk(service, stack, question, () => true)
  return [
    {
      verdict: 'bad',
      message: `${service.name}, ${phase}: root does not get through without the portal`,
      lets: 'when the portal is gone, root cannot repair this host that way',
      remedy: `above the line of ob put: ${exemption(service.kind, phase)}`,
      ...(path ? { path: describePath(path, 'the stack says no') } : {}),
    },
  ]
}

const exemption = (kind: ServiceKind, phase: string): string =>
  `${phase} [success=1 default=ignore] pam_succeed_if.so quiet ${kind === 'sudo' ? 'use_uid uid = 0' : 'user = root'}`

function judgeAuth(service: Service, stack: Stack, asksOb: boolean): readonly Finding[] {
  // sshd without typed secrets never comes here. In sudo the account phase is the gate, and auth may ask nothing.
  if (service.kind === 'ssh' && !service.sshd.takesSecrets) return []
  const unproven = service.kind === 'sudo' ? [] : judgeUnproven(service, stack)
  if (!asksOb) return unproven
  return [...unproven, ...judgeLockout(service, stack), ...judgeTravel(service, stack)]
}

function judgeUnproven(service: Service, stack: Stack): readonly Finding[] {
  const people = candidates(stack, service.kind, service.uids)
  const search = (mayBeChosen: boolean): Path | undefined =>
    first([...people.portal, ...people.local], (subject) =>
      walk(service, stack, { phase: 'auth', subject, ob: 'either', mayBeChosen }, isUnproven),
    )
  const everybody = search(false)
  const path = everybody ?? search(true)
  if (!path) return []
  return [
    {
      verdict: 'open',
      message: `${service.name}, auth: ${everybody ? 'everybody is' : 'some are'} believed without any secret`,
      lets: 'whoever knows a name gets in as that user',
      remedy: restore,
      path: describePath(path, 'the stack says yes; neither ob nor a password said so'),
    },
  ]
}

const isUnproven = ({ phase }: Result, known: Known): boolean =>
  phase === 'success' && known.ob !== 'yes' && !known.isProven

/** Somebody whose token ob accepts gets in, and is not thrown out again by pam_setcred. */
function judgeLockout(service: Service, stack: Stack): readonly Finding[] {
  const question: Question = { phase: 'auth', subject: portalUser(service), ob: 'yes', mayBeChosen: true }
  if (walk(service, stack, question, ({ phase, cred }) => phase === 'success' && cred === 'success')) return []
  const isAccepted = walk(service, stack, question, ({ phase }) => phase === 'success')
  const path = isAccepted ?? walk(service, stack, question, () => true)
  const isOnlyWay = service.kind === 'ssh' && !service.sshd.takesKeys
  return [
    {
      verdict: isOnlyWay ? 'shut' : 'bad',
      message: isAccepted
        ? `${service.name}, auth: pam_exec answers "ignore" to pam_setcred, and no other line says yes there`
        : `${service.name}, auth: nobody gets in with a token, although ob says yes`,
      lets: isAccepted ? 'a login that was accepted ends at once' : 'no portal user gets in with what they type',
      remedy: isAccepted
        ? 'write the same jump for success and ignore, and end with: auth required pam_permit.so'
        : restore,
      ...(path ? { path: describePath(path, isAccepted ? 'then pam_setcred says no' : 'the stack says no') } : {}),
    },
  ]
}

/** A Unix password is for this host alone. */
function judgeTravel(service: Service, stack: Stack): readonly Finding[] {
  const people = candidates(stack, service.kind, service.uids)
  const isLate = ({ phase }: Result, known: Known): boolean =>
    known.leaksPassword || (phase === 'success' && known.ob === 'no' && known.isProven)
  const path = first(people.local, (subject) => walk(service, stack, { phase: 'auth', subject, ob: 'either' }, isLate))
  const ofRoot =
    service.kind === 'sudo' || path
      ? undefined
      : walk(service, stack, { phase: 'auth', subject: root, ob: 'either' }, (_, { ob }) => ob !== 'not asked')
  const found = path ?? ofRoot
  if (!found) return []
  return [
    {
      verdict: 'bad',
      message: `${service.name}, auth: ob is asked about ${path ? 'Unix passwords' : 'what root types'}`,
      lets: `${path ? 'right Unix passwords' : "root's password"} travel to the portal, and count as wrong tokens`,
      remedy: 'put pam_unix.so before the line of ob, with a jump over it, as in pam.d/mode-d.sshd',
      path: describePath(found, ''),
    },
  ]
}

const root: Subject = { name: 'root', uid: 0, isLocal: true, hasPassword: true, programUid: 0 }

const portalUser = ({ kind, uids }: Service): Subject => ({
  name: undefined,
  uid: uids.min,
  isLocal: false,
  hasPassword: false,
  programUid: kind === 'sudo' || kind === 'locker' ? uids.min : 0,
})

const first = (subjects: readonly Subject[], search: (subject: Subject) => Path | undefined): Path | undefined => {
  for (const subject of subjects) {
    const path = search(subject)
    if (path) return path
  }
  return undefined
}

function walk(
  service: Service,
  stack: Stack,
  { phase, subject, ob, mayBeChosen = false }: Question,
  accept: (result: Result, known: Known) => boolean,
): Path | undefined {
  const circumstances = { type: phase, service: service.name, subject, ob, mayBeChosen }
  return findPath<Known>(stack, {
    known: nothingKnown,
    possible: (line) =>
      service.missing.has(line.module)
        ? [{ value: 'module_unknown', cred: 'module_unknown', learn: (known) => known }]
        : possibleAnswers(line, circumstances),
    accept,
  })
}
