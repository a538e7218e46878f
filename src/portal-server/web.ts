// Which address does what, and what every answer carries. Host and X-Forwarded-Host are never read: addresses are made
// from base_url alone.
import { Hono } from 'hono'
import { Fault } from '../base/fault.ts'
import { type Browser, bodyText, formFields, openBrowser, pageContext } from './browser.ts'
import type { Caller, ServiceContext } from './context.ts'
import { check, type HostAnswer, type HostCall, start } from './host-api.ts'
import { verifyLogoutToken } from './logout-token.ts'
import { checkModule, type ModuleAnswer, startModule } from './module-api.ts'
import { errorPage, layout, type Page } from './pages.ts'
import { endAtProvider } from './sessions.ts'
import { style } from './style.ts'
import { beginLogin, finishLogin, type WebAnswer } from './web-login.ts'
import { answerRequest, changeMe, showMe, showRequest } from './web-person.ts'

type Bindings = { readonly Bindings: Caller }

const longestBody = 8192

/** No script, nothing from elsewhere, in nobody's frame, and no address of ours in other people's logs. */
export const pageHeaders: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
  // Not no-referrer: with that a browser does not say from which page a form comes (Fetch, "serialize a request
  // origin").
  'referrer-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), microphone=(), geolocation=()',
  'cache-control': 'no-store',
  // Browsers take it over TLS alone (RFC 6797 §8.1).
  'strict-transport-security': 'max-age=31536000',
}

export type Web = (request: Request, caller: Caller) => Promise<Response>

export function openWeb(context: ServiceContext, warn: (text: string) => void): Web {
  const app = new Hono<Bindings>()
  const browse =
    (work: (browser: Browser) => Promise<WebAnswer>) => async (c: { req: { raw: Request }; env: Caller }) => {
      if (!mayAsk(context, c.env)) return tooMany(context, c.req.raw, c.env)
      const browser = await openBrowser(context, c.req.raw, c.env)
      return respond(browser, await work(browser))
    }
  const serve =
    (answer: (context: ServiceContext, call: HostCall, caller: Caller) => Promise<HostAnswer | ModuleAnswer>) =>
    async (c: { req: { raw: Request }; env: Caller }) => {
      const { status, body } = await answer(context, await hostCall(c.req.raw), c.env)
      const retry = status === 429 ? { 'retry-after': '5' } : {}
      return json(status, body, { ...retry, ...(status === 401 ? { 'www-authenticate': 'Bearer' } : {}) })
    }

  app.get('/', (c) => c.redirect('/me', 303))
  app.get(
    '/me',
    browse((browser) => showMe(context, browser)),
  )
  for (const path of ['/me/approvals', '/me/sessions', '/me/everything', '/sign-out'])
    app.post(
      path,
      browse((browser) => changeMe(context, browser, path)),
    )
  for (const path of ['/w/:handle', '/W/:handle'] as const) {
    app.get(path, (c) => browse((browser) => showRequest(context, browser, c.req.param('handle')))(c))
    app.post(path, (c) => browse((browser) => answerRequest(context, browser, c.req.param('handle')))(c))
  }
  app.get('/login/:name', (c) => browse((browser) => beginLogin(context, browser, c.req.param('name')))(c))
  app.get('/callback/:name', (c) => browse((browser) => finishLogin(context, browser, c.req.param('name')))(c))
  app.post('/backchannel-logout/:name', (c) =>
    logout(context, c.req.param('name'), { request: c.req.raw, caller: c.env }),
  )
  app.post('/weblogin/start', serve(start))
  app.post('/weblogin/check', serve(check))
  app.post('/pam-weblogin/start', serve(startModule))
  app.post('/pam-weblogin/check-pin', serve(checkModule))
  app.get('/style.css', () => new Response(style, { headers: styleHeaders }))
  app.get('/healthz', () => new Response('ok\n', { headers: { 'content-type': 'text/plain' } }))
  app.notFound((c) => plainPage(context, { request: c.req.raw, caller: c.env }, 404, (page) => page.texts.notFound))
  app.onError((error, c) => {
    context.metrics.count('ob_portal_faults_total')
    warn(error instanceof Fault ? error.message : `internal error (${error.name}) at ${c.req.path.slice(0, 20)}`)
    if (isApi(c.req.path)) return json(503, { error: 'unavailable' }, { 'retry-after': '10' })
    return plainPage(context, { request: c.req.raw, caller: c.env }, 503, (page) => page.texts.unavailable)
  })
  return async (request, caller) => {
    const response = await app.fetch(request, caller)
    context.metrics.count('ob_portal_requests_total', `${Math.floor(response.status / 100)}xx`)
    return response
  }
}

