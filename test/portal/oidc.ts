// The rest of OpenID Connect: discovery, keys, introspection, revocation, userinfo, and who is behind a bearer.
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose'
import { readCaller, refuseClient } from './clients.ts'
import { currentTime, type Exchange, json, raw, shuffle } from './exchange.ts'
import { subjectOf } from './grants.ts'
import { publicKeys } from './keys.ts'
import type { AccessToken } from './state.ts'

const signing = ['none', 'HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']
const wrapping = ['RSA-OAEP', 'ECDH-ES', 'RSA-OAEP-256', 'ECDH-ES+A256KW', 'ECDH-ES+A192KW', 'ECDH-ES+A128KW', 'RSA1_5']
const ciphers = ['A256CBC-HS512', 'A256GCM', 'A192CBC-HS384', 'A192GCM', 'A128CBC-HS256', 'A128GCM']
const methods = ['client_secret_post', 'client_secret_basic']

/** GET /.well-known/openid-configuration: says nothing of the device_code grant nor of assertions. */
export const discovery = (exchange: Exchange): Response => {
  const { origin, state } = exchange
  return json(exchange, 200, {
    issuer: `${origin}/`,
    authorization_endpoint: `${origin}/oauth2/authorize`,
    token_endpoint: `${origin}/oauth2/token`,
    userinfo_endpoint: `${origin}/oauth2/userinfo`,
    jwks_uri: `${origin}/oauth2/jwks`,
    end_session_endpoint: `${origin}/oauth2/logout`,
    introspection_endpoint: `${origin}/oauth2/introspect`,
    revocation_endpoint: `${origin}/oauth2/revoke`,
    device_authorization_endpoint: `${origin}/oauth2/device`,
    scopes_supported: ['openid', 'profile', 'email', 'address', 'phone'],
    response_types_supported: ['code'],
    response_modes_supported: ['query', 'fragment', 'form_post'],
    grant_types_supported: ['authorization_code', 'refresh_token'],
    acr_values_supported: shuffle(['loa-1', 'loa-2', 'loa-3', 'loa-4', 'loa-5'], state.settings.random),
    subject_types_supported: ['public'],
    claims_supported: ['sub', 'iss', 'auth_time', 'acr', 'sid'],
    code_challenge_methods_supported: ['plain', 'S256'],
    token_endpoint_auth_methods_supported: methods,
    introspection_endpoint_auth_methods_supported: methods,
    id_token_signing_alg_values_supported: signing,
    id_token_encryption_alg_values_supported: wrapping,
    id_token_encryption_enc_values_supported: ciphers,
    userinfo_signing_alg_values_supported: signing,
    userinfo_encryption_alg_values_supported: wrapping,
    userinfo_encryption_enc_values_supported: ciphers,
    introspection_signing_alg_values_supported: signing,
    introspection_encryption_alg_values_supported: wrapping,
    introspection_encryption_enc_values_supported: ciphers,
    request_parameter_supported: true,
    request_uri_parameter_supported: true,
    require_request_uri_registration: true,
    frontchannel_logout_supported: true,
    frontchannel_logout_session_supported: true,
    backchannel_logout_supported: true,
    backchannel_logout_session_supported: true,
  })
}

export const keySet = (exchange: Exchange): Response => json(exchange, 200, { keys: exchange.state.published })

/** The access token behind the Authorization header (or `?access_token=`), opaque or JWT. */
export const readBearer = async (exchange: Exchange): Promise<AccessToken | 'missing' | 'unknown'> => {
  const { state, headers, query } = exchange
  const bearer = /^Bearer\s+(\S+)$/i.exec(headers.get('authorization') ?? '')?.[1] ?? query.get('access_token')
  if (!bearer) return 'missing'
  const token = state.access.get(bearer.includes('.') ? await identifierOf(bearer) : bearer)
  return token === undefined || token.expiresAt <= currentTime(exchange) ? 'unknown' : token
}

// Expiry is the kept token's, so that the portal's own clock decides.
const identifierOf = async (bearer: string): Promise<string> => {
  // Our own constant, which the checker sees as plain strings.
  const keys = createLocalJWKSet({ keys: publicKeys } as unknown as JSONWebKeySet)
  try {
    const { payload } = await jwtVerify(bearer, keys, { typ: 'at+jwt', currentDate: new Date(0) })
    return payload.jti ?? ''
  } catch {
    return ''
  }
}

/** POST /oauth2/introspect: any confidential client may ask; tokens minted by the heartbeat are unknown here. */
export const introspect = async (exchange: Exchange): Promise<Response> => {
  const { state, form, origin } = exchange
  const caller = await readCaller(exchange)
  if (!caller.proven) return refuseClient(exchange, caller)
  if (caller.client?.secret === undefined && caller.client?.keys === undefined) {
    return json(exchange, 401, { error: 'unauthorized_client' })
  }
  const token = state.access.get(form.get('token') ?? '')
  if (token === undefined || token.fromHeartbeat || token.expiresAt <= currentTime(exchange)) {
    return json(exchange, 200, { active: false })
  }
  return json(exchange, 200, {
    active: true,
    sub: subjectOf(state, token),
    client_id: token.clientId,
    scope: token.scope,
    exp: token.expiresAt,
    iat: token.issuedAt,
    nbf: token.issuedAt,
    iss: `${origin}/`,
    aud: [token.clientId],
    token_type: 'bearer',
  })
}

/** POST /oauth2/revoke: 200 whatever the token was (RFC 7009 §2.2). */
export const revoke = async (exchange: Exchange): Promise<Response> => {
  const caller = await readCaller(exchange)
  if (!caller.proven) return refuseClient(exchange, caller)
  const token = exchange.form.get('token') ?? ''
  exchange.state.access.delete(token)
  exchange.state.refresh.delete(token)
  return raw(exchange, 200, 'application/octet-stream', '')
}

/** GET or POST /oauth2/userinfo. */
export const oidcUser = async (exchange: Exchange): Promise<Response> => {
  const token = await readBearer(exchange)
  if (typeof token === 'string') {
    return json(exchange, 401, { error: 'invalid_token' }, { 'www-authenticate': 'Bearer' })
  }
  return json(exchange, 200, { sub: subjectOf(exchange.state, token), sid: token.sid })
}
