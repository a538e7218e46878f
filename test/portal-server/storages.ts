// The databases that the service is tried on: SQLite in memory, and a real PostgreSQL with a cluster of its own, where
// Debian's package is installed.
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openPostgres } from '../../modes/world/database/postgres.ts'
import { openSqlite } from '../../modes/world/database/sqlite.ts'
import type { Database } from '../../src/base/database.ts'
import { Secret } from '../../src/base/secret.ts'

export type Storage = { readonly name: string; readonly open: () => Promise<Database> }

const programs = (): string | undefined => {
  const root = '/usr/lib/postgresql'
  const versions = existsSync(root) ? readdirSync(root).toSorted((a, b) => Number(b) - Number(a)) : []
  return versions.map((version) => join(root, version, 'bin')).find((path) => existsSync(join(path, 'initdb')))
}

/** Why PostgreSQL is left out; undefined when it can be tried. */
export const postgresRefusal = (): string | undefined =>
  programs() === undefined
    ? 'PostgreSQL is not installed: apt-get install --no-install-recommends postgresql'
    : undefined

/** nobody: PostgreSQL does not start as root. */
const unprivileged = 65534

export type Cluster = {
  readonly address: (database: string) => string
  readonly kill: () => Promise<void>
  readonly restart: () => Promise<void>
  readonly stop: () => Promise<void>
}

/** A cluster in a temporary directory, on a unix socket alone unless a port is given. */
export async function startPostgres(port: number): Promise<Cluster> {
  const bin = programs()!
  const directory = mkdtempSync(join(tmpdir(), 'ob-postgres-'))
  const asRoot = process.getuid?.() === 0
  if (asRoot) chownSync(directory, unprivileged, unprivileged)
  const as = asRoot ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] : []
  const run = async (...argv: readonly string[]): Promise<void> => {
    const child = Bun.spawn([...as, ...argv], { stdout: 'pipe', stderr: 'pipe', cwd: directory })
    const [text, code] = await Promise.all([child.stderr.text(), child.exited])
    if (code !== 0) throw new Error(`${argv.join(' ')}: ${text}`)
  }
  const data = join(directory, 'data')
  await run(join(bin, 'initdb'), '-D', data, '-U', 'ob', '--auth=trust', '--no-sync', '-E', 'UTF8', '--locale=C')
  const settings = ['-c', `port=${port}`, '-c', 'listen_addresses=127.0.0.1', '-k', directory, '-c', 'fsync=off']
  const start = async (): Promise<Bun.Subprocess> => {
    const argv = [...as, join(bin, 'postgres'), '-D', data, ...settings]
    const server = Bun.spawn(argv, { stdout: 'ignore', stderr: 'pipe' })
    let said = ''
    const reader = server.stderr.getReader()
    while (!said.includes('database system is ready to accept connections')) {
      const { value, done } = await reader.read()
      if (done) throw new Error(`PostgreSQL does not start: ${said}`)
      said += new TextDecoder().decode(value)
    }
    // Whatever it says from now on must not fill the pipe.
    void (async () => {
      while (!(await reader.read()).done);
    })()
    return server
  }
  let server = await start()
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    server.kill(signal)
    await server.exited
  }
  return {
    address: (database) => `postgres://ob@127.0.0.1:${port}/${database}`,
    // At once, without a goodbye to its clients.
    kill: () => end('SIGQUIT'),
    restart: async () => {
      server = await start()
    },
    stop: async () => {
      await end('SIGINT')
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

export const sqliteInMemory: Storage = { name: 'SQLite', open: async () => openSqlite(':memory:') }

/** Each time an empty one. */
export const postgresIn = (cluster: () => Cluster): Storage => ({
  name: 'PostgreSQL',
  open: async () => {
    const database = openPostgres(new Secret(cluster().address('postgres')))
    await database.query('DROP SCHEMA public CASCADE')
    await database.query('CREATE SCHEMA public')
    return database
  },
})
