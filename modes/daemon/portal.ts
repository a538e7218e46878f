// `ob portal`: the service that people log in at with their browser, and what its administrator needs. It is a process
// and a configuration of its own; no login runs it.

import { decodeUtf8 } from '../../src/base/bytes.ts'
import type { Database } from '../../src/base/database.ts'
import { Fault } from '../../src/base/fault.ts'
import { allowed } from '../../src/base/outcome.ts'
import { Secret } from '../../src/base/secret.ts'
import { dirname } from '../../src/base/text.ts'
import type { World } from '../../src/base/world.ts'
import { openService, resolveSecret, type Service } from '../../src/portal-server/service.ts'
import { type PortalConfig, parseStorage } from '../../src/portal-server/settings.ts'
import { parsePortalConfig } from '../../src/portal-server/settings-format.ts'
import { parse } from '../run/args.ts'
import { type Ending, ended, type Mode, usage } from '../run/mode.ts'
import { openPostgres } from '../world/database/postgres.ts'
import { openSqlite } from '../world/database/sqlite.ts'
import { sendDatagram } from '../world/io/datagram.ts'
import { type HttpServer, listenHttp } from '../world/io/http-server.ts'

export const configPath = '/etc/open-bastion/portal.conf'

export const syntax = {
  name: 'portal',
  summary:
    'The web service for hosts without LemonLDAP::NG: serve runs it, check reads portal.conf, explain says what a token would become, host add|list|revoke, person list|release and approval revoke manage what it knows.',
  args: {
    verb: { type: 'positional', description: 'serve, check, explain, host, person or approval', required: true },
    config: { type: 'string', description: `another file than ${configPath}`, default: configPath },
    token: { type: 'string', description: 'explain: file with an ID token, or with claims as JSON' },
    userinfo: { type: 'string', description: 'explain: file with the answer of the userinfo endpoint' },
    provider: { type: 'string', description: 'explain: section of portal.conf whose rules count' },
    group: { type: 'string', description: 'host add: group that approvals of this host count in' },
    json: { type: 'boolean', description: 'print JSON', default: false },
  },
  rest: true,
} as const

export const mode: Mode = {
  run: async (args, world) => {
    const result = await parse(syntax, args)
    if ('ending' in result) return result.ending
    const { verb, config: path } = result.parsed
    const words = result.parsed._.slice(1)
    const config = readConfig(world, path)
    switch (verb) {
      case 'serve':
        return words.length > 0 ? usage('serve takes no more words') : serve(world, config)
      case 'check':
        return ended(
          allowed('done'),
          `${path} is right; providers: ${config.providers.map(({ name }) => name).join(', ')}\n`,
        )
      case 'explain':
        return (await import('./portal-commands.ts')).explain(world, config, result.parsed)
      case 'host':
      case 'person':
      case 'approval': {
        const { runCommand } = await import('./portal-commands.ts')
        const database = openDatabase(world, config)
        try {
          return await runCommand({ world, database, verb, words }, result.parsed)
        } finally {
          await database.close()
        }
      }
      default:
        return usage(`"${verb.slice(0, 40)}" is not serve, check, explain, host, person or approval`)
    }
  },
}

/** It holds secrets, so it is nobody's but root's and the group's of this service. */
function readConfig(world: World, path: string): PortalConfig {
  const bytes = world.files.readTrusted(path, { limit: 1 << 20, secret: false })
  if (bytes === undefined)
    throw new Fault(`${path} does not exist`, {
      hint: 'copy /usr/share/ob/portal.conf.sample there: owner root:ob-portal, mode 0640',
    })
  if (((world.files.stat(path)?.mode ?? 0) & 0o007) !== 0)
    throw new Fault(`${path} can be read by others`, { hint: `chown root:ob-portal ${path} && chmod 640 ${path}` })
  const read = parsePortalConfig(decodeUtf8(bytes) ?? '\0')
  if (read.kind === 'accepted') return read.config
  throw new Fault(
    read.problems.map(({ line, text }) => (line > 0 ? `${path} line ${line}: ${text}` : `${path}: ${text}`)).join('\n'),
  )
}

