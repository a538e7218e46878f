// PostgreSQL through the runtime's client, for several instances of the service.

import type { Database, Row } from '../../../src/base/database.ts'
import { Fault } from '../../../src/base/fault.ts'
import type { Secret } from '../../../src/base/secret.ts'

const connections = 8

export function openPostgres(address: Secret): Database {
  const sql = new Bun.SQL(address.expose(), { max: connections, connectionTimeout: 5, idleTimeout: 300 })
  return {
    query: async (text, values = []) => {
      try {
        return (await sql.unsafe(text, [...values])) as Row[]
      } catch (error) {
        throw new Fault(`PostgreSQL did not do what it was asked for: ${causeOf(error)}`, {
          hint: 'see that it runs, and that the user in the key database may create tables',
        })
      }
    },
    close: () => sql.close({ timeout: 2 }),
  }
}

// The message of the server may quote values; its code does not.
function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error'
  const { errno, code } = error as Error & { readonly errno?: unknown; readonly code?: unknown }
  return [code, errno].filter((part) => typeof part === 'string' && /^[\w]{1,60}$/.test(part)).join(' ') || error.name
}
