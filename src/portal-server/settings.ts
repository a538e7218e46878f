// Every key of portal.conf, once. The service reads through it; the sample, the manual page and
// docs/portal-configuration.md are printed from it.
import type * as v from 'valibot'
import { Secret } from '../base/secret.ts'
import { choice, path, toggle, value, whole, words } from '../config/value-types.ts'

export type Setting<T> = {
  readonly schema: v.GenericSchema<string, T & {}>
  readonly says: string
  /** As it would be written in the file. */
  readonly fallback?: string
  /** What an unset key without a fallback is; undefined for most. */
  readonly empty?: T
  readonly required?: true
  readonly unit?: string
  readonly example?: string
}

type Facts<T> = Omit<Setting<T & {}>, 'empty' | 'required' | 'fallback'>

const setting = <T>(one: Facts<T> & { readonly fallback: string }): Setting<T & {}> => one
const required = <T>(one: Facts<T> & { readonly example: string }): Setting<T & {}> => ({ ...one, required: true })
const optional = <T>(one: Facts<T>): Setting<(T & {}) | undefined> => one
const list = <T>(one: Facts<readonly T[]>): Setting<readonly T[]> => ({ ...one, empty: [] })

const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/

/** An address without user, query and fragment; plain HTTP only on this machine. */
function parseWebAddress(text: string): URL | undefined {
  if (text.length > 512 || !/^https?:\/\/[!-~]+$/.test(text) || !URL.canParse(text)) return undefined
  const url = new URL(text)
  if (url.username !== '' || url.password !== '' || url.hash !== '' || url.search !== '') return undefined
  return url.protocol === 'https:' || loopback.test(url.hostname) ? url : undefined
}

const origin = () =>
  value('an https:// address without a path (http:// only on this machine)', (text) => {
    const url = parseWebAddress(text)
    return url?.pathname === '/' && !text.endsWith('//') ? url.origin : undefined
  })

const issuer = () =>
  value('an https:// address as the provider writes it (http:// only on this machine), without ? and #', (text) =>
    parseWebAddress(text) ? text : undefined,
  )

const secretText = () =>
  value('1 to 1024 characters, or file:/PATH of a file that holds it and that nobody else can read', (text) =>
    text !== '' && text.length <= 1024 ? new Secret(text) : undefined,
  )

export type Listen =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string }

const listen = () =>
  value('ADDRESS:PORT, or unix:/PATH', (text): Listen | undefined => {
    if (text.startsWith('unix:'))
      return /^unix:\/[\w./-]{1,100}$/.test(text) ? { kind: 'unix', path: text.slice(5) } : undefined
    const [, host, port] = /^([\d.]{7,15}|\[[\da-fA-F:]{2,39}\]|localhost):(\d{1,5})$/.exec(text) ?? []
    if (host === undefined || Number(port) > 65535) return undefined
    return { kind: 'tcp', host: host.replace(/^\[|\]$/g, ''), port: Number(port) }
  })

/** RFC 6901, and where to look. */
export type Pointer = { readonly source: 'id_token' | 'userinfo' | 'both'; readonly path: readonly string[] }

export function parsePointer(text: string): Pointer | undefined {
  const [, source = 'both', path] = /^(?:(id_token|userinfo):)?((?:\/[^,\s]{1,200})+)$/.exec(text) ?? []
  if (path === undefined || /~(?![01])/.test(path)) return undefined
  const parts = path.slice(1).split('/')
  const plain = parts.map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
  return { source: source as Pointer['source'], path: plain }
}

const pointerRule = 'a JSON pointer as /preferred_username, which id_token: or userinfo: may precede'
const pointer = () => value(pointerRule, parsePointer)
const pointers = () =>
  value(`${pointerRule}; several separated by commas`, (text): readonly Pointer[] | undefined =>
    listOf(text, parsePointer),
  )

export type Requirement = { readonly pointer: Pointer; readonly value: string }

