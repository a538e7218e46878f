// Hosts that may ask: each has a name, a group and a secret of its own, of which only the hash is stored.
import { base64url } from '../base/bytes.ts'
import type { Database } from '../base/database.ts'
import type { Parts } from '../base/world.ts'
import { numberOf, textOf } from './tables.ts'
import { hashOf } from './tokens.ts'

export type Host = { readonly name: string; readonly group: string }
export type ListedHost = Host & { readonly addedAt: number; readonly revokedAt: number | undefined }

export type HostsContext = Parts<'now' | 'random'> & { readonly database: Database }

const prefix = 'obh_'

/** The secret, which is shown once. A host that is there already gets a new one, and the old one ends. */
export async function addHost({ database, now, random }: HostsContext, host: Host): Promise<string> {
  const secret = `${prefix}${base64url(random(32))}`
  await database.query(
    `INSERT INTO hosts (name, host_group, secret_hash, added_at, revoked_at) VALUES ($1, $2, $3, $4, NULL)
     ON CONFLICT (name) DO UPDATE SET host_group = $2, secret_hash = $3, added_at = $4, revoked_at = NULL`,
    [host.name, host.group, hashOf(secret), Math.floor(now())],
  )
  return secret
}

/** False: there is no such host, or it is revoked already. */
export async function revokeHost({ database, now }: HostsContext, name: string): Promise<boolean> {
  const rows = await database.query(
    'UPDATE hosts SET revoked_at = $2 WHERE name = $1 AND revoked_at IS NULL RETURNING name',
    [name, Math.floor(now())],
  )
  return rows.length > 0
}

export async function listHosts({ database }: HostsContext): Promise<readonly ListedHost[]> {
  const rows = await database.query('SELECT name, host_group, added_at, revoked_at FROM hosts ORDER BY name')
  return rows.map((row) => ({
    name: textOf(row, 'name'),
    group: textOf(row, 'host_group'),
    addedAt: numberOf(row, 'added_at'),
    revokedAt: row['revoked_at'] === null ? undefined : numberOf(row, 'revoked_at'),
  }))
}

/** The host that this Authorization header belongs to; pam-weblogin's own configuration may leave out "Bearer". */
export async function hostOf(database: Database, header: string | undefined): Promise<Host | undefined> {
  const secret = /^(?:Bearer )?(obh_[\w-]{43})$/i.exec(header ?? '')?.[1]
  if (secret === undefined) return undefined
  const [row] = await database.query(
    'SELECT name, host_group FROM hosts WHERE secret_hash = $1 AND revoked_at IS NULL',
    [hashOf(secret)],
  )
  return row && { name: textOf(row, 'name'), group: textOf(row, 'host_group') }
}
