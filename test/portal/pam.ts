// The endpoints under /pam that a server calls: verify, authorize, userinfo, heartbeat.
import { crash, currentTime, type Exchange, json, readJson, scalar, shuffle } from './exchange.ts'
import { storeAccess } from './grants.ts'
import { readBearer } from './oidc.ts'
import {
  type AccessToken,
  type Certificate,
  holds,
  knownCertificate,
  newFormToken,
  ruleFor,
  type State,
  type User,
} from './state.ts'

const challenge = { 'www-authenticate': 'Bearer realm="pam"' }

type BearerTexts = { readonly missing: string; readonly unknown: string; readonly foreign: string }

/** verify and userinfo speak like this and do not look at the scope. */
const lenient: BearerTexts = {
  missing: 'Server Bearer token required',
  unknown: 'Invalid or expired server token',
  foreign: 'Server not enrolled. Use Device Authorization Grant.',
}

const scoped: BearerTexts = {
  missing: 'Bearer token required',
  unknown: 'Invalid or expired token',
  foreign: 'Server not enrolled. Use Device Authorization Grant to register this server.',
}

const readServer = async (exchange: Exchange, texts: BearerTexts): Promise<AccessToken | Response> => {
  const token = await readBearer(exchange)
  if (token === 'missing') return json(exchange, 401, { error: texts.missing }, challenge)
  if (token === 'unknown') return json(exchange, 401, { error: texts.unknown }, challenge)
  return token.grant === 'device_code' ? token : json(exchange, 403, { error: texts.foreign })
}

const hasScope = (scope: string): boolean => /\bpam(?::server)?\b/.test(scope)

/** The server behind the request and its JSON, or the refusal; the scope is checked. */
export const readScoped = async (exchange: Exchange) => {
  const server = await readServer(exchange, scoped)
  if (server instanceof Response) return server
  if (!hasScope(server.scope)) return json(exchange, 403, { error: 'Invalid token scope' })
  const body = readJson(exchange)
  return body instanceof Response ? body : { server, body }
}

const groupsOf = (state: State, user: User): readonly string[] => shuffle(user.groups, state.settings.random)

const certificateMembers = (entry: Certificate | undefined) =>
  entry === undefined
    ? {}
    : { ssh_cert_label: entry.label, ssh_cert_serial: entry.hop ? entry.serial : entry.serial.toString() }

const wellFormed = (fingerprint: string): boolean => /^SHA256:[A-Za-z0-9+/]+={0,2}$/.test(fingerprint)

const pause = (milliseconds: number): Promise<void> => new Promise((done) => setTimeout(done, milliseconds))

/** POST /pam/verify. The token is spent by every outcome after it was found, a failed fingerprint check included. */
export const verify = async (exchange: Exchange): Promise<Response> => {
  const { state } = exchange
  const server = await readServer(exchange, lenient)
  if (server instanceof Response) return server
  const body = readJson(exchange)
  if (body instanceof Response) return body
  if (typeof body.token === 'object' && body.token !== null) return crash(exchange)
  const token = scalar(body.token)
  if (token === '') return json(exchange, 400, { error: 'token parameter required' })
  const found = state.tokens.get(token)
  // A real portal reads and deletes in two steps, and parallel requests slip in between.
  if (state.nonAtomic.on) await pause(state.nonAtomic.delayMs)
  state.tokens.delete(token)
  const user = found === undefined || found.expiresAt <= currentTime(exchange) ? undefined : state.users.get(found.user)
  if (found === undefined || user === undefined) {
    return json(exchange, 200, { valid: false, error: 'Invalid or expired token' })
  }
  const fingerprint = scalar(body.fingerprint).trim()
  if (fingerprint !== '' && !wellFormed(fingerprint)) {
    return json(exchange, 400, { valid: false, error: 'Malformed SSH fingerprint' })
  }
  const entry = knownCertificate(state, found.user, fingerprint)
  if (fingerprint !== '' && entry === undefined) {
    return json(exchange, 200, { valid: false, error: 'SSH fingerprint not recognized' })
  }
  state.seen.add(found.user)
  return json(exchange, 200, {
    valid: true,
    user: found.user,
    groups: groupsOf(state, user),
    attrs: { ...user.attributes, ...certificateMembers(entry) },
  })
}

/** The server group of the answer, or why this server may not speak for it. */
const serverGroup = (exchange: Exchange, server: AccessToken, claimed: string): string | Response => {
  const map = exchange.state.settings.serverGroups
  if (map === undefined) return claimed || 'default'
  const mapped = Object.hasOwn(map, server.clientId) ? map[server.clientId] : undefined
  if (mapped === undefined) return json(exchange, 403, { error: `Unknown enrolled server '${server.clientId}'` })
  if (claimed === '' || claimed === mapped) return mapped
  return json(exchange, 403, {
    error: `Server '${server.clientId}' is not authorized for server_group '${claimed}'`,
  })
}

/** Which machine asks: a device of an organization, or a user's client. */
export const bastionId = (server: AccessToken): string => server.deviceId ?? server.clientId

