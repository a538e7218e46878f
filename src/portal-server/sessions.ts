// Browsers that are signed in here. The cookie holds a random secret; everything else is in the database.
import { base64url } from '../base/bytes.ts'
import type { Database, Row } from '../base/database.ts'
import type { Parts } from '../base/world.ts'
import { listOf, numberOf, textOf } from './tables.ts'
import { hashOf } from './tokens.ts'

export type BrowserSession = {
  /** The hash of the cookie's secret: names the session, and opens nothing. */
  readonly id: string
  readonly provider: string
  readonly issuer: string
  readonly subject: string
  readonly name: string
  readonly groups: readonly string[]
  readonly acr: string
  readonly authTime: number
  /** The provider's name of its own session, for logouts. */
  readonly sid: string
  readonly browser: string
  readonly address: string
  readonly createdAt: number
  readonly expiresAt: number
}

type Context = Parts<'now' | 'random'> & { readonly database: Database }

export async function startSession(
  { database, random }: Context,
  session: Omit<BrowserSession, 'id'>,
): Promise<string> {
  const secret = base64url(random(32))
  await database.query(
    `INSERT INTO sessions (id_hash, provider, issuer, subject, name, groups, acr, auth_time, sid, browser, address,
       created_at, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
    [
      ...[hashOf(secret), session.provider, session.issuer, session.subject, session.name],
      ...[JSON.stringify(session.groups), session.acr, session.authTime, session.sid],
      ...[session.browser, session.address, session.createdAt, session.expiresAt],
    ],
  )
  return secret
}

export async function findSession({ database, now }: Context, secret: string): Promise<BrowserSession | undefined> {
  if (!/^[\w-]{43}$/.test(secret)) return undefined
  const [row] = await database.query('SELECT * FROM sessions WHERE id_hash = $1 AND expires_at > $2', [
    hashOf(secret),
    Math.floor(now()),
  ])
  return row && sessionOf(row)
}

export async function sessionsOf(
  { database, now }: Context,
  { issuer, subject }: Pick<BrowserSession, 'issuer' | 'subject'>,
): Promise<readonly BrowserSession[]> {
  const rows = await database.query(
    'SELECT * FROM sessions WHERE issuer = $1 AND subject = $2 AND expires_at > $3 ORDER BY created_at DESC LIMIT 50',
    [issuer, subject, Math.floor(now())],
  )
  return rows.map(sessionOf)
}

/** The caller's own session or another of the same person. */
export async function endSession(
  { database }: Context,
  { issuer, subject }: Pick<BrowserSession, 'issuer' | 'subject'>,
  id: string,
): Promise<void> {
  await database.query('DELETE FROM sessions WHERE issuer = $1 AND subject = $2 AND id_hash = $3', [
    issuer,
    subject,
    id,
  ])
}

/**
 * What the provider ended: of this session of its own, or of everything of this person. Approvals go with it, and codes
 * that were not typed yet. Sessions of ssh go on.
 */
export async function endAtProvider(
  { database }: Context,
  who: { readonly issuer: string; readonly subject: string | undefined; readonly sid: string | undefined },
): Promise<number> {
  const { issuer, subject = '', sid = '' } = who
  const match = 'issuer = $1 AND (subject = $2 OR $2 = $4) AND (sid = $3 OR $3 = $4)'
  const values = [issuer, subject, sid, '']
  if (subject === '' && sid === '') return 0
  const ended = await database.query(`DELETE FROM sessions WHERE ${match} RETURNING id_hash`, values)
  const dropped = await database.query(`DELETE FROM approvals WHERE ${match} RETURNING id`, values)
  await database.query(
    `UPDATE transactions SET state = 'refused', code = NULL WHERE ${match} AND state = 'coded'`,
    values,
  )
  return ended.length + dropped.length
}

const sessionOf = (row: Row): BrowserSession => ({
  id: textOf(row, 'id_hash'),
  provider: textOf(row, 'provider'),
  issuer: textOf(row, 'issuer'),
  subject: textOf(row, 'subject'),
  name: textOf(row, 'name'),
  groups: listOf(row, 'groups'),
  acr: textOf(row, 'acr'),
  authTime: numberOf(row, 'auth_time'),
  sid: textOf(row, 'sid'),
  browser: textOf(row, 'browser'),
  address: textOf(row, 'address'),
  createdAt: numberOf(row, 'created_at'),
  expiresAt: numberOf(row, 'expires_at'),
})
