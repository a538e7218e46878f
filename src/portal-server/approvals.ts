// Approvals: for some hours the same person, with the same proven key, from the same network, is let into the same
// group of hosts without being asked again. Never for sudo, and never without a key: an address is
// shared by many.
import { base64url } from '../base/bytes.ts'
import type { Database, Row } from '../base/database.ts'
import type { Parts } from '../base/world.ts'
import { networkOf } from './addresses-policy.ts'
import type { ServiceConfig } from './settings.ts'
import { listOf, numberOf, textOf } from './tables.ts'
import type { Confirmed, Request } from './transactions.ts'

export type Approval = {
  readonly id: string
  readonly issuer: string
  readonly subject: string
  readonly name: string
  readonly groups: readonly string[]
  readonly network: string
  readonly keyFingerprint: string
  /** Empty: only the host that it was made on. */
  readonly hostGroup: string
  readonly host: string
  readonly createdAt: number
  readonly expiresAt: number
}

export type ApprovalsContext = Parts<'now' | 'random'> & {
  readonly database: Database
  readonly config: Pick<ServiceConfig, 'approval_max'>
}

type Place = { readonly host: string; readonly hostGroup: string }

/** How long an approval for this request would count; 0: there can be none. */
export function approvalSeconds(config: Pick<ServiceConfig, 'approval_max'>, request: Request): number {
  if (!/^sshd?$/.test(request.service) || request.login === '' || request.keyFingerprint === '') return 0
  return networkOf(request.rhost) === undefined ? 0 : Math.min(request.approvalSeconds, config.approval_max)
}

export async function addApproval(
  { database, config, now, random }: ApprovalsContext,
  request: Request & Place,
  { who, sid }: { readonly who: Confirmed; readonly sid: string },
): Promise<number | undefined> {
  const seconds = approvalSeconds(config, request)
  if (seconds <= 0) return undefined
  const at = Math.floor(now())
  await database.query(
    `INSERT INTO approvals (id, issuer, subject, name, groups, network, key_fingerprint, host_group, host, sid,
       created_at, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
    [
      ...[base64url(random(12)), who.issuer, who.subject, who.user, JSON.stringify(who.groups)],
      ...[networkOf(request.rhost) ?? '', request.keyFingerprint, request.hostGroup, request.host, sid],
      ...[at, at + seconds],
    ],
  )
  return at + seconds
}

/** An approval that covers this request; the host may ask for a shorter time than it was made for. */
export async function findApproval(
  { database, config, now }: ApprovalsContext,
  request: Request & Place,
): Promise<Approval | undefined> {
  const seconds = approvalSeconds(config, request)
  if (seconds <= 0) return undefined
  const at = Math.floor(now())
  const rows = await database.query(
    `SELECT * FROM approvals
     WHERE name = $1 AND key_fingerprint = $2 AND network = $3 AND host_group = $4 AND (host_group <> '' OR host = $5)
       AND expires_at > $6 AND created_at > $7
     ORDER BY expires_at DESC LIMIT 1`,
    [
      ...[request.login, request.keyFingerprint, networkOf(request.rhost) ?? '', request.hostGroup, request.host],
      ...[at, at - seconds],
    ],
  )
  const approval = rows[0] && approvalOf(rows[0])
  return approval && { ...approval, expiresAt: Math.min(approval.expiresAt, approval.createdAt + seconds) }
}

export async function approvalsOf(
  { database, now }: ApprovalsContext,
  { issuer, subject }: Pick<Approval, 'issuer' | 'subject'>,
): Promise<readonly Approval[]> {
  const rows = await database.query(
    'SELECT * FROM approvals WHERE issuer = $1 AND subject = $2 AND expires_at > $3 ORDER BY created_at DESC LIMIT 100',
    [issuer, subject, Math.floor(now())],
  )
  return rows.map(approvalOf)
}

/** One of this person's own. */
export async function revokeApproval(
  { database }: ApprovalsContext,
  { issuer, subject }: Pick<Approval, 'issuer' | 'subject'>,
  id: string,
): Promise<boolean> {
  const rows = await database.query(
    'DELETE FROM approvals WHERE issuer = $1 AND subject = $2 AND id = $3 RETURNING id',
    [issuer, subject, id],
  )
  return rows.length > 0
}

/** Everything that this person was approved for; what an administrator runs. */
export async function revokeApprovals({ database }: Pick<ApprovalsContext, 'database'>, name: string): Promise<number> {
  return (await database.query('DELETE FROM approvals WHERE name = $1 RETURNING id', [name])).length
}

const approvalOf = (row: Row): Approval => ({
  id: textOf(row, 'id'),
  issuer: textOf(row, 'issuer'),
  subject: textOf(row, 'subject'),
  name: textOf(row, 'name'),
  groups: listOf(row, 'groups'),
  network: textOf(row, 'network'),
  keyFingerprint: textOf(row, 'key_fingerprint'),
  hostGroup: textOf(row, 'host_group'),
  host: textOf(row, 'host'),
  createdAt: numberOf(row, 'created_at'),
  expiresAt: numberOf(row, 'expires_at'),
})