const requirements = () =>
  value('POINTER=VALUE, several separated by commas', (text): readonly Requirement[] | undefined =>
    listOf(text, (item) => {
      const equals = item.indexOf('=')
      const where = equals > 0 ? parsePointer(item.slice(0, equals)) : undefined
      return where && { pointer: where, value: item.slice(equals + 1) }
    }),
  )

const pattern = () =>
  value('a regular expression with one group, which becomes the name; it must match all of the claim', (text) => {
    try {
      if (text.length > 200) return undefined
      const groups = new RegExp(`${text}|`).exec('')?.length
      return groups === 2 ? new RegExp(`^(?:${text})$`, 'u') : undefined
    } catch {
      return undefined
    }
  })

const listOfWords = () =>
  value('words without blanks, separated by blanks', (text): readonly string[] | undefined =>
    listOf(text.replaceAll(/\s+/g, ','), (item) => (/^[!-~]{1,255}$/.test(item) ? item : undefined)),
  )

function listOf<T>(text: string, parse: (item: string) => T | undefined): readonly T[] | undefined {
  const items = text.split(',').map((item) => parse(item.trim()))
  return items.every((item) => item !== undefined) ? (items as readonly T[]) : undefined
}

/** Where the service keeps what it knows. */
export type Storage =
  | { readonly kind: 'sqlite'; readonly path: string }
  | { readonly kind: 'postgres'; readonly address: Secret }

const database = () =>
  value(
    'sqlite:/PATH, or postgres://USER:PASSWORD@HOST/DATABASE, or file:/PATH of a file that holds one of these',
    (text) => (parseStorage(text) || text.startsWith('file:/') ? new Secret(text) : undefined),
  )

export function parseStorage(text: string): Storage | undefined {
  if (/^sqlite:\/[\w./-]{1,200}$/.test(text)) return { kind: 'sqlite', path: text.slice(7) }
  return /^postgres(ql)?:\/\/\S{1,500}$/.test(text) && URL.canParse(text)
    ? { kind: 'postgres', address: new Secret(text) }
    : undefined
}

export const serviceSettings = {
  base_url: required({
    schema: origin(),
    says: 'Address that browsers and hosts know this service by. The name in requests is never believed.',
    example: 'https://login.example.com',
  }),
  listen: setting({
    schema: listen(),
    fallback: '127.0.0.1:8480',
    says: 'Where it listens. On a unix socket a proxy speaks TLS.',
    example: 'unix:/run/ob-portal/http',
  }),
  tls_certificate: optional({
    schema: path(),
    says: 'PEM file of the certificate chain, for TLS without a proxy. It needs tls_key.',
    example: '/etc/open-bastion/portal.pem',
  }),
  tls_key: optional({
    schema: path(),
    says: 'PEM file of the private key. It needs tls_certificate.',
    example: '/etc/open-bastion/portal-key.pem',
  }),
  proxies: setting({
    schema: whole(0, 5),
    fallback: '0',
    says:
      'How many proxies stand in front, each of which appends to X-Forwarded-For. 0: the header is never believed, and ' +
      'on a unix socket nobody’s address is known then.',
  }),
  metrics_listen: optional({
    schema: listen(),
    says: 'Where figures are for Prometheus (/metrics) and whether it lives (/healthz). Not set: nowhere.',
    example: '127.0.0.1:9180',
  }),
  database: setting({
    schema: database(),
    fallback: 'sqlite:/var/lib/ob-portal/portal.db',
    says: 'Where it keeps what it knows. Several instances need PostgreSQL.',
  }),
  session_lifetime: setting({
    schema: whole(60, 86400),
    fallback: '3600',
    says: 'How long a browser stays signed in here.',
    unit: 'seconds',
  }),
  transaction_lifetime: setting({
    schema: whole(60, 900),
    fallback: '300',
    says: 'How long a login may wait for its person. It should not be longer than LoginGraceTime of the hosts.',
    unit: 'seconds',
  }),
  code_lifetime: setting({
    schema: whole(30, 180),
    fallback: '90',
    says: 'How long a code can be typed after it was shown.',
    unit: 'seconds',
  }),
  code_tries: setting({
    schema: whole(1, 5),
    fallback: '3',
    says: 'How many codes may be typed for one login.',
  }),
  approval_max: setting({
    schema: whole(0, 86400),
    fallback: '43200',
    says: 'Longest time for which a host may let the same person in again without asking. 0: never.',
    unit: 'seconds',
  }),
  provider_ca: optional({
    schema: path(),
    says: 'PEM file of the certificate authorities to trust for the providers instead of the system’s.',
    example: '/etc/ssl/certs/company-ca.pem',
  }),
  proxy: optional({
    schema: value('http://HOST:PORT or https://HOST:PORT', (text) =>
      /^https?:\/\/[\w.-]+:\d{1,5}$/.test(text) ? text : undefined,
    ),
    says: 'Proxy between this service and the providers. Proxies named in the environment are never used.',
    example: 'http://proxy.example.com:3128',
  }),
}

