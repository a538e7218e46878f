// A whole site on loopback: an OpenID provider, the service under test as the built program under a user of its own,
// and the voice of a host that has a credential.
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const repository = join(import.meta.dir, '..', '..')
export const program = process.env['OB_PROGRAM'] ?? join(repository, 'dist', 'ob')
/** nobody: the service refuses to be root. */
const serviceUser = 65534

export type People = Readonly<Record<string, Readonly<Record<string, unknown>>>>

export type SiteOptions = {
  readonly people: People
  /** Lines of portal.conf above the sections. */
  readonly service?: string
  /** Lines of the section of the provider. */
  readonly provider?: string
  /** Instead of SQLite. */
  readonly database?: string
}

export type Start = {
  readonly user?: string
  readonly account?: string
  readonly service?: string
  readonly host?: string
  readonly host_group?: string
  readonly rhost?: string
  readonly key_fingerprint?: string
  readonly key_type?: string
  readonly approval_seconds?: number
}

export type Answer = { readonly status: number; readonly body: Readonly<Record<string, unknown>> }

export type Site = Awaited<ReturnType<typeof startSite>>

export function freePort(): number {
  const server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response() })
  const { port } = server
  server.stop(true)
  return port!
}

const environment = { PATH: '/usr/bin:/bin:/usr/sbin:/sbin', HOME: '/root' }

export async function startSite(options: SiteOptions) {
  if (process.getuid?.() !== 0)
    throw new Error('these tests start the service under a user of its own: run them as root')
  // Not in /tmp: a configuration is believed only where nobody else can write.
  const directory = mkdtempSync('/run/ob-portal-test-')
  chmodSync(directory, 0o755)
  const data = join(directory, 'data')
  mkdirSync(data, { mode: 0o700 })
  chownSync(data, serviceUser, serviceUser)
  const ports = { provider: freePort(), service: freePort(), figures: freePort() }
  const base = `https://localhost:${ports.service}`
  await makeCertificate(directory)
  const config = join(directory, 'portal.conf')
  const write = (service = options.service ?? '', provider = options.provider ?? ''): void => {
    const database = options.database ?? `sqlite:${data}/portal.db`
    writeFileSync(config, configuration({ base, directory, database, ports }, service, provider), { mode: 0o640 })
    chmodSync(config, 0o640)
    chownSync(config, 0, serviceUser)
  }
  write()

  const ob = async (...words: readonly string[]) => {
    const child = Bun.spawn([program, 'portal', ...words, '--config', config], {
      env: environment,
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
    })
    const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
    return { code, stdout, stderr }
  }
  const addHost = async (name: string, group?: string): Promise<string> => {
    const { code, stdout, stderr } = await ob('host', 'add', name, ...(group ? ['--group', group] : []))
    if (code !== 0) throw new Error(stderr)
    return stdout.trim()
  }
  const client = { client_id: 'ob-portal', client_secret: 'provider-secret', redirect_uris: [`${base}/callback/idp`] }
  const clients = [{ ...client, backchannel_logout_uri: `${base}/backchannel-logout/idp` }]
  let provider = await startProvider({ port: ports.provider, clients, people: options.people })
  const clean = (): void => rmSync(directory, { recursive: true, force: true })
  let service = await startService(config).catch(async (error: unknown) => {
    await provider.end('SIGKILL')
    clean()
    throw error
  })
  const credential = await addHost('web1.example.org', 'web')

  const post = async (
    path: string,
    body: unknown,
    authorization = `Bearer ${credential}`,
    at = base,
  ): Promise<Answer> => {
    const response = await fetch(`${at}${path}`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json' },
      body: typeof body === 'string' ? body : JSON.stringify(body),
      tls: { rejectUnauthorized: false },
    } as BunFetchRequestInit)
    return { status: response.status, body: (await response.json()) as Answer['body'] }
  }
  const place = (): { readonly config: string; readonly base: string } => {
    const port = freePort()
    const path = join(directory, `port-${port}.conf`)
    const text = readFileSync(config, 'utf8').replace(`127.0.0.1:${ports.service}`, `127.0.0.1:${port}`)
    writeFileSync(path, text.replace(/^metrics_listen.*$/m, ''), { mode: 0o640 })
    chownSync(path, 0, serviceUser)
    return { config: path, base: `https://localhost:${port}` }
  }
  return {
    ...{ base, directory, config, ports, credential, ob, addHost, post, write },
    get service() {
      return service
    },
    get provider() {
      return provider
    },
    start: (request: Start = {}, authorization?: string): Promise<Answer> => {
      const usual = { user: 'alice', service: 'sshd', host: 'web1.example.org', rhost: '127.0.0.1' }
      return post('/weblogin/start', { ...usual, ...request }, authorization)
    },
    check: (session: unknown, code: string, authorization?: string): Promise<Answer> =>
      post('/weblogin/check', { session, code }, authorization),
    figures: async (path = '/metrics') => (await fetch(`http://127.0.0.1:${ports.figures}${path}`)).text(),
    /** A configuration of the same site on another port, for a test that starts the service itself. */
    alone: place,
    /** Another instance that answers for the same address and has the same database. */
    second: async (): Promise<{ readonly base: string; readonly process: Process }> => {
      const other = place()
      return { base: other.base, process: await startService(other.config) }
    },
    restartService: async (signal: NodeJS.Signals = 'SIGTERM') => {
      await service.end(signal)
      service = await startService(config)
    },
    /** With new keys, and other claims when they are given. */
    restartProvider: async (people: People = options.people, kid = 'second') => {
      await provider.end('SIGKILL')
      provider = await startProvider({ port: ports.provider, clients, people, kid })
    },
    stop: async () => {
      await Promise.all([service.end('SIGTERM'), provider.end('SIGKILL')])
      clean()
    },
  }
}

