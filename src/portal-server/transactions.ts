// One login that waits for its person. Two secrets bind it in one direction: the handle is in the address and shows the
// page; the session is the host's alone and is where the code must come back. The code exists only after the right
// person pressed the button for it, and is spent by one UPDATE.

import type { Database, Row } from '../base/database.ts'
import type { Parts } from '../base/world.ts'
import type { Host } from './hosts.ts'
import { readCode } from './identifiers-format.ts'
import type { BrowserSession } from './sessions.ts'
import type { ServiceConfig } from './settings.ts'
import { listOf, numberOf, textOf } from './tables.ts'
import { hashOf, newCode, newHandle, newSession } from './tokens.ts'

export type Request = {
  /** The login name that must be confirmed; empty: whoever confirms says who it is. */
  readonly login: string
  /** With an empty login: the account that is used. */
  readonly account: string
  readonly service: string
  readonly rhost: string
  readonly keyFingerprint: string
  readonly keyType: string
  readonly approvalSeconds: number
}

export type Transaction = Request & {
  readonly id: string
  readonly host: string
  readonly hostGroup: string
  readonly state: 'waiting' | 'coded' | 'confirmed' | 'refused'
  readonly createdAt: number
  readonly expiresAt: number
  readonly code: string | undefined
  readonly codeExpiresAt: number
  readonly triesLeft: number
  /** The person ticked the box that saves the next question. */
  readonly remember: boolean
  readonly issuer: string
  readonly subject: string
}

export type Confirmed = {
  readonly user: string
  readonly subject: string
  readonly issuer: string
  readonly groups: readonly string[]
  readonly acr: string
  readonly authTime: number
}

export type CheckResult =
  | { readonly result: 'confirmed'; readonly who: Confirmed; readonly transaction: Transaction; readonly sid: string }
  | { readonly result: 'wrong'; readonly triesLeft: number; readonly transaction: Transaction }
  | { readonly result: 'pending' }
  | { readonly result: 'expired' }
  | { readonly result: 'refused' }

export type TransactionsContext = Parts<'now' | 'random'> & {
  readonly database: Database
  readonly config: Pick<ServiceConfig, 'transaction_lifetime' | 'code_lifetime' | 'code_tries'>
}

export async function startTransaction(
  { database, config, now, random }: TransactionsContext,
  host: Host,
  request: Request,
): Promise<{ readonly session: string; readonly handle: string; readonly expiresIn: number }> {
  const session = newSession({ random })
  const handle = newHandle({ random })
  const at = Math.floor(now())
  await database.query(
    `INSERT INTO transactions (handle_hash, session_hash, host, host_group, login, account, service, rhost,
       key_fingerprint, key_type, approval_seconds, state, tries_left, created_at, expires_at, remember,
       issuer, subject, name, groups, acr, auth_time, sid)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'waiting', $12, $13, $14, 0, '', '', '', '[]', '', 0, '')`,
    [
      ...[hashOf(handle), hashOf(session), host.name, host.group, request.login, request.account, request.service],
      ...[request.rhost, request.keyFingerprint, request.keyType, request.approvalSeconds, config.code_tries],
      ...[at, at + config.transaction_lifetime],
    ],
  )
  return { session, handle, expiresIn: config.transaction_lifetime }
}

/** What the page shows; nothing changes by looking. */
export async function findTransaction(
  { database, now }: TransactionsContext,
  handle: string,
): Promise<Transaction | undefined> {
  const [row] = await database.query('SELECT * FROM transactions WHERE handle_hash = $1 AND expires_at > $2', [
    hashOf(handle),
    Math.floor(now()),
  ])
  return row && transactionOf(row)
}

/**
 * The person says that it was them: makes the code, or a new one when the last is too old. Only a request for this very
 * name, or one that this person confirmed before, is changed.
 */
