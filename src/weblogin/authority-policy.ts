// Who may use a host that has no portal: what weblogin_allow and weblogin_sudo say about whom a web login confirmed on
// this very connection.
import type { LoginName } from '../base/names.ts'
import type { Reason } from '../base/reason.ts'
import type { Confirmed } from './service.ts'

export type AuthorityFacts = {
  readonly user: LoginName
  readonly isSudo: boolean
  /** Whom the web login of this connection confirmed; undefined when there was none. */
  readonly confirmed: Confirmed | undefined
  /** The uid of a local account of this name that this program did not make. */
  readonly localUid: number | undefined
  /** weblogin_allow, weblogin_sudo */
  readonly allow: readonly string[]
  readonly sudo: readonly string[]
}

export type AuthorityVerdict =
  | { readonly kind: 'granted'; readonly sudoAllowed: boolean; readonly groups: readonly string[] }
  | { readonly kind: 'refused'; readonly reason: Reason; readonly detail: string }

/** Below this, accounts belong to the system (UID_MIN of login.defs(5)). */
const firstPerson = 1000

export function decideAuthority(f: AuthorityFacts): AuthorityVerdict {
  const { confirmed, localUid } = f
  if (!confirmed || confirmed.user !== f.user) return refused('weblogin-no-record', '')
  if (localUid !== undefined && localUid < firstPerson)
    return refused('weblogin-local-account', `uid ${localUid} is an account of the system`)
  const sudoAllowed = isListed(f, f.sudo, confirmed.groups)
  const allowed = f.isSudo ? sudoAllowed : isListed(f, f.allow, confirmed.groups)
  if (allowed) return { kind: 'granted', sudoAllowed, groups: confirmed.groups }
  return refused(localUid === undefined ? 'weblogin-not-listed' : 'weblogin-local-account', '')
}

/** A local account was there before any web login: only its own name in the list stands for it. */
function isListed(f: AuthorityFacts, list: readonly string[], groups: readonly string[]): boolean {
  if (list.includes(f.user)) return true
  if (f.localUid !== undefined) return false
  return list.includes('*') || groups.some((group) => list.includes(`%${group}`))
}

const refused = (reason: Reason, detail: string): AuthorityVerdict => ({ kind: 'refused', reason, detail })