/**
 * SQLite leaves files beside the database, so whoever opens it must be its owner: root becomes the user of the service.
 */
function openDatabase(world: World, config: PortalConfig): Database {
  const storage = parseStorage(resolveSecret(world, config.database)?.expose() ?? '')
  if (!storage) throw new Fault('the file that the key database names holds no address of a database')
  if (storage.kind === 'postgres') return openPostgres(storage.address)
  const directory = dirname(storage.path)
  const facts = world.files.stat(directory)
  if (!facts)
    throw new Fault(`${directory} does not exist`, {
      hint: `install -d -o ob-portal -g ob-portal -m 0700 ${directory}`,
    })
  if (world.userId === 0) become(facts.uid, facts.gid)
  return openSqlite(storage.path)
}

function become(uid: number, gid: number): void {
  if (uid === 0) return
  process.setgroups?.([gid])
  process.setgid?.(gid)
  process.setuid?.(uid)
}

async function serve(world: World, config: PortalConfig): Promise<Ending> {
  const tls = readTls(world, config)
  const database = openDatabase(world, config)
  if (process.getuid?.() === 0)
    throw new Fault('ob portal does not run as root', {
      hint: 'start it as ob-portal, as ob-portal.service does; or give the directory of the database to that user',
    })
  Bun.unsafe.setJITPolicy?.(1)
  const warn = (text: string): void => world.stderr(`${text}\n`)
  const service = await openService(world, { config, database }, warn)
  const server = listenHttp({
    at: config.listen,
    ...(tls ? { tls } : {}),
    proxies: config.proxies,
    answer: (request, address) => service.web(request, { address }),
  })
  const figures = config.metrics_listen && listenForFigures(config.metrics_listen, service)
  const stopped = termination()
  world.stderr(`ob portal listens at ${server.address} for ${config.base_url}\n`)
  notify(world, 'READY=1')
  const timers = [
    setInterval(() => void expire(service, warn), 60_000),
    setInterval(() => notify(world, 'WATCHDOG=1'), 5_000),
  ]
  await stopped
  notify(world, 'STOPPING=1')
  for (const timer of timers) clearInterval(timer)
  await Promise.all([server.stop(), figures?.stop()])
  await database.close()
  return ended(allowed('done'))
}

function readTls(world: World, { tls_certificate, tls_key }: PortalConfig) {
  if (tls_certificate === undefined || tls_key === undefined) return undefined
  const key = resolveSecret(world, new Secret(`file:${tls_key}`), 65_536)
  const cert = world.files.read(tls_certificate, 65_536)
  if (!cert) throw new Fault(`${tls_certificate} does not exist`)
  return { cert: decodeUtf8(cert) ?? '', key: key?.expose() ?? '' }
}

const listenForFigures = (at: NonNullable<PortalConfig['metrics_listen']>, service: Service): HttpServer =>
  listenHttp({
    at,
    proxies: 0,
    answer: async (request) => {
      const { status, text } = await service.figures(new URL(request.url).pathname)
      return new Response(text, { status, headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' } })
    },
  })

async function expire(service: Service, warn: (text: string) => void): Promise<void> {
  try {
    await service.expire()
  } catch (error) {
    // The database is away: what has ended is not found anyway, and goes at the next round.
    warn(error instanceof Fault ? error.message : 'internal error while forgetting what has ended')
  }
}

const termination = (): Promise<void> =>
  new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(signal, () => resolve())
  })

/** sd_notify(3). Without systemd there is no receiver. */
function notify(world: World, text: string): void {
  const path = world.env['NOTIFY_SOCKET']
  if (path?.startsWith('/')) sendDatagram(path, new TextEncoder().encode(text))
}
