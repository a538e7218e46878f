// The service as an OpenID relying party (OpenID Connect Core 1.0, RFC 7636, RFC 9207): authorization code with PKCE
// S256, state and nonce. oauth4webapi speaks the protocol; the network is ours.
import * as oauth from 'oauth4webapi'
import { concat, utf8 } from '../base/bytes.ts'
import type { JsonObject } from '../base/json.ts'
import type { Secret } from '../base/secret.ts'
import type { Parts, TlsOptions } from '../base/world.ts'
import type { Claims } from './claims-policy.ts'
import type { ProviderConfig } from './settings.ts'

export type ProviderContext = Parts<'fetch' | 'timeout' | 'now'> & {
  readonly tls: TlsOptions
  readonly proxy: string | undefined
  readonly baseUrl: string
}

/** What a browser keeps, sealed, between going to the provider and coming back. */
export type LoginState = {
  readonly provider: string
  readonly state: string
  readonly nonce: string
  readonly verifier: string
  /** Handle of the transaction to go on with; empty: the person's own page. */
  readonly handle: string
  readonly startedAt: number
}

export type SignIn =
  | { readonly kind: 'claims'; readonly claims: Claims; readonly issuer: string; readonly subject: string }
  /** The person pressed cancel there, or the provider refuses them. */
  | { readonly kind: 'refused'; readonly detail: string }
  /** The provider is away, slow, or answers what it must not. */
  | { readonly kind: 'failed'; readonly detail: string }

export type Provider = {
  readonly config: ProviderConfig
  /** Where to send the browser; undefined when the provider is away. */
  readonly start: (
    handle: string,
  ) => Promise<{ readonly url: string; readonly login: LoginState } | { readonly failed: string }>
  readonly finish: (parameters: URLSearchParams, login: LoginState) => Promise<SignIn>
  /** For logout tokens. */
  readonly keys: () => Promise<{ readonly issuer: string; readonly jwks: JsonObject } | undefined>
}

export const algorithms = [
  'RS256',
  'PS256',
  'ES256',
  'EdDSA',
  'Ed25519',
  'RS384',
  'RS512',
  'PS384',
  'PS512',
  'ES384',
  'ES512',
]

const longestAnswer = 1 << 20
const requestSeconds = 8
/** How long a description is believed; a provider that is away then is met with the last one for a day. */
const freshSeconds = 900
const staleSeconds = 86_400

export const redirectAddress = (baseUrl: string, provider: string): string => `${baseUrl}/callback/${provider}`

export function openProvider(context: ProviderContext, config: ProviderConfig, secret: Secret | undefined): Provider {
  const options = {
    [oauth.customFetch]: boundedFetch(context) as typeof fetch,
    [oauth.allowInsecureRequests]: config.issuer.startsWith('http://'),
  }
  const client: oauth.Client = { client_id: config.client_id }
  const authentication = clientAuthentication(config, secret)
  const redirect = redirectAddress(context.baseUrl, config.name)
  const discover = openDiscovery(context, config, options)

  const start: Provider['start'] = async (handle) => {
    const server = await discover()
    if (typeof server === 'string' || server.authorization_endpoint === undefined)
      return { failed: typeof server === 'string' ? server : 'it names no authorization endpoint' }
    const verifier = oauth.generateRandomCodeVerifier()
    const login = {
      provider: config.name,
      state: oauth.generateRandomState(),
      nonce: oauth.generateRandomNonce(),
      verifier,
      handle,
      startedAt: Math.floor(context.now()),
    }
    const url = new URL(server.authorization_endpoint)
    const parameters = {
      response_type: 'code',
      client_id: config.client_id,
      redirect_uri: redirect,
      scope: config.scope.join(' '),
      state: login.state,
      nonce: login.nonce,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      ...(config.acr_values.length > 0 ? { acr_values: config.acr_values.join(' ') } : {}),
      ...(config.max_age === undefined ? {} : { max_age: String(config.max_age) }),
    }
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
    return { url: url.href, login }
  }

  const finish: Provider['finish'] = async (parameters, login) => {
    const server = await discover()
    if (typeof server === 'string') return { kind: 'failed', detail: server }
    try {
      const checked = oauth.validateAuthResponse(server, client, parameters, login.state)
      const { verifier, nonce } = login
      const response = await oauth.authorizationCodeGrantRequest(
        ...([server, client, authentication, checked, redirect, verifier, options] as const),
      )
      const expected = {
        expectedNonce: nonce,
        requireIdToken: true,
        ...(config.max_age === undefined ? {} : { maxAge: config.max_age }),
      }
      const grant = await oauth.processAuthorizationCodeResponse(server, client, response, expected)
      // Keys are remembered for this object, so a copy of it asks anew: a key that was withdrawn, or made a moment ago,
      // counts at once.
      await oauth.validateApplicationLevelSignature({ ...server }, response, options)
      const idToken = oauth.getValidatedIdTokenClaims(grant)
      if (idToken === undefined) return { kind: 'failed', detail: 'it sent no ID token' }
      // OpenID Connect Core 1.0 §2.
      if (!/^[!-~]{1,255}$/.test(idToken.sub)) return { kind: 'failed', detail: 'the subject is not 1 to 255 of ASCII' }
      const userinfo = config.userinfo
        ? await askUserinfo({ server, client, options }, grant.access_token, idToken.sub)
        : undefined
      const claims = { idToken: idToken as JsonObject, ...(userinfo ? { userinfo } : {}) }
      return { kind: 'claims', claims, issuer: server.issuer, subject: idToken.sub }
    } catch (error) {
      return judge(error)
    }
  }

  const keys: Provider['keys'] = async () => {
    const server = await discover()
    if (typeof server === 'string' || server.jwks_uri === undefined) return undefined
    try {
      const response = await options[oauth.customFetch](server.jwks_uri)
      const jwks = (await response.json()) as JsonObject
      return response.status === 200 ? { issuer: server.issuer, jwks } : undefined
    } catch {
      // Whoever is told of an outage tries again.
      return undefined
    }
  }
  return { config, start, finish, keys }
}

