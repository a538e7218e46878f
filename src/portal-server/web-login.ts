// Signing in at a provider and out again. What is needed on the way back is sealed in a cookie, so a thousand who only
// begin cost nothing here, and nobody can end in our browser what they began in theirs.

import { parseJsonObject, textMember, wholeMember } from '../base/json.ts'
import { type Browser, browserName, cookieOf, setCookie } from './browser.ts'
import { type ClaimProblem, mapClaims } from './claims-policy.ts'
import type { ServiceContext } from './context.ts'
import { parseHandle } from './identifiers-format.ts'
import type { LoginState, Provider, SignIn } from './oidc.ts'
import { errorPage, type Page } from './pages.ts'
import { settlePerson } from './people.ts'
import { startSession } from './sessions.ts'
import type { Texts } from './texts.ts'

export type WebAnswer =
  | { readonly kind: 'page'; readonly status: number; readonly page: Page; readonly cookies?: readonly string[] }
  | { readonly kind: 'redirect'; readonly to: string; readonly cookies?: readonly string[] }

const loginSeconds = 600

/** GET /login/NAME?w=HANDLE: to the provider. */
export async function beginLogin(context: ServiceContext, browser: Browser, name: string): Promise<WebAnswer> {
  const { texts } = browser.page
  const provider = context.providers.get(name)
  if (!provider) return { kind: 'page', status: 404, page: errorPage(browser.page, texts.notFound) }
  const handle = parseHandle(new URL(browser.request.url).searchParams.get('w') ?? '') ?? ''
  const started = await provider.start(handle)
  if ('failed' in started) return failed(context, browser, { provider, handle, detail: started.failed })
  const sealed = await context.browserKey.seal(JSON.stringify(started.login), 'login')
  return {
    kind: 'redirect',
    to: started.url,
    cookies: [setCookie(context.config.base_url, 'login', sealed, loginSeconds)],
  }
}

/** GET /callback/NAME: back from the provider. */
export async function finishLogin(context: ServiceContext, browser: Browser, name: string): Promise<WebAnswer> {
  const { texts } = browser.page
  const provider = context.providers.get(name)
  const login = await loginState(context, browser)
  const gone = [setCookie(context.config.base_url, 'login', '', 0)]
  if (!provider || login?.provider !== name)
    return { kind: 'page', status: 400, page: errorPage(browser.page, texts.startAgain) }
  const { handle } = login
  const signIn = await provider.finish(new URL(browser.request.url).searchParams, login)
  if (signIn.kind === 'failed') return failed(context, browser, { provider, handle, detail: signIn.detail })
  if (signIn.kind === 'refused') {
    context.metrics.count('ob_portal_sign_ins_total', 'refused')
    context.audit('SIGN_IN_FAILED', { provider: name, reason: 'provider-refused', detail: signIn.detail })
    const page = errorPage(browser.page, texts.providerRefused(labelOf(provider)), pathFor(handle))
    return { kind: 'page', status: 403, page, cookies: gone }
  }
  return admit(context, browser, { provider, handle, signIn })
}

type Arrival = {
  readonly provider: Provider
  readonly handle: string
  readonly signIn: SignIn & { readonly kind: 'claims' }
}

async function admit(context: ServiceContext, browser: Browser, arrival: Arrival): Promise<WebAnswer> {
  const { provider, handle, signIn } = arrival
  const { issuer, subject, claims } = signIn
  const { config, metrics, audit, now } = context
  const mapped = mapClaims(claims, provider.config)
  const name =
    mapped.kind === 'person'
      ? await settlePerson(context.database, { issuer, subject, name: mapped.name }, now())
      : undefined
  const gone = setCookie(config.base_url, 'login', '', 0)
  if (mapped.kind === 'refused' || name === undefined) {
    const reason = mapped.kind === 'refused' ? mapped.problem : 'name-taken'
    metrics.count('ob_portal_sign_ins_total', reason)
    audit('SIGN_IN_FAILED', {
      provider: provider.config.name,
      issuer,
      subject,
      reason,
      address: browser.caller.address,
    })
    const text = refusalText(browser.page.texts, reason, labelOf(provider))
    return { kind: 'page', status: 403, page: errorPage(browser.page, text, pathFor(handle)), cookies: [gone] }
  }
  const at = Math.floor(now())
  const { idToken } = claims
  // Another session than the one before, so that nobody goes on in a session that somebody else prepared.
  const secret = await startSession(context, {
    ...{ provider: provider.config.name, issuer, subject, name, groups: mapped.groups },
    acr: textMember(idToken, 'acr') ?? '',
    authTime: wholeMember(idToken, 'auth_time') ?? 0,
    sid: textMember(idToken, 'sid') ?? '',
    browser: browserName(browser.request.headers.get('user-agent') ?? ''),
    ...{ address: browser.caller.address, createdAt: at, expiresAt: at + config.session_lifetime },
  })
  metrics.count('ob_portal_sign_ins_total', 'done')
  audit('SIGN_IN', { user: name, provider: provider.config.name, issuer, subject, address: browser.caller.address })
  const session = setCookie(config.base_url, 'session', secret, config.session_lifetime)
  return { kind: 'redirect', to: pathFor(handle), cookies: [session, gone] }
}

const pathFor = (handle: string): string => (handle === '' ? '/me' : `/w/${handle}`)

const labelOf = ({ config }: Provider): string => config.label ?? config.name

function refusalText(texts: Texts, reason: ClaimProblem | 'name-taken', label: string): string {
  switch (reason) {
    case 'name-taken':
      return texts.nameTaken
    case 'acr-missing':
      return texts.weak(label)
    case 'name-missing':
    case 'name-unfit':
    case 'claim-required':
      return texts.nameMissing(label)
  }
}

function failed(
  { metrics, audit }: ServiceContext,
  { page, caller }: Browser,
  { provider, handle, detail }: { readonly provider: Provider; readonly handle: string; readonly detail: string },
): WebAnswer {
  metrics.count('ob_portal_sign_ins_total', 'failed')
  const { name } = provider.config
  audit('SIGN_IN_FAILED', { provider: name, reason: 'provider-failed', detail, address: caller.address })
  const text = page.texts.providerAway(labelOf(provider))
  return { kind: 'page', status: 502, page: errorPage(page, text, pathFor(handle)) }
}

async function loginState(context: ServiceContext, { request }: Browser): Promise<LoginState | undefined> {
  const sealed = cookieOf(request, context.config.base_url, 'login')
  const object = parseJsonObject((await context.browserKey.open(sealed, 'login')) ?? '')
  const startedAt = object && wholeMember(object, 'startedAt')
  if (!object || startedAt === undefined || context.now() - startedAt > loginSeconds) return undefined
  const text = (name: string): string => textMember(object, name) ?? ''
  return {
    provider: text('provider'),
    state: text('state'),
    nonce: text('nonce'),
    verifier: text('verifier'),
    handle: parseHandle(text('handle')) ?? '',
    startedAt,
  }
}
