// Web logins that count for further connections of the same user, source and key. Where the service keeps them, this is
// a note of what it said; otherwise they are kept here, for this host alone. Only root reads and writes them.
import { decodeUtf8, hex, sha256 } from '../base/bytes.ts'
import { olderThan, sweep } from '../base/expire-files.ts'
import { parseJsonObject, textMember, textsMember, wholeMember } from '../base/json.ts'
import type { LoginName } from '../base/names.ts'
import { paths } from '../base/paths.ts'
import type { Parts } from '../base/world.ts'
import { lockoutKey } from '../lockout/state-format.ts'
import type { Confirmed } from './service.ts'

/** What an approval is bound to, besides this host or its group. */
export type Bound = { readonly user: LoginName; readonly rhost: string; readonly fingerprint: string }

export type ApprovalRecord = {
  readonly user: string
  /** An IPv4 address, or the /64 of an IPv6 address. */
  readonly source: string
  readonly fingerprint: string
  readonly madeAt: number
  readonly expiresAt: number
  readonly keptBy: 'host' | 'service'
  readonly subject: string
  readonly issuer: string
  readonly groups: readonly string[]
}

export type Approvals = {
  /** Only what this host keeps itself: a service answers for its own. */
  readonly find: (bound: Bound) => Confirmed | undefined
  readonly note: (bound: Bound, confirmed: Confirmed, about: Pick<ApprovalRecord, 'expiresAt' | 'keptBy'>) => void
  readonly list: () => readonly ApprovalRecord[]
  /** Nothing that was approved before now counts; how many were known here. */
  readonly revoke: (user: LoginName | 'everybody') => number
  /** How old an approval of this user may be at most, so that none from before a revocation counts. */
  readonly oldest: (user: LoginName, wanted: number) => number
}

const directory = `${paths.weblogin}/approvals`
const longestSeconds = 86_400
/** No login name has upper-case letters. */
const everybody = 'EVERYBODY'

export function openApprovals({ files, now }: Parts<'files' | 'now'>): Approvals {
  const sourceOf = ({ user, rhost }: Bound): string => lockoutKey(user, rhost).slice(user.length + 1)
  const fileOf = (bound: Bound): string =>
    `${directory}/${hex(sha256(`${bound.user} ${sourceOf(bound)} ${bound.fingerprint}`)).slice(0, 32)}.json`
  const read = (path: string): ApprovalRecord | undefined => {
    const bytes = files.readTrusted(path, { limit: 1 << 20, secret: true })
    return bytes && parseApproval(decodeUtf8(bytes) ?? '')
  }
  const list = (): readonly ApprovalRecord[] =>
    (files.list(directory) ?? [])
      .filter((name) => name.endsWith('.json'))
      .map((name) => read(`${directory}/${name}`))
      .filter((record) => record !== undefined)
      .filter((record) => isCurrent(record))
  const isCurrent = ({ user, madeAt, expiresAt }: ApprovalRecord): boolean =>
    now() < expiresAt && madeAt <= now() + 60 && madeAt > revokedAt(user)
  const revokedAt = (user: string): number =>
    Math.max(...[user, everybody].map((name) => instantIn(`${paths.webloginRevoked}/${name}`)))
  const instantIn = (path: string): number => {
    const bytes = files.readTrusted(path, { limit: 64, secret: false })
    const text = bytes ? (decodeUtf8(bytes) ?? '') : '0\n'
    // A file that nobody can read revokes everything.
    return /^\d{1,15}\n$/.test(text) ? Number(text) : Number.MAX_SAFE_INTEGER
  }
  return {
    list,
    find: (bound) => {
      const record = read(fileOf(bound))
      if (record?.keptBy !== 'host' || !isCurrent(record)) return undefined
      const { user, source, fingerprint, subject, issuer, groups } = record
      if (user !== bound.user || source !== sourceOf(bound) || fingerprint !== bound.fingerprint) return undefined
      return { user, subject, issuer, groups, approvalExpiresAt: record.expiresAt }
    },
    note: (bound, { subject, issuer, groups }, about) => {
      files.makeDirectory(directory, 0o700)
      sweep({ files, now }, directory, olderThan({ now }, longestSeconds))
      const { user, fingerprint } = bound
      const record: ApprovalRecord = {
        ...{ user, source: sourceOf(bound), fingerprint, madeAt: Math.floor(now()) },
        ...{ subject, issuer, groups, ...about },
      }
      files.writeAtomic(fileOf(bound), JSON.stringify(record), { mode: 0o600 })
    },
    revoke: (user) => {
      const known = list().filter((record) => user === 'everybody' || record.user === user).length
      files.makeDirectory(paths.state, 0o711)
      files.makeDirectory(paths.webloginRevoked, 0o700)
      const name = user === 'everybody' ? everybody : user
      files.writeAtomic(`${paths.webloginRevoked}/${name}`, `${Math.floor(now())}\n`, { mode: 0o600 })
      return known
    },
    oldest: (user, wanted) => Math.max(0, Math.min(wanted, Math.floor(now()) - revokedAt(user))),
  }
}

export function parseApproval(text: string): ApprovalRecord | undefined {
  const object = parseJsonObject(text)
  if (!object) return undefined
  const named = ['user', 'source', 'fingerprint', 'subject', 'issuer'].map((name) => textMember(object, name))
  const [user, source, fingerprint, subject, issuer] = named
  const [madeAt, expiresAt] = ['madeAt', 'expiresAt'].map((name) => wholeMember(object, name))
  const groups = textsMember(object, 'groups')
  const keptBy = textMember(object, 'keptBy')
  if (!user || !source || !fingerprint || !subject || !issuer || !groups) return undefined
  if (madeAt === undefined || expiresAt === undefined || (keptBy !== 'host' && keptBy !== 'service')) return undefined
  return { user, source, fingerprint, madeAt, expiresAt, keptBy, subject, issuer, groups }
}