export async function makeCode(
  { database, config, now, random }: TransactionsContext,
  { id }: Transaction,
  { session, remember }: { readonly session: BrowserSession; readonly remember: boolean },
): Promise<boolean> {
  const at = Math.floor(now())
  const rows = await database.query(
    `UPDATE transactions SET state = 'coded', code = $2, code_expires_at = $3, remember = $4, issuer = $5, subject = $6,
       name = $7, groups = $8, acr = $9, auth_time = $10, sid = $11
     WHERE handle_hash = $1 AND expires_at > $12 AND tries_left > 0 AND (login = '' OR login = $7)
       AND (state = 'waiting' OR (state = 'coded' AND issuer = $5 AND subject = $6 AND code_expires_at <= $12))
     RETURNING handle_hash`,
    [
      ...[id, newCode({ random }), at + config.code_lifetime, remember ? 1 : 0, session.issuer, session.subject],
      ...[session.name, JSON.stringify(session.groups), session.acr, session.authTime, session.sid, at],
    ],
  )
  return rows.length > 0
}

/** The person says that it was somebody else. */
export async function refuseTransaction(
  { database }: TransactionsContext,
  { id }: Transaction,
  session: BrowserSession,
): Promise<boolean> {
  const rows = await database.query(
    `UPDATE transactions SET state = 'refused', code = NULL, issuer = $2, subject = $3, name = $4
     WHERE handle_hash = $1 AND (login = '' OR login = $4)
       AND (state = 'waiting' OR (state = 'coded' AND issuer = $2 AND subject = $3))
     RETURNING handle_hash`,
    [id, session.issuer, session.subject, session.name],
  )
  return rows.length > 0
}

/** The host hands in what was typed. */
export async function checkCode(
  context: TransactionsContext,
  host: Host,
  { session, typed }: { readonly session: string; readonly typed: string },
): Promise<CheckResult> {
  const { database, now } = context
  const at = Math.floor(now())
  const key = [hashOf(session), host.name, at]
  const [spent] = await database.query(
    `UPDATE transactions SET state = 'confirmed', code = NULL
     WHERE session_hash = $1 AND host = $2 AND expires_at > $3 AND state = 'coded' AND code = $4
       AND code_expires_at > $3 AND tries_left > 0
     RETURNING *`,
    [...key, readCode(typed)],
  )
  if (spent)
    return { result: 'confirmed', who: whoIn(spent), transaction: transactionOf(spent), sid: textOf(spent, 'sid') }
  const [missed] = await database.query(
    `UPDATE transactions SET tries_left = tries_left - 1,
       state = CASE WHEN tries_left <= 1 THEN 'refused' ELSE state END
     WHERE session_hash = $1 AND host = $2 AND expires_at > $3 AND state = 'coded' AND tries_left > 0
     RETURNING *`,
    key,
  )
  if (missed) {
    const transaction = transactionOf(missed)
    return { result: 'wrong', triesLeft: transaction.triesLeft, transaction }
  }
  const [row] = await database.query(
    'SELECT state FROM transactions WHERE session_hash = $1 AND host = $2 AND expires_at > $3',
    key,
  )
  const state = row && textOf(row, 'state')
  if (state === 'waiting') return { result: 'pending' }
  // Spent already, or never there: both are over.
  return { result: state === 'refused' ? 'refused' : 'expired' }
}

const whoIn = (row: Row): Confirmed => ({
  user: textOf(row, 'name'),
  subject: textOf(row, 'subject'),
  issuer: textOf(row, 'issuer'),
  groups: listOf(row, 'groups'),
  acr: textOf(row, 'acr'),
  authTime: numberOf(row, 'auth_time'),
})

const transactionOf = (row: Row): Transaction => ({
  id: textOf(row, 'handle_hash'),
  host: textOf(row, 'host'),
  hostGroup: textOf(row, 'host_group'),
  login: textOf(row, 'login'),
  account: textOf(row, 'account'),
  service: textOf(row, 'service'),
  rhost: textOf(row, 'rhost'),
  keyFingerprint: textOf(row, 'key_fingerprint'),
  keyType: textOf(row, 'key_type'),
  approvalSeconds: numberOf(row, 'approval_seconds'),
  // Written by this file only.
  state: textOf(row, 'state') as Transaction['state'],
  createdAt: numberOf(row, 'created_at'),
  expiresAt: numberOf(row, 'expires_at'),
  code: row['code'] === null ? undefined : textOf(row, 'code'),
  codeExpiresAt: numberOf(row, 'code_expires_at'),
  triesLeft: numberOf(row, 'tries_left'),
  remember: numberOf(row, 'remember') === 1,
  issuer: textOf(row, 'issuer'),
  subject: textOf(row, 'subject'),
})