const styleHeaders = {
  ...pageHeaders,
  'content-type': 'text/css; charset=utf-8',
  'cache-control': 'public, max-age=3600',
}

const isApi = (path: string): boolean => /^\/(pam-)?weblogin\//.test(path)

function json(status: number, body: object, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers },
  })
}

async function hostCall(request: Request): Promise<HostCall> {
  const authorization = request.headers.get('authorization') ?? undefined
  const isJson = /^application\/json\b/i.test(request.headers.get('content-type') ?? '')
  const text = isJson ? await bodyText(request, longestBody) : undefined
  return { authorization, body: text === undefined ? undefined : parsed(text) }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

async function respond({ page }: Browser, answer: WebAnswer): Promise<Response> {
  const headers = new Headers(pageHeaders)
  for (const cookie of answer.cookies ?? []) headers.append('set-cookie', cookie)
  if (answer.kind === 'redirect') {
    headers.set('location', answer.to)
    return new Response(null, { status: 303, headers })
  }
  headers.set('content-type', 'text/html; charset=utf-8')
  return new Response(String(await layout(page, answer.page)), { status: answer.status, headers })
}

type Asked = { readonly request: Request; readonly caller: Caller }

/** A page for whom nothing is looked up, because that is what may have failed. */
async function plainPage(
  context: ServiceContext,
  { request, caller }: Asked,
  status: number,
  text: (page: ReturnType<typeof pageContext>) => string,
): Promise<Response> {
  const page = pageContext(context, request, { caller, session: undefined })
  const error: Page = errorPage(page, text(page))
  const headers = { ...pageHeaders, 'content-type': 'text/html; charset=utf-8' }
  return new Response(String(await layout(page, error)), { status, headers })
}

/** Where nobody's address is known, one who asks too much would stop everybody. */
const mayAsk = ({ limits }: ServiceContext, { address }: Caller): boolean =>
  address === '' || limits.signIns.take(address)

const tooMany = (context: ServiceContext, request: Request, caller: Caller): Promise<Response> =>
  plainPage(context, { request, caller }, 429, (page) => page.texts.tooMany)

/** POST /backchannel-logout/NAME, from the provider itself. */
async function logout(context: ServiceContext, name: string, { request, caller }: Asked): Promise<Response> {
  // Each asks the provider for its keys.
  if (!mayAsk(context, caller)) return json(429, { error: 'slow_down' }, { 'retry-after': '5' })
  const provider = context.providers.get(name)
  const token = (await formFields(request))?.get('logout_token') ?? ''
  if (!provider || !/^[\w-]+\.[\w-]+\.[\w-]*$/.test(token)) return json(400, { error: 'invalid_request' })
  const keys = await provider.keys()
  if (!keys) return json(503, { error: 'unavailable' })
  const rules = { ...keys, clientId: provider.config.client_id, now: context.now() }
  const ended = await verifyLogoutToken(context.database, token, rules)
  if (!ended) return json(400, { error: 'invalid_request', error_description: 'this is no valid logout token' })
  const count = await endAtProvider(context, ended)
  const { issuer, subject = '', sid = '' } = ended
  context.audit('LOGOUT_FROM_PROVIDER', { provider: name, issuer, subject, detail: `${count} ended ${sid}` })
  return new Response(null, { status: 200, headers: { 'cache-control': 'no-store' } })
}
