// Which accounts of this host itself the portal may decide about. A portal user may be called as an account of the
// system is, and would become that account.
import { isReservedUid } from './uid.ts'

/** `refused`: the account exists here, and the portal has no say about it. */
export type LocalAccount = 'none' | 'allowed' | 'refused'

/** The word of local_accounts that is no name. */
const people = 'people'

export type LocalRule = {
  /** local_accounts: names, and `people` for every account of a person. */
  readonly accounts: readonly string[]
  /** UID_MIN of login.defs(5): accounts below it are the system's. */
  readonly uidMin: number
}

export function judgeLocal(name: string, uid: number, { accounts, uidMin }: LocalRule): LocalAccount {
  // Another name of root is root.
  if (uid === 0) return 'refused'
  if (accounts.includes(name)) return 'allowed'
  if (uid < uidMin || isReservedUid(uid)) return 'refused'
  return accounts.includes(people) ? 'allowed' : 'refused'
}

const usualUidMin = 1000

/** UID_MIN of login.defs(5), as shadow-utils reads it: the last one counts, decimal, octal or hexadecimal. */
export function parseUidMin(text: string): number {
  const values = [...text.matchAll(/^[ \t]*UID_MIN[ \t]+"?([0-9a-fA-Fx]+)"?[ \t]*$/gm)].map(([, value]) =>
    Number(/^0[0-7]+$/.test(value!) ? `0o${value!.slice(1)}` : value),
  )
  const last = values.at(-1)
  // A value that is no number, or less than the usual one, makes no account of the system a person.
  return last !== undefined && Number.isSafeInteger(last) && last > usualUidMin ? last : usualUidMin
}
