// The service, put together from its parts: what a mode needs to answer requests.
import { base64url, decodeUtf8 } from '../base/bytes.ts'
import type { Database } from '../base/database.ts'
import { Fault } from '../base/fault.ts'
import { paths } from '../base/paths.ts'
import { buckets } from '../base/rate-limit.ts'
import { Secret } from '../base/secret.ts'
import type { Parts } from '../base/world.ts'
import { type EventFields, formatPortalEvent, type PortalEvent } from './audit-format.ts'
import type { ServiceContext } from './context.ts'
import { openMetrics } from './metrics.ts'
import { openProvider, type Provider } from './oidc.ts'
import type { PortalConfig } from './settings.ts'
import { expireRows, numberOf, prepareTables, textOf } from './tables.ts'
import { openBrowserKey } from './tokens.ts'
import { openWeb, type Web } from './web.ts'

export type ServiceParts = Parts<'now' | 'random' | 'fetch' | 'timeout' | 'files' | 'stdout' | 'userId'>

export type Service = {
  readonly web: Web
  /** For the place where figures are: GET /metrics and /healthz. */
  readonly figures: (path: string) => Promise<{ readonly status: number; readonly text: string }>
  /** Forgets what has ended; once a minute. */
  readonly expire: () => Promise<void>
}

export async function openService(
  parts: ServiceParts,
  { config, database }: { readonly config: PortalConfig; readonly database: Database },
  warn: (text: string) => void,
): Promise<Service> {
  const { now, random } = parts
  await prepareTables(database)
  const metrics = openMetrics()
  const audit = (event: PortalEvent, fields: EventFields): void => parts.stdout(formatPortalEvent(now(), event, fields))
  const context: ServiceContext = {
    ...{ now, random, config, database, metrics, audit },
    providers: openProviders(parts, config),
    browserKey: await openBrowserKey({ random }, await sharedKey(parts, database)),
    limits: {
      starts: buckets({ now }, { burst: 60, rate: 2, most: 50_000 }),
      strangers: buckets({ now }, { burst: 1, rate: 1 / 60, most: 10_000 }),
      signIns: buckets({ now }, { burst: 200, rate: 10, most: 50_000 }),
    },
  }
  return {
    web: openWeb(context, warn),
    figures: (path) => figures(context, path),
    expire: () => expireRows(database, Math.floor(now())),
  }
}

async function figures({ database, metrics, now }: ServiceContext, path: string) {
  if (path !== '/metrics' && path !== '/healthz') return { status: 404, text: 'there are /metrics and /healthz\n' }
  try {
    const [row] = await database.query(
      `SELECT (SELECT count(*) FROM transactions WHERE expires_at > $1) AS waiting,
         (SELECT count(*) FROM sessions WHERE expires_at > $1) AS browsers,
         (SELECT count(*) FROM approvals WHERE expires_at > $1) AS approvals`,
      [Math.floor(now())],
    )
    if (path === '/healthz') return { status: 200, text: 'ok\n' }
    const gauges = {
      ob_portal_up: 1,
      ob_portal_transactions: numberOf(row!, 'waiting'),
      ob_portal_browser_sessions: numberOf(row!, 'browsers'),
      ob_portal_approvals: numberOf(row!, 'approvals'),
    }
    return { status: 200, text: metrics.format(gauges) }
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    return path === '/healthz'
      ? { status: 503, text: 'the database does not answer\n' }
      : { status: 200, text: metrics.format({ ob_portal_up: 0 }) }
  }
}

function openProviders(parts: ServiceParts, config: PortalConfig): ReadonlyMap<string, Provider> {
  const tls = { ca: readAuthorities(parts, config.provider_ca), minVersion: 0x0303, pins: [] }
  const shared = { ...parts, tls, proxy: config.proxy, baseUrl: config.base_url }
  return new Map(
    config.providers.map((one) => [one.name, openProvider(shared, one, resolveSecret(parts, one.client_secret))]),
  )
}

function readAuthorities({ files }: Parts<'files'>, given: string | undefined): string {
  for (const path of given === undefined ? paths.systemAuthorities : [given]) {
    const bytes = files.readTrusted(path, { limit: 4 << 20, secret: false })
    if (bytes) return decodeUtf8(bytes) ?? ''
  }
  throw new Fault('there are no certificate authorities to know the providers by', {
    hint: 'install the package ca-certificates, or set provider_ca',
  })
}

/** The secret itself, or what is in the file that it names. */
export function resolveSecret(
  { files, userId }: Parts<'files' | 'userId'>,
  secret: Secret | undefined,
  longest = 4096,
): Secret | undefined {
  const text = secret?.expose() ?? ''
  if (!text.startsWith('file:')) return secret
  const path = text.slice(5)
  const facts = files.stat(path)
  if (!facts) throw new Fault(`${path} does not exist`, { hint: 'portal.conf names it as file:PATH' })
  if ((facts.mode & 0o007) !== 0 || ![0, userId].includes(facts.uid))
    throw new Fault(`${path} is open to others, or belongs to somebody else`, {
      hint: `chown root:ob-portal ${path} && chmod 640 ${path}`,
    })
  return new Secret((decodeUtf8(files.read(path, longest) ?? new Uint8Array()) ?? '').trim())
}

/** One key for every instance: made by the first, kept in the database. */
async function sharedKey({ random }: Parts<'random'>, database: Database): Promise<Uint8Array<ArrayBuffer>> {
  await database.query(`INSERT INTO settings (name, content) VALUES ('browser-key', $1) ON CONFLICT DO NOTHING`, [
    base64url(random(32)),
  ])
  const [row] = await database.query(`SELECT content FROM settings WHERE name = 'browser-key'`)
  return Uint8Array.fromBase64(textOf(row!, 'content'), { alphabet: 'base64url' })
}
