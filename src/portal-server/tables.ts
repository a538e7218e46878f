// The tables of the service, and what each row is read with.
import type { Database, Row } from '../base/database.ts'

/** Whole statements; both databases understand them. Times are epoch seconds. Secrets are stored as SHA-256. */
export const tables: readonly string[] = [
  'CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, content TEXT NOT NULL)',
  `CREATE TABLE IF NOT EXISTS hosts (
     name TEXT PRIMARY KEY, host_group TEXT NOT NULL, secret_hash TEXT NOT NULL UNIQUE,
     added_at BIGINT NOT NULL, revoked_at BIGINT)`,
  `CREATE TABLE IF NOT EXISTS people (
     issuer TEXT NOT NULL, subject TEXT NOT NULL, name TEXT NOT NULL UNIQUE, added_at BIGINT NOT NULL,
     PRIMARY KEY (issuer, subject))`,
  `CREATE TABLE IF NOT EXISTS sessions (
     id_hash TEXT PRIMARY KEY, provider TEXT NOT NULL, issuer TEXT NOT NULL, subject TEXT NOT NULL, name TEXT NOT NULL,
     groups TEXT NOT NULL, acr TEXT NOT NULL, auth_time BIGINT NOT NULL, sid TEXT NOT NULL, browser TEXT NOT NULL,
     address TEXT NOT NULL, created_at BIGINT NOT NULL, expires_at BIGINT NOT NULL)`,
  'CREATE INDEX IF NOT EXISTS sessions_of ON sessions (issuer, subject)',
  'CREATE INDEX IF NOT EXISTS sessions_end ON sessions (expires_at)',
  `CREATE TABLE IF NOT EXISTS transactions (
     handle_hash TEXT PRIMARY KEY, session_hash TEXT NOT NULL UNIQUE, host TEXT NOT NULL, host_group TEXT NOT NULL,
     login TEXT NOT NULL, account TEXT NOT NULL, service TEXT NOT NULL, rhost TEXT NOT NULL,
     key_fingerprint TEXT NOT NULL, key_type TEXT NOT NULL, approval_seconds BIGINT NOT NULL,
     state TEXT NOT NULL, tries_left BIGINT NOT NULL, created_at BIGINT NOT NULL, expires_at BIGINT NOT NULL,
     code TEXT, code_expires_at BIGINT, remember BIGINT NOT NULL, issuer TEXT NOT NULL, subject TEXT NOT NULL,
     name TEXT NOT NULL, groups TEXT NOT NULL, acr TEXT NOT NULL, auth_time BIGINT NOT NULL, sid TEXT NOT NULL)`,
  'CREATE INDEX IF NOT EXISTS transactions_end ON transactions (expires_at)',
  `CREATE TABLE IF NOT EXISTS approvals (
     id TEXT PRIMARY KEY, issuer TEXT NOT NULL, subject TEXT NOT NULL, name TEXT NOT NULL, groups TEXT NOT NULL,
     network TEXT NOT NULL, key_fingerprint TEXT NOT NULL, host_group TEXT NOT NULL, host TEXT NOT NULL,
     sid TEXT NOT NULL, created_at BIGINT NOT NULL, expires_at BIGINT NOT NULL)`,
  'CREATE INDEX IF NOT EXISTS approvals_of ON approvals (name, key_fingerprint)',
  'CREATE INDEX IF NOT EXISTS approvals_end ON approvals (expires_at)',
  'CREATE TABLE IF NOT EXISTS used_ids (id_hash TEXT PRIMARY KEY, expires_at BIGINT NOT NULL)',
]

/** Makes what is missing; several instances may do so at the same time. */
export async function prepareTables(database: Database): Promise<void> {
  for (const text of tables) await database.query(text)
}

/** Forgets what has ended, so that the tables do not grow. */
export async function expireRows(database: Database, now: number): Promise<void> {
  for (const table of ['sessions', 'transactions', 'approvals', 'used_ids'])
    await database.query(`DELETE FROM ${table} WHERE expires_at <= $1`, [now])
}

export const textOf = (row: Row, name: string): string => String(row[name] ?? '')
/** PostgreSQL hands large numbers over as text. */
export const numberOf = (row: Row, name: string): number => Number(row[name] ?? 0)

export const listOf = (row: Row, name: string): readonly string[] => {
  // Written by this program only.
  const value: unknown = JSON.parse(textOf(row, name) || '[]')
  return Array.isArray(value) ? value.map(String) : []
}
