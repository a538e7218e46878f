// Who is who, for ever: a person of a provider (issuer and subject) has one name here, and a name has one person. A
// provider that gives a name to somebody else does not give that person's accounts away.

import type { Database } from '../base/database.ts'
import type { LoginName } from '../base/names.ts'
import { textOf } from './tables.ts'

export type Person = { readonly issuer: string; readonly subject: string; readonly name: string }

/** The name of this person; undefined when the name belongs to somebody else. */
export async function settlePerson(
  database: Database,
  person: { readonly issuer: string; readonly subject: string; readonly name: LoginName },
  now: number,
): Promise<string | undefined> {
  await database.query(
    'INSERT INTO people (issuer, subject, name, added_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING',
    [person.issuer, person.subject, person.name, Math.floor(now)],
  )
  // The first name stays, whatever the provider calls the person now.
  const [row] = await database.query('SELECT name FROM people WHERE issuer = $1 AND subject = $2', [
    person.issuer,
    person.subject,
  ])
  return row && textOf(row, 'name')
}

export async function listPeople(database: Database): Promise<readonly Person[]> {
  const rows = await database.query('SELECT issuer, subject, name FROM people ORDER BY name')
  return rows.map((row) => ({
    issuer: textOf(row, 'issuer'),
    subject: textOf(row, 'subject'),
    name: textOf(row, 'name'),
  }))
}

/** Frees a name for another person; whatever the old one still had here ends. */
export async function releasePerson(database: Database, name: string): Promise<boolean> {
  const [row] = await database.query('DELETE FROM people WHERE name = $1 RETURNING issuer, subject', [name])
  if (!row) return false
  const who = [textOf(row, 'issuer'), textOf(row, 'subject')]
  await database.query('DELETE FROM approvals WHERE issuer = $1 AND subject = $2', who)
  await database.query('DELETE FROM sessions WHERE issuer = $1 AND subject = $2', who)
  await database.query(`UPDATE transactions SET state = 'refused', code = NULL WHERE issuer = $1 AND subject = $2`, who)
  return true
}