export const providerSettings = {
  issuer: required({
    schema: issuer(),
    says: 'Issuer of the provider, to the letter. Its endpoints and keys are found from it.',
    example: 'https://idp.example.com',
  }),
  label: optional({
    schema: words(),
    says: 'What people read on the button. Not set: the name in the header of the section.',
    example: 'Example University',
  }),
  client_id: required({
    schema: words(),
    says: 'Client ID of this service at the provider. Its redirect address is BASE_URL/callback/NAME.',
    example: 'ob-portal',
  }),
  client_secret: optional({
    schema: secretText(),
    says: 'Client secret. Not set: a public client, which PKCE protects.',
    example: 'file:/etc/open-bastion/portal-secret',
  }),
  client_auth: setting({
    schema: choice(['basic', 'post']),
    fallback: 'basic',
    says: 'How the secret is shown to the provider: client_secret_basic or client_secret_post.',
  }),
  scope: setting({
    schema: listOfWords(),
    fallback: 'openid profile email',
    says: 'Scopes to ask for.',
  }),
  acr_values: list({
    schema: listOfWords(),
    says: 'How strongly people must authenticate: the provider is asked for it, and its answer must name one of these.',
    example: 'https://refeds.org/profile/mfa',
  }),
  max_age: optional({
    schema: whole(0, 86400),
    says: 'How long ago the person may have signed in at the provider. Not set: any time.',
    unit: 'seconds',
    example: '3600',
  }),
  userinfo: setting({
    schema: toggle(),
    fallback: 'true',
    says: 'Ask the userinfo endpoint, too; some providers tell groups only there.',
  }),
  name_claim: setting({
    schema: pointer(),
    fallback: '/preferred_username',
    says: 'Claim that names the account.',
  }),
  name_pattern: optional({
    schema: pattern(),
    says: 'What of the claim is the name.',
    example: '([a-z][a-z0-9.-]*)@example\\.com',
  }),
  name_lower: setting({
    schema: toggle(),
    fallback: 'false',
    says: 'Write the name in lower case.',
  }),
  groups_claim: setting({
    schema: pointers(),
    fallback: '/groups',
    says:
      'Claims that list groups: lists of texts, texts with names between semicolons or commas, lists of objects with ' +
      'value or name, or objects by name. A name with a blank is not taken.',
  }),
  default_groups: list({
    schema: listOfWords(),
    says: 'Groups of everybody who comes from this provider.',
    example: 'staff',
  }),
  require: list({
    schema: requirements(),
    says: 'Claims that must have this value; the text true equals the value true.',
    example: '/email_verified=true, /hd=example.com',
  }),
}

type ValuesOf<S> = { readonly [K in keyof S]: S[K] extends Setting<infer T> ? T : never }

export type ServiceConfig = ValuesOf<typeof serviceSettings>
export type ProviderConfig = ValuesOf<typeof providerSettings> & { readonly name: string }
export type PortalConfig = ServiceConfig & { readonly providers: readonly ProviderConfig[] }
