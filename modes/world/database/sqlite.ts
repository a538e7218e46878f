// SQLite through the runtime. A write is on the disk before its answer goes out.
import { Database as Sqlite } from 'bun:sqlite'
import { chmodSync } from 'node:fs'
import type { Database, Row } from '../../../src/base/database.ts'
import { Fault } from '../../../src/base/fault.ts'

/** `:memory:` is a database of this process alone. */
export function openSqlite(path: string): Database {
  const database = orFault(path, () => {
    const opened = new Sqlite(path, { create: true, strict: true })
    opened.run('PRAGMA busy_timeout = 2000')
    opened.run('PRAGMA journal_mode = WAL')
    opened.run('PRAGMA synchronous = FULL')
    if (path !== ':memory:') chmodSync(path, 0o600)
    return opened
  })
  return {
    query: async (text, values = []) =>
      // Every value is of a type that the database knows.
      orFault(path, () => database.query(text.replaceAll(/\$(\d+)/g, '?$1')).all(...values) as Row[]),
    close: async () => database.close(),
  }
}

function orFault<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    const cause = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
    throw new Fault(`the database ${path} cannot be used: ${cause}`, {
      hint: `see that ${path} and its directory belong to the user of this service, and that the disk is not full`,
    })
  }
}
