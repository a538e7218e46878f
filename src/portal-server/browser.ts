// A browser's request: its cookies, its language, and whether a form really comes from one of our pages.
import type { Caller, ServiceContext } from './context.ts'
import type { PageContext } from './pages.ts'
import { type BrowserSession, findSession } from './sessions.ts'
import { textsFor } from './texts.ts'

export type Browser = {
  readonly request: Request
  readonly caller: Caller
  readonly session: BrowserSession | undefined
  readonly page: PageContext
}

/** `__Host-`: no other host of the domain and no plain HTTP can set it (RFC 6265bis). */
const cookieName = (baseUrl: string, name: string): string =>
  baseUrl.startsWith('https:') ? `__Host-ob-${name}` : `ob-${name}`

export type Cookie = 'session' | 'login'

export function setCookie(baseUrl: string, name: Cookie, value: string, seconds: number): string {
  const secure = baseUrl.startsWith('https:') ? '; Secure' : ''
  return `${cookieName(baseUrl, name)}=${value}; Path=/; HttpOnly; SameSite=Lax; Max-Age=${seconds}${secure}`
}

export function cookieOf(request: Request, baseUrl: string, name: Cookie): string {
  const wanted = `${cookieName(baseUrl, name)}=`
  const all = (request.headers.get('cookie') ?? '').split(';').map((item) => item.trim())
  return all.find((item) => item.startsWith(wanted))?.slice(wanted.length) ?? ''
}

export async function openBrowser(context: ServiceContext, request: Request, caller: Caller): Promise<Browser> {
  const session = await findSession(context, cookieOf(request, context.config.base_url, 'session'))
  return { request, caller, session, page: pageContext(context, request, { caller, session }) }
}

export const pageContext = (
  context: Pick<ServiceContext, 'now' | 'browserKey'>,
  request: Request,
  { caller, session }: { readonly caller: Caller; readonly session: BrowserSession | undefined },
): PageContext => ({
  texts: textsFor(request.headers.get('accept-language') ?? undefined),
  now: context.now(),
  address: caller.address,
  session,
  formToken: (purpose) => (session ? context.browserKey.sign(session.id, purpose) : ''),
})

/**
 * A form that this service made for this session and this purpose, sent by a page of this service. Two of three would
 * do: the token, the browser's word about the page (Origin, Sec-Fetch-Site), and SameSite cookies.
 */
export async function readForm(
  { config, browserKey, audit }: ServiceContext,
  { request, caller, session }: Browser,
  purpose: string,
): Promise<ReadonlyMap<string, string> | undefined> {
  const origin = request.headers.get('origin')
  const site = request.headers.get('sec-fetch-site')
  const fields = await formFields(request)
  const isOurs = origin === config.base_url && (site === null || site === 'same-origin')
  if (fields && session && isOurs && browserKey.matches(fields.get('form') ?? '', session.id, purpose)) return fields
  if (session) audit('REQUEST_FORGED', { user: session.name, address: caller.address, detail: purpose.split(' ')[0]! })
  return undefined
}

const longestForm = 16_384

export async function formFields(request: Request): Promise<ReadonlyMap<string, string> | undefined> {
  if (!/^application\/x-www-form-urlencoded\b/i.test(request.headers.get('content-type') ?? '')) return undefined
  const text = await bodyText(request, longestForm)
  return text === undefined ? undefined : new Map(new URLSearchParams(text))
}

/** The body, or undefined when it is longer than that; not a byte more is read. */
export async function bodyText(request: Request, longest: number): Promise<string | undefined> {
  let text = ''
  let length = 0
  const decoder = new TextDecoder()
  for await (const part of request.body ?? []) {
    length += part.length
    if (length > longest) return undefined
    text += decoder.decode(part, { stream: true })
  }
  return text + decoder.decode()
}

/** What a person recognises their browser by. */
export function browserName(userAgent: string): string {
  const browser = /(Firefox|Edg|OPR|Chrome|Safari)\//.exec(userAgent)?.[1] ?? 'Browser'
  const system = /\b(Android|iPhone|iPad|Windows|Mac OS X|Linux|CrOS)\b/.exec(userAgent)?.[1]
  const name = { Edg: 'Edge', OPR: 'Opera' }[browser] ?? browser
  return system === undefined ? name : `${name}, ${system.replace('Mac OS X', 'macOS')}`
}
