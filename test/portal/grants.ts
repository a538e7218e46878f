// The device grant (RFC 8628) and the refresh grant, with what a real portal makes of them.
import { importJWK, SignJWT } from 'jose'
import { readCaller, refuseClient } from './clients.ts'
import { currentTime, type Exchange, json } from './exchange.ts'
import { ecKey, rsaKey, rsaThumbprint } from './keys.ts'
import { type Client, type Device, type Grant, newFormToken, newId, type State, sha256 } from './state.ts'

const deviceGrant = 'urn:ietf:params:oauth:grant-type:device_code'

const newUserCode = (state: State): string => {
  const alphabet = 'BCDFGHJKLMNPQRSTVWXZ'
  const pick = () => alphabet[Math.floor(state.settings.random() * alphabet.length)]
  return `${pick()}${pick()}${pick()}${pick()}-${pick()}${pick()}${pick()}${pick()}`
}

const invalid = (exchange: Exchange, error: string, description?: string): Response =>
  json(exchange, 400, { error, error_description: description })

/** POST /oauth2/device: every refusal is a 400 here. */
export const deviceRequest = async (exchange: Exchange): Promise<Response> => {
  const { state, form } = exchange
  const caller = await readCaller(exchange)
  const { clientId, client } = caller
  if (clientId === undefined) return invalid(exchange, 'invalid_request', 'client_id is required')
  if (client === undefined) return invalid(exchange, 'invalid_client')
  if (!caller.proven) return invalid(exchange, 'invalid_client', 'Client authentication required')
  if (!client.deviceGrant) return invalid(exchange, 'unauthorized_client')
  const challenge = form.get('code_challenge') || undefined
  const challengeMethod = form.get('code_challenge_method') ?? 'plain'
  if (client.pkceRequired && challenge === undefined) {
    return invalid(exchange, 'invalid_request', 'code_challenge is required')
  }
  if (challenge !== undefined && !['plain', 'S256'].includes(challengeMethod)) {
    return invalid(exchange, 'invalid_request', 'code_challenge_method must be plain or S256')
  }
  const code = newId()
  const device: Device = {
    userCode: newUserCode(state),
    clientId,
    scope: form.get('scope') || 'openid',
    challenge,
    challengeMethod,
    expiresAt: currentTime(exchange) + state.settings.deviceSeconds,
    interval: state.settings.interval,
    polls: 0,
    polledAt: 0,
    verdict: 'pending',
    session: undefined,
  }
  state.devices.set(code, device)
  return json(exchange, 200, {
    device_code: code,
    user_code: device.userCode,
    // `portal` ends in a slash, so there are two of them.
    verification_uri: `${exchange.origin}//device`,
    verification_uri_complete: `${exchange.origin}//device?user_code=${device.userCode.replace('-', '')}`,
    expires_in: state.settings.deviceSeconds,
    interval: state.settings.interval,
  })
}

/** Keeps a new access token; its name is also the `jti` of the JWT form. */
export const storeAccess = (state: State, grant: Grant, issuedAt: number, fromHeartbeat: boolean): string => {
  const token = newId()
  const { clientId, user, scope, deviceId, sid } = grant
  state.access.set(token, {
    clientId,
    user,
    scope,
    grant: grant.grant,
    deviceId,
    sid,
    issuedAt,
    expiresAt: issuedAt + state.settings.accessSeconds,
    fromHeartbeat,
  })
  return token
}

/** Who the token speaks for: an organization's server is its own subject. */
export const subjectOf = (state: State, grant: Grant): string =>
  state.clients.get(grant.clientId)?.owner === 'user' ? grant.user : grant.clientId

export const newGrant = (client: Client, given: Pick<Grant, 'clientId' | 'user' | 'scope' | 'grant'>): Grant => ({
  ...given,
  deviceId: client.owner === 'organization' ? sha256(`pam-device-id:${newId()}`).toString('hex') : undefined,
  sid: sha256(newId()).toString('base64').replace(/=$/, ''),
})

/** A compact JWS under one of the published keys. */
export const signJwt = async (
  key: typeof rsaKey | typeof ecKey,
  extra: Readonly<Record<string, string>>,
  claims: Record<string, unknown>,
): Promise<string> => {
  const header = { alg: key.alg, kid: key.kid, ...extra }
  return new SignJWT(claims).setProtectedHeader(header).sign(await importJWK(key, key.alg))
}

