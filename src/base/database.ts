// What a service needs of a database, SQLite or PostgreSQL: one statement at a time, each whole by itself. What must
// happen once is decided by one UPDATE or DELETE with RETURNING, never by a read and a write.

export type Value = string | number | null
export type Row = Readonly<Record<string, Value>>

export type Database = {
  /** Values stand for $1, $2 … in the text. A Fault when the database cannot be reached, is locked or full. */
  readonly query: (text: string, values?: readonly Value[]) => Promise<readonly Row[]>
  readonly close: () => Promise<void>
}
