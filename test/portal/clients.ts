// How an OIDC client proves who it is, with the portal's own leniency (RFC 6749 §2.3.1, RFC 7523 §3).
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose'
import { type Exchange, json } from './exchange.ts'
import { type Client, nowSeconds } from './state.ts'

type Method = 'basic' | 'post' | 'jwt' | 'none' | 'many'

export type Caller = {
  readonly method: Method
  /** Undefined when nobody is named: a failed Basic names nobody. */
  readonly clientId: string | undefined
  readonly client: Client | undefined
  readonly proven: boolean
}

const readBasic = (exchange: Exchange): { readonly id: string; readonly secret: string } | undefined => {
  const encoded = /^Basic\s+(\S+)$/i.exec(exchange.headers.get('authorization') ?? '')?.[1]
  if (encoded === undefined) return undefined
  const [id = '', ...rest] = Buffer.from(encoded, 'base64').toString().split(':')
  return { id: decodeURIComponent(id), secret: decodeURIComponent(rest.join(':')) }
}

// Neither aud nor jti is looked at: measured.
const assertionHolds = async (exchange: Exchange, id: string, client: Client): Promise<boolean> => {
  const checks = {
    subject: id,
    issuer: id,
    requiredClaims: ['exp'],
    currentDate: new Date(nowSeconds(exchange.state) * 1000),
  }
  const assertion = exchange.form.get('client_assertion') ?? ''
  try {
    if (client.keys !== undefined) {
      // The key set of a test's own client, taken as it is.
      await jwtVerify(assertion, createLocalJWKSet({ keys: client.keys } as JSONWebKeySet), checks)
      return true
    }
    if (client.secret === undefined) return false
    const key = new TextEncoder().encode(client.secret)
    await jwtVerify(assertion, key, { ...checks, algorithms: ['HS256', 'HS384', 'HS512'] })
    return true
  } catch {
    return false
  }
}

const proves = async (exchange: Exchange, method: Method, id: string, client: Client): Promise<boolean> => {
  if (method === 'many') return false
  if (method === 'none') return client.secret === undefined
  if (client.method !== undefined && client.method !== method) return false
  if (method === 'jwt') return assertionHolds(exchange, id, client)
  if (client.secret === undefined) return method === 'post'
  const secret = method === 'basic' ? readBasic(exchange)?.secret : exchange.form.get('client_secret')
  return secret === client.secret
}

export const readCaller = async (exchange: Exchange): Promise<Caller> => {
  const { form, state } = exchange
  const basic = readBasic(exchange)
  const used: readonly Method[] = [
    ...(basic === undefined ? [] : (['basic'] as const)),
    ...(form.has('client_assertion') ? (['jwt'] as const) : []),
    ...(form.has('client_secret') ? (['post'] as const) : []),
  ]
  const method = used.length > 1 ? 'many' : (used[0] ?? 'none')
  const named = form.get('client_id') || undefined
  const id = named ?? (method === 'basic' ? basic?.id : undefined)
  const client = id === undefined ? undefined : state.clients.get(id)
  if (id === undefined || client === undefined) return { method, clientId: named, client: undefined, proven: false }
  const proven = await proves(exchange, method, id, client)
  return { method, clientId: proven ? id : named, client, proven }
}

/** The answer of /oauth2/token, introspect and revoke to a client that did not prove itself. */
export const refuseClient = (exchange: Exchange, caller: Caller): Response =>
  caller.method === 'basic'
    ? json(exchange, 401, { error: 'invalid_client' }, { 'www-authenticate': 'Basic' })
    : json(exchange, 400, { error: 'invalid_client' })
