// The service in this process, with a fake world around it: a clock that a test moves, a provider that may lie, SQLite
// in memory, browsers that keep cookies, and a host.
import { openSqlite } from '../../modes/world/database/sqlite.ts'
import type { Database } from '../../src/base/database.ts'
import { addHost } from '../../src/portal-server/hosts.ts'
import { openService } from '../../src/portal-server/service.ts'
import { parsePortalConfig } from '../../src/portal-server/settings-format.ts'
import { type FakeWorld, fakeWorld } from '../fakes/world.ts'
import { clientId, type HostileProvider, hostileProvider, issuer } from './hostile-provider.ts'

export const base = 'https://login.example'

export type Answer = { readonly status: number; readonly headers: Headers; readonly text: string }
export type Api = { readonly status: number; readonly body: Record<string, unknown> }

export type SiteOptions = {
  readonly service?: string
  readonly provider?: string
  readonly more?: string
  readonly database?: Database
}

export type Site = Awaited<ReturnType<typeof openSite>>

export async function openSite(options: SiteOptions = {}) {
  const world: FakeWorld = fakeWorld({
    files: { '/etc/ssl/certs/ca-certificates.crt': 'authorities' },
    fetch: (request) => provider.fetch(request),
  })
  const random = (length: number) => crypto.getRandomValues(new Uint8Array(length))
  // oauth4webapi looks at the machine's own clock.
  world.clock.now = Date.now() / 1000
  const provider: HostileProvider = await hostileProvider(world.now)
  const text = `base_url = ${base}\n${options.service ?? ''}\n[provider idp]\nissuer = ${issuer}\nclient_id = ${clientId}
client_secret = s3cret\n${options.provider ?? ''}\n${options.more ?? ''}\n`
  const read = parsePortalConfig(text)
  if (read.kind === 'refused') throw new Error(JSON.stringify(read.problems))
  const database = options.database ?? openSqlite(':memory:')
  const warnings: string[] = []
  const service = await openService({ ...world, random }, { config: read.config, database }, (line) =>
    warnings.push(line),
  )
  const host = { name: 'web1.example.org', group: 'web' }
  const credential = await addHost({ database, now: world.now, random }, host)

  const send = async (request: Request, address = '192.0.2.7'): Promise<Answer> => {
    const response = await service.web(request, { address })
    return { status: response.status, headers: response.headers, text: await response.text() }
  }
  const post = async (path: string, body: unknown, authorization = `Bearer ${credential}`): Promise<Api> => {
    const { status, text } = await send(
      new Request(`${base}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    )
    return { status, body: JSON.parse(text) as Record<string, unknown> }
  }
  const usual = { user: 'alice', service: 'sshd', host: 'web1.example.org', rhost: '192.0.2.7' }
  return {
    ...{ world, provider, service, database, credential, warnings, post, send },
    browser: (address = '192.0.2.7') => openBrowser(send, provider, address),
    start: (over: object = {}, authorization?: string) => post('/weblogin/start', { ...usual, ...over }, authorization),
    check: (session: unknown, code: string) => post('/weblogin/check', { session, code }),
    audit: (): readonly Record<string, unknown>[] =>
      world.printed.out
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Record<string, unknown>),
  }
}

type Send = (request: Request, address?: string) => Promise<Answer>

export type TestBrowser = ReturnType<typeof openBrowser>

function openBrowser(send: Send, provider: HostileProvider, address: string) {
  const cookies = new Map<string, string>()
  const go = async (url: string, init: RequestInit = {}): Promise<Answer> => {
    const headers = new Headers(init.headers)
    headers.set('cookie', [...cookies].map(([name, value]) => `${name}=${value}`).join('; '))
    const answer = await send(new Request(new URL(url, base).href, { ...init, headers }), address)
    for (const line of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)!
      if (value === '') cookies.delete(name!)
      else cookies.set(name!, value!)
    }
    return answer
  }
  const get = (url: string, headers: Record<string, string> = {}): Promise<Answer> => go(url, { headers })
  const form = (url: string, fields: Record<string, string>, headers: Record<string, string> = {}): Promise<Answer> =>
    go(url, {
      method: 'POST',
      headers: { origin: base, 'sec-fetch-site': 'same-origin', ...headers },
      body: new URLSearchParams(fields),
    })
  /** To the provider and back, as far as the callback. */
  const toCallback = async (path: string): Promise<URL> => {
    const { headers } = await get(path)
    return provider.authorize(new URL(headers.get('location') ?? ''))
  }
  const signIn = async (path = '/login/idp'): Promise<Answer> => get((await toCallback(path)).href)
  /** The token of the form on this page. */
  const tokenOn = async (path: string, action = path): Promise<string> => {
    const { text } = await get(path)
    const form = new RegExp(`action="${action}"[^>]*>\\s*<input type="hidden" name="form" value="([^"]+)"`).exec(text)
    return form?.[1] ?? ''
  }
  const press = async (path: string, decision: string, more: Record<string, string> = {}): Promise<Answer> =>
    form(path, { form: await tokenOn(path), decision, ...more })
  /** The code on the page. */
  const codeOn = async (path: string): Promise<string | undefined> =>
    /id="code">([^<]+)</.exec((await get(path)).text)?.[1]
  return { cookies, get, form, toCallback, signIn, tokenOn, press, codeOn }
}

export const titleOf = ({ text }: Answer): string => /<h1>([^<]*)<\/h1>/.exec(text)?.[1] ?? ''

export const pathOf = (url: unknown): string => new URL(String(url)).pathname
