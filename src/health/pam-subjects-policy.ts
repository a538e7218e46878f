// Whom a stack has to be tried with: people of each kind, and the uids at which a condition in it changes its mind.

import type { Subject } from './pam-modules-policy.ts'
import type { Stack } from './pam-stack-policy.ts'

/** The range of portal users' uids. */
export type Uids = { readonly min: number; readonly max: number }

/** login.defs(5): below it are system accounts. */
const firstPerson = 1000
const lastPerson = 59_999

export type People = {
  readonly portal: readonly Subject[]
  readonly local: readonly Subject[]
  readonly system: readonly Subject[]
  /** Accounts that a condition names. */
  readonly named: readonly Subject[]
  /** A caller of sudo for whom PAM knows another name, root's. */
  readonly target: readonly Subject[]
}

type Kind = 'ssh' | 'sudo' | 'login' | 'locker'

export function candidates(stack: Stack, kind: Kind, uids: Uids): People {
  const conditions = stack.flatMap((line) =>
    line.kind === 'module' && line.module === 'pam_succeed_if.so' ? [line.args] : [],
  )
  const numbers = conditions
    .flat()
    .filter((word) => /^\d{1,9}$/.test(word))
    .flatMap((word) => [Number(word) - 1, Number(word), Number(word) + 1])
  const within = (from: number, to: number): readonly number[] => [
    ...new Set([from, to, ...numbers.filter((uid) => uid >= from && uid <= to)]),
  ]
  // sudo and lockers run as the user; everybody else calls PAM as root.
  const person = (uid: number, rest: Omit<Subject, 'uid' | 'programUid'>): Subject => ({
    ...rest,
    uid,
    programUid: kind === 'sudo' || kind === 'locker' ? uid : 0,
  })
  const local = { name: undefined, isLocal: true, hasPassword: true }
  return {
    portal: within(uids.min, uids.max).map((uid) =>
      person(uid, { name: undefined, isLocal: false, hasPassword: false }),
    ),
    local: within(firstPerson, lastPerson).map((uid) => person(uid, local)),
    system: within(1, firstPerson - 1).map((uid) => person(uid, { ...local, hasPassword: false })),
    named: [...new Set(conditions.flatMap(namesIn))].map((name) => person(firstPerson, { ...local, name })),
    target: [{ name: 'root', uid: 0, isLocal: true, hasPassword: true, programUid: uids.min }],
  }
}

/** Whom `user = NAME` and `user in NAME:NAME` name, but root. */
function namesIn(args: readonly string[]): readonly string[] {
  return args
    .flatMap((word, at) => {
      if (word !== 'user') return []
      const [operator = '', value = ''] = args.slice(at + 1, at + 3)
      return /^(=|!=|in|notin)$/.test(operator) ? value.split(':') : []
    })
    .filter((name) => name !== 'root' && name !== '')
}