type Places = {
  readonly base: string
  readonly directory: string
  readonly database: string
  readonly ports: { readonly provider: number; readonly service: number; readonly figures: number }
}

const configuration = ({ base, directory, database, ports }: Places, service: string, provider: string): string => `
base_url = ${base}
listen = 127.0.0.1:${ports.service}
tls_certificate = ${directory}/cert.pem
tls_key = ${directory}/key.pem
metrics_listen = 127.0.0.1:${ports.figures}
database = ${database}
${service}
[provider idp]
issuer = http://127.0.0.1:${ports.provider}
label = Example Login
client_id = ob-portal
client_secret = provider-secret
${provider}
`

async function makeCertificate(directory: string): Promise<void> {
  const how = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
  const where = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
  const files = ['-keyout', `${directory}/key.pem`, '-out', `${directory}/cert.pem`]
  const child = Bun.spawn(['openssl', ...how, ...where, ...files], { stdout: 'ignore', stderr: 'pipe' })
  if ((await child.exited) !== 0) throw new Error(await child.stderr.text())
  chownSync(`${directory}/key.pem`, 0, serviceUser)
  chmodSync(`${directory}/key.pem`, 0o640)
}

export type Process = {
  readonly output: () => string
  readonly pid: number
  readonly end: (signal: NodeJS.Signals) => Promise<number>
  /** Until this stands in the output. */
  readonly said: (text: string | RegExp) => Promise<string>
}

/** Starts a program and waits for the line that says that it is ready. */
export async function startProcess(argv: readonly string[], ready: string): Promise<Process> {
  let output = ''
  const child = Bun.spawn([...argv], {
    env: environment,
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    cwd: repository,
  })
  const waiting = new Set<() => void>()
  const collect = async (stream: ReadableStream<Uint8Array>) => {
    const decoder = new TextDecoder()
    for await (const chunk of stream) {
      output += decoder.decode(chunk, { stream: true })
      for (const wake of waiting) wake()
    }
  }
  void collect(child.stdout)
  void collect(child.stderr)
  const said = async (text: string | RegExp): Promise<string> => {
    const found = () => (typeof text === 'string' ? output.includes(text) : text.test(output))
    const limit = Date.now() + 15_000
    while (!found()) {
      if (child.exitCode !== null || Date.now() > limit)
        throw new Error(`${argv.join(' ')} never said ${text}:\n${output}`)
      await new Promise<void>((resolve) => {
        const wake = () => {
          waiting.delete(wake)
          resolve()
        }
        waiting.add(wake)
        setTimeout(wake, 100)
      })
    }
    return output
  }
  await said(ready)
  const end = async (signal: NodeJS.Signals): Promise<number> => {
    child.kill('SIGCONT')
    child.kill(signal)
    return child.exited
  }
  return { output: () => output, pid: child.pid, end, said }
}

// As systemd starts it. With SQLite it would become that user by itself.
const startService = (config: string): Promise<Process> => {
  const user = ['setpriv', `--reuid=${serviceUser}`, `--regid=${serviceUser}`, '--clear-groups']
  return startProcess([...user, program, 'portal', 'serve', '--config', config], 'ob portal listens at')
}

const startProvider = (options: object): Promise<Process> =>
  startProcess([process.execPath, join(import.meta.dir, 'provider.mjs'), JSON.stringify(options)], 'ready')
