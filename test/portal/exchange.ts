// One request as the portal sees it, and the ways in which it answers.
import { nowSeconds, type State } from './state.ts'

export type Exchange = {
  readonly state: State
  readonly method: string
  /** Doubled and trailing slashes are gone: `//pam/verify/` works on a real portal. */
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: Headers
  /** Parameters of a form body; empty for any other type of body. */
  readonly form: URLSearchParams
  readonly text: string
  /** Origin that this request came in under. */
  readonly origin: string
  /** The cookie, when it belongs to a session. */
  readonly session: string | undefined
  /** Login name behind the cookie. */
  readonly login: string | undefined
}

const cookieOf = (headers: Headers): string | undefined =>
  /(?:^|;\s*)lemonldap=([0-9a-f]+)/.exec(headers.get('cookie') ?? '')?.[1]

type Head = { readonly method: string; readonly url: string; readonly headers: Headers }

export const readExchange = (state: State, request: Head, text: string): Exchange => {
  const url = new URL(request.url)
  const { url: main, aliases } = state.settings
  const cookie = cookieOf(request.headers)
  const session = cookie !== undefined && state.sessions.has(cookie) ? cookie : undefined
  const isForm = (request.headers.get('content-type') ?? '').startsWith('application/x-www-form-urlencoded')
  return {
    state,
    method: request.method,
    path: url.pathname.replace(/\/{2,}/g, '/').replace(/(.)\/$/, '$1'),
    query: url.searchParams,
    headers: request.headers,
    form: new URLSearchParams(isForm ? text : ''),
    text,
    origin: aliases.includes(url.origin) ? url.origin : main,
    session,
    login: session === undefined ? undefined : state.sessions.get(session)?.user,
  }
}

export const shuffle = <T>(items: readonly T[], random: () => number): readonly T[] =>
  items
    .map((item) => ({ item, at: random() }))
    .sort((one, other) => one.at - other.at)
    .map(({ item }) => item)

// Perl hashes come out in any order, and serials are integers that only a bigint can carry.
const encode = (value: unknown, random: () => number): string => {
  if (typeof value === 'bigint') return value.toString()
  if (Array.isArray(value)) return `[${value.map((item) => encode(item, random)).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value).filter(([, member]) => member !== undefined)
  return `{${shuffle(members, random)
    .map(([name, member]) => `${JSON.stringify(name)}:${encode(member, random)}`)
    .join(',')}}`
}

const noise = (exchange: Exchange): Record<string, string> => ({
  'access-control-allow-origin': '*',
  'access-control-allow-credentials': 'true',
  'access-control-allow-headers': '*',
  'access-control-allow-methods': 'POST,GET',
  'access-control-expose-headers': '*',
  'access-control-max-age': '86400',
  'cache-control': 'no-cache, no-store, must-revalidate',
  ...(exchange.login === undefined ? {} : { 'lm-remote-user': exchange.login }),
})

type Extra = Readonly<Record<string, string>>

export const raw = (exchange: Exchange, status: number, type: string, body: string | Uint8Array<ArrayBuffer>) =>
  new Response(body, { status, headers: { ...noise(exchange), 'content-type': type } })

export const json = (exchange: Exchange, status: number, value: unknown, extra: Extra = {}): Response =>
  new Response(encode(value, exchange.state.settings.random), {
    status,
    headers: { ...noise(exchange), 'content-type': 'application/json; charset=utf-8', ...extra },
  })

export const html = (exchange: Exchange, status: number, body: string, extra: Extra = {}): Response =>
  new Response(body, { status, headers: { ...noise(exchange), 'content-type': 'text/html', ...extra } })

export const redirect = (exchange: Exchange, location: string, extra: Extra = {}): Response =>
  new Response(null, { status: 302, headers: { ...noise(exchange), location, ...extra } })

/** What Plack says when the plugin dies. */
export const crash = (exchange: Exchange): Response => raw(exchange, 500, 'text/plain', 'Internal Server Error')

export const wantsJson = (exchange: Exchange): boolean =>
  (exchange.headers.get('accept') ?? '').includes('application/json')

type Member =
  | 'token'
  | 'fingerprint'
  | 'user'
  | 'service'
  | 'server_group'
  | 'refresh_token'
  | 'probe'
  | 'bastion_group'
  | 'target_host'
  | 'target_group'
  | 'public_key'
  | 'voucher'
  | 'label'
  | 'validity_days'
  | 'serial'
  | 'session_id'
  | 'reason'

/** What a request may carry; nothing is known of the types. */
export type JsonBody = Readonly<Partial<Record<Member, unknown>>>

/** The body as an object; a Response says what the portal answers to anything else. */
export const readJson = (exchange: Exchange): JsonBody | Response => {
  let value: unknown
  try {
    value = JSON.parse(exchange.text)
  } catch {
    return json(exchange, 400, { error: 'Invalid JSON' })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return crash(exchange)
  // An object of unknown members, by the line above.
  return value as JsonBody
}

/** As Perl sees a scalar: text, or nothing for what is false there. */
export const scalar = (value: unknown): string =>
  typeof value === 'string' ? value : typeof value === 'number' ? String(value) : ''

export const currentTime = (exchange: Exchange): number => nowSeconds(exchange.state)
