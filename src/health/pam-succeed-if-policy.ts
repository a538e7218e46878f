// What pam_succeed_if(8) answers about somebody whose name may be unknown: it then is none that the line names.

import type { PamValue } from './pam-control-format.ts'

export type Person = {
  readonly uid: number
  readonly name: string | undefined
  readonly service: string
  /** sshd comes here with names that have no account yet. */
  readonly mayBeUnknown: boolean
}

/** `chosen`: it succeeds for those whom root put into a group or on a list. */
export type Answered = PamValue | 'chosen'

const flags = new Set(['debug', 'quiet', 'quiet_fail', 'quiet_success', 'use_uid', 'audit'])

/** Conditions are judged in order, and the first that does not hold decides. */
export function judgeSucceedIf(args: readonly string[], person: Person): readonly Answered[] {
  const words = args.filter((arg) => !flags.has(arg))
  let isChosen = false
  const before: Answered[] = []
  for (let at = 0; at < words.length; at += 3) {
    const [attribute = '', operator = '', value] = words.slice(at, at + 3)
    if (value === undefined) return [...before, 'service_err']
    if (person.mayBeUnknown && /^(uid|gid|shell|home)$/.test(attribute)) before.push('user_unknown')
    const judged = judge(attribute, operator, value, person)
    if (judged === 'no') return [...before, 'auth_err']
    if (judged === 'error') return [...before, 'service_err']
    if (judged === 'open' || judged === 'either') before.push('auth_err')
    if (judged === 'open') isChosen = true
  }
  return [...new Set<Answered>([...before, isChosen ? 'chosen' : 'success'])]
}

/** `open`: only for some; `either`: for all but some. */
type Judged = 'yes' | 'no' | 'open' | 'either' | 'error'

const sure = (holds: boolean): Judged => (holds ? 'yes' : 'no')

function judge(attribute: string, operator: string, value: string, { uid, name, service }: Person): Judged {
  switch (attribute) {
    case 'uid':
      return judgeText(operator, value, String(uid))
    case 'user':
      return judgeText(operator, value, name)
    case 'service':
      return judgeText(operator, value, service)
    case 'gid':
      return judgeText(operator, value, uid === 0 ? '0' : undefined, 'open')
    case 'shell':
    case 'home':
    case 'ruser':
    case 'rhost':
    case 'tty':
      return judgeText(operator, value, undefined, 'open')
    default:
      return 'error'
  }
}

/** Without `left` it is some text that the line does not name, or, where that cannot be known, `otherwise`. */
function judgeText(operator: string, value: string, left: string | undefined, otherwise?: Judged): Judged {
  const numbers = compare[operator]
  if (numbers) {
    if (!/^-?\d+$/.test(value) || (left !== undefined && !/^-?\d+$/.test(left))) return 'error'
    return left === undefined ? (otherwise ?? 'error') : sure(numbers(Number(left), Number(value)))
  }
  if (left === undefined && otherwise && isText(operator))
    return /^(!=|!~|notin)$/.test(operator) ? 'either' : otherwise
  switch (operator) {
    case '=':
      return sure(left === value)
    case '!=':
      return sure(left !== value)
    case 'in':
      return sure(left !== undefined && value.split(':').includes(left))
    case 'notin':
      return sure(left === undefined || !value.split(':').includes(left))
    // A pattern that every name matches is no choice.
    case '=~':
      return /^[*]+$/.test(value) ? 'yes' : 'open'
    case '!~':
      return /^[*]+$/.test(value) ? 'no' : 'either'
    case 'ingroup':
      return left === 'root' && value === 'root' ? 'yes' : 'open'
    case 'innetgr':
      return 'open'
    case 'notingroup':
    case 'notinnetgr':
      return 'either'
    default:
      return 'error'
  }
}

const isText = (operator: string): boolean => ['=', '!=', 'in', 'notin', '=~', '!~'].includes(operator)

const compare: Readonly<Record<string, (left: number, right: number) => boolean>> = {
  '<': (left, right) => left < right,
  lt: (left, right) => left < right,
  '<=': (left, right) => left <= right,
  le: (left, right) => left <= right,
  '>': (left, right) => left > right,
  gt: (left, right) => left > right,
  '>=': (left, right) => left >= right,
  ge: (left, right) => left >= right,
  eq: (left, right) => left === right,
  ne: (left, right) => left !== right,
}