const issueTokens = async (exchange: Exchange, client: Client, grant: Grant, offline: boolean): Promise<Response> => {
  const { state } = exchange
  const iat = currentTime(exchange)
  const id = storeAccess(state, grant, iat, false)
  const key = client.accessTokens === 'ES256' ? ecKey : rsaKey
  const thumbprint = key.kid === rsaKey.kid ? { x5t: rsaThumbprint } : {}
  const sub = subjectOf(state, grant)
  const { clientId, scope, sid } = grant
  const shared = { iss: `${exchange.origin}/`, aud: [clientId], sub, sid, iat, exp: iat + state.settings.accessSeconds }
  const jwt = { ...shared, client_id: clientId, jti: id, scope }
  const refresh = offline ? newId() : undefined
  if (refresh !== undefined) {
    state.refresh.set(refresh, grant)
    state.refreshUntil.set(refresh, iat + state.settings.refreshSeconds)
  }
  const openid = scope.split(' ').includes('openid')
  return json(exchange, 200, {
    access_token: client.accessTokens === undefined ? id : await signJwt(key, { ...thumbprint, typ: 'at+JWT' }, jwt),
    refresh_token: refresh,
    token_type: 'Bearer',
    expires_in: state.settings.accessSeconds,
    scope,
    id_token: openid
      ? await signJwt(key, { ...thumbprint, typ: 'JWT' }, { ...shared, acr: 'loa-0', auth_time: null, azp: clientId })
      : undefined,
  })
}

const challengeFault = (device: Device, verifier: string | null): string | undefined => {
  if (device.challenge === undefined) return undefined
  if (!verifier) return 'code_verifier is required'
  const answer = device.challengeMethod === 'S256' ? sha256(verifier).toString('base64url') : verifier
  return answer === device.challenge ? undefined : 'PKCE validation failed'
}

// Two free polls; every early one after them adds five seconds for good.
const pollPending = (exchange: Exchange, device: Device): Response => {
  const now = currentTime(exchange)
  const early = device.polls >= 2 && now - device.polledAt < device.interval
  device.polls += 1
  device.polledAt = now
  if (!early) return invalid(exchange, 'authorization_pending')
  device.interval += 5
  return invalid(exchange, 'slow_down')
}

const redeemDevice = async (exchange: Exchange, clientId: string, client: Client): Promise<Response> => {
  const { state, form } = exchange
  const code = form.get('device_code')
  if (!code) return invalid(exchange, 'invalid_request', 'device_code is required')
  const device = state.devices.get(code)
  if (device === undefined || device.expiresAt <= currentTime(exchange)) return invalid(exchange, 'expired_token')
  if (device.clientId !== clientId) return invalid(exchange, 'invalid_grant')
  if (device.verdict === 'pending') return pollPending(exchange, device)
  if (device.verdict === 'denied') {
    state.devices.delete(code)
    return invalid(exchange, 'access_denied')
  }
  const fault = challengeFault(device, form.get('code_verifier'))
  if (fault !== undefined) return invalid(exchange, 'invalid_grant', fault)
  state.devices.delete(code)
  const user = state.sessions.get(device.session ?? '')?.user
  if (user === undefined) return invalid(exchange, 'access_denied', 'User session no longer valid')
  const asked = device.scope.split(' ')
  const scope = asked.filter((item) => item !== 'offline_access').join(' ')
  const grant = newGrant(client, { clientId, user, scope, grant: 'device_code' })
  return issueTokens(exchange, client, grant, asked.includes('offline_access'))
}

// An organization's session cannot be resolved again: the grant fails and takes the refresh token with it.
const refreshAccess = (exchange: Exchange, clientId: string, client: Client): Response => {
  const { state } = exchange
  const token = exchange.form.get('refresh_token') ?? ''
  const grant = state.refresh.get(token)
  if (grant === undefined) return invalid(exchange, 'invalid_request')
  if (grant.clientId !== clientId) return invalid(exchange, 'invalid_grant')
  if (client.owner === 'organization') {
    state.refresh.delete(token)
    return json(exchange, 400, { error: 'invalid_grant', token: newFormToken(state) })
  }
  const next = client.rotates ? newId() : undefined
  if (next !== undefined) {
    state.refresh.delete(token)
    state.refresh.set(next, grant)
  }
  return json(exchange, 200, {
    access_token: storeAccess(state, grant, currentTime(exchange), false),
    token_type: 'Bearer',
    expires_in: state.settings.accessSeconds,
    refresh_token: next,
  })
}

/** POST /oauth2/token. */
export const tokenRequest = async (exchange: Exchange): Promise<Response> => {
  const caller = await readCaller(exchange)
  const { clientId, client } = caller
  if (clientId === undefined || client === undefined || !caller.proven) return refuseClient(exchange, caller)
  const type = exchange.form.get('grant_type')
  if (type === deviceGrant && client.deviceGrant) return redeemDevice(exchange, clientId, client)
  if (type === 'refresh_token') return refreshAccess(exchange, clientId, client)
  return invalid(exchange, type === deviceGrant ? 'unauthorized_client' : 'unsupported_grant_type')
}