const voucherMembers = (state: State, now: number, key: string, entry: Certificate | undefined) => {
  const limit = Math.min(now + state.settings.voucherSeconds, entry?.expiresAt ?? Number.POSITIVE_INFINITY)
  const kept = state.vouchers.get(key)
  const current = kept !== undefined && kept.expiresAt > now ? kept : { nonce: crypto.randomUUID(), expiresAt: 0 }
  // Never shortened.
  current.expiresAt = Math.max(current.expiresAt, limit)
  state.vouchers.set(key, current)
  return { bastion_voucher: current.nonce, bastion_voucher_expires_in: current.expiresAt - now }
}

/**
 * POST /pam/authorize. For sudo the verdict is permissions.sudo_allowed; `authorized` only says that ssh is allowed.
 */
export const authorize = async (exchange: Exchange): Promise<Response> => {
  const { state } = exchange
  const asked = await readScoped(exchange)
  if (asked instanceof Response) return asked
  const { server, body } = asked
  const name = body.user
  if (!name) return json(exchange, 400, { error: 'Missing user parameter' })
  const group = serverGroup(exchange, server, scalar(body.server_group))
  if (group instanceof Response) return group
  const user = typeof name === 'string' ? state.users.get(name) : undefined
  if (typeof name !== 'string' || user === undefined) {
    const stray = newFormToken(state)
    return json(exchange, 200, { authorized: false, user: name, reason: 'User not found', token: stray })
  }
  const fingerprint = scalar(body.fingerprint).trim()
  if (fingerprint !== '' && !wellFormed(fingerprint)) {
    return json(exchange, 400, { error: 'Malformed SSH fingerprint' })
  }
  const entry = knownCertificate(state, name, fingerprint)
  if (fingerprint !== '' && entry === undefined) {
    return json(exchange, 200, { authorized: false, user: name, reason: 'SSH fingerprint not recognized' })
  }
  const rules = ruleFor(state, group)
  const service = scalar(body.service) || 'ssh'
  const groups = groupsOf(state, user)
  if (!['ssh', 'sshd', 'sudo'].includes(service) || !holds(rules.ssh, name, user)) {
    return json(exchange, 200, { authorized: false, user: name, reason: 'Access denied by rule', groups })
  }
  const vouched = state.settings.bastionGroups.includes(group) && service !== 'sudo'
  return json(exchange, 200, {
    ...user.attributes,
    authorized: true,
    user: name,
    groups,
    permissions: { sudo_allowed: holds(rules.sudo, name, user) },
    ...certificateMembers(entry),
    ...(holds(rules.offline.rule, name, user) ? { offline: { enabled: true, ttl: rules.offline.ttl } } : {}),
    ...(vouched ? voucherMembers(state, currentTime(exchange), `${bastionId(server)} ${name}`, entry) : {}),
  })
}

/** POST /pam/userinfo. */
export const userinfo = async (exchange: Exchange): Promise<Response> => {
  const { state } = exchange
  const server = await readServer(exchange, lenient)
  if (server instanceof Response) return server
  const body = readJson(exchange)
  if (body instanceof Response) return body
  const name = body.user
  if (!name) return json(exchange, 400, { error: 'user parameter required' })
  const user = typeof name === 'string' ? state.users.get(name) : undefined
  if (user === undefined) return json(exchange, 200, { found: false, user: name, token: newFormToken(state) })
  return json(exchange, 200, { ...user.attributes, found: true, user: name, groups: groupsOf(state, user) })
}

/** POST /pam/heartbeat: the refresh token alone is the credential, and it never changes. */
export const heartbeat = (exchange: Exchange): Response => {
  const { state } = exchange
  const body = readJson(exchange)
  if (body instanceof Response) return body
  if (typeof body.refresh_token === 'object' && body.refresh_token !== null) return crash(exchange)
  const token = scalar(body.refresh_token)
  if (token === '') return json(exchange, 400, { error: 'refresh_token required' })
  const grant = state.refresh.get(token)
  if (grant === undefined) return json(exchange, 401, { error: 'Invalid refresh_token' }, challenge)
  if (grant.grant !== 'device_code') {
    return json(exchange, 403, { error: 'Token not from Device Authorization Grant' })
  }
  if (!hasScope(grant.scope)) return json(exchange, 403, { error: 'Invalid token scope' })
  const now = currentTime(exchange)
  if ((state.refreshUntil.get(token) ?? now) < now) {
    state.refresh.delete(token)
    return json(exchange, 401, { error: 'Invalid refresh_token' }, challenge)
  }
  state.refreshUntil.set(token, now + state.settings.refreshSeconds)
  const { refresh_token: _, ...told } = body
  state.heartbeats.push({ ...told, device: grant.deviceId ?? grant.clientId })
  return json(exchange, 200, {
    status: 'ok',
    access_token: storeAccess(state, grant, now, true),
    expires_in: state.settings.accessSeconds,
    next_heartbeat: 300,
    server_time: now,
  })
}