type Asking = {
  readonly server: oauth.AuthorizationServer
  readonly client: oauth.Client
  readonly options: { readonly [oauth.customFetch]: typeof fetch; readonly [oauth.allowInsecureRequests]: boolean }
}

async function askUserinfo({ server, client, options }: Asking, token: string, subject: string) {
  if (server.userinfo_endpoint === undefined) return undefined
  const response = await oauth.userInfoRequest(server, client, token, options)
  return (await oauth.processUserInfoResponse(server, client, subject, response)) as JsonObject
}

function clientAuthentication(config: ProviderConfig, secret: Secret | undefined): oauth.ClientAuth {
  if (secret === undefined) return oauth.None()
  if (config.client_auth === 'post') return oauth.ClientSecretPost(secret.expose())
  return (_server, client, _body, headers) => {
    const pair = `${formEncoded(client.client_id)}:${formEncoded(secret.expose())}`
    headers.set('authorization', `Basic ${utf8(pair).toBase64()}`)
  }
}

/**
 * RFC 6749 §2.3.1, but - _ . stay as they are, which the encoding allows: some providers take what comes without
 * decoding it, and most names hold nothing else.
 */
const formEncoded = (text: string): string =>
  new URLSearchParams([['', text]]).toString().slice(1).replaceAll('+', '%20')

/** The provider's description of itself (OpenID Connect Discovery 1.0), or what keeps it from us. */
function openDiscovery(context: ProviderContext, config: ProviderConfig, options: Asking['options']) {
  let known: { readonly server: oauth.AuthorizationServer; readonly at: number } | undefined
  // Many who come at once wait for one answer.
  let asking: Promise<oauth.AuthorizationServer | string> | undefined
  const ask = async (): Promise<oauth.AuthorizationServer | string> => {
    try {
      const issuer = new URL(config.issuer)
      const server = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, options))
      // ID tokens are signed with a key pair, whatever a provider says that it can do.
      const signed = server.id_token_signing_alg_values_supported?.filter((name) => algorithms.includes(name))
      const strict = { ...server, id_token_signing_alg_values_supported: signed ?? ['RS256'] }
      known = { server: strict, at: context.now() }
      return strict
    } catch (error) {
      if (known && context.now() - known.at < staleSeconds) return known.server
      return judge(error).detail
    } finally {
      asking = undefined
    }
  }
  return async () => {
    if (known && context.now() - known.at < freshSeconds) return known.server
    asking ??= ask()
    return asking
  }
}

/** No redirects, one deadline that covers the body, and a limit to its size. */
function boundedFetch({ fetch: send, timeout, tls, proxy }: ProviderContext) {
  return async (url: string, init: RequestInit = {}): Promise<Response> => {
    const signal = timeout(requestSeconds)
    const response = await send(url, { ...init, redirect: 'manual', signal }, tls, proxy)
    const parts: Uint8Array[] = []
    let length = 0
    for await (const part of response.body ?? []) {
      length += part.length
      if (length > longestAnswer) throw new TypeError('the answer is too long')
      parts.push(part)
    }
    const empty = [101, 204, 205, 304].includes(response.status)
    return new Response(empty ? null : concat(...parts), { status: response.status, headers: response.headers })
  }
}

function judge(error: unknown): Exclude<SignIn, { kind: 'claims' }> {
  if (error instanceof oauth.AuthorizationResponseError) return { kind: 'refused', detail: word(error.error) }
  if (error instanceof oauth.ResponseBodyError) return { kind: 'failed', detail: word(error.error) }
  if (error instanceof oauth.OperationProcessingError || error instanceof oauth.UnsupportedOperationError)
    return { kind: 'failed', detail: `${word(error.code ?? '')}: ${error.message.slice(0, 120)}` }
  if (error instanceof DOMException) return { kind: 'failed', detail: 'no answer in time' }
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return { kind: 'failed', detail: word(code) || 'no usable answer' }
}

const word = (text: string): string => text.replaceAll(/[^\w.-]/g, '').slice(0, 60)
