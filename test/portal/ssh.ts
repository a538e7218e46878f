// The ssh certificate authority of the portal (/ssh/*) and what bastions ask of it (/pam/bastion-*).
import {
  authorityLine,
  decodes,
  fingerprintOf,
  formatRevocations,
  type PublicKey,
  parsePublicKey,
  signCertificate,
} from './authority.ts'
import { currentTime, type Exchange, html, json, raw, readJson, scalar, shuffle, wantsJson } from './exchange.ts'
import { signJwt } from './grants.ts'
import { demandLogin, forbidden, menu } from './pages.ts'
import { bastionId, readScoped } from './pam.ts'
import { type Certificate, newSerial, type State, sha256 } from './state.ts'

const certificatesOf = (state: State, user: string): Certificate[] => {
  const list = state.certificates.get(user) ?? []
  state.certificates.set(user, list)
  return list
}

/** The persistent session of a user, by which administrators name its certificates. */
const sessionIdOf = (user: string): string => sha256(user).toString('hex').slice(0, 32)

/** GET /ssh/ca; with a portal cookie the plugin's route is not reached. */
export const authority = (exchange: Exchange): Response =>
  exchange.session === undefined ? raw(exchange, 200, 'text/plain; charset=utf-8', authorityLine) : menu(exchange)

/** GET /ssh/revoked. */
export const revocations = (exchange: Exchange): Response => {
  const list = formatRevocations([...exchange.state.revokedSerials], currentTime(exchange))
  return raw(exchange, 200, 'application/octet-stream', list)
}

const badRequest = (exchange: Exchange, text: string): Response => {
  if (wantsJson(exchange)) return json(exchange, 400, { error: text })
  const page = `<html><head><title>Bad Request</title></head>\n<body>\n<h1>Bad Request</h1>\n<p>${text}</p>\n</body>\n</html>`
  return html(exchange, 400, page, { 'content-type': 'text/html; charset=utf-8' })
}

type Order = {
  readonly key: PublicKey
  readonly user: string
  readonly keyId: (serial: bigint) => string
  readonly expiresAt: number
  readonly bindingExpiresAt: number
  readonly label: string | undefined
  readonly sourceAddress: string | undefined
}

const issue = (exchange: Exchange, order: Order) => {
  const { key, user, expiresAt, bindingExpiresAt, label, sourceAddress } = order
  const serial = newSerial(exchange.state)
  const issuedAt = currentTime(exchange)
  const keyId = order.keyId(serial)
  const certificate = signCertificate({ key, serial, keyId, principal: user, issuedAt, expiresAt, sourceAddress })
  const entry: Certificate = {
    fingerprint: fingerprintOf(key),
    label,
    serial,
    keyId,
    issuedAt,
    expiresAt: bindingExpiresAt,
    principals: user,
    hop: label === undefined,
    revokedAt: undefined,
    revokedBy: undefined,
    reason: undefined,
  }
  const list = certificatesOf(exchange.state, user)
  const old = list.findIndex((other) => other.fingerprint === entry.fingerprint)
  if (old >= 0) {
    const replaced = list.splice(old, 1)[0]!
    if (!replaced.hop) exchange.state.revokedSerials.add(replaced.serial)
  }
  list.push(entry)
  return { certificate, entry }
}

/** POST /ssh/sign: needs the cookie, a bearer does not log in. */
export const signKey = (exchange: Exchange): Response => {
  const { state, login } = exchange
  if (login === undefined) return demandLogin(exchange)
  const body = readJson(exchange)
  if (body instanceof Response) return body
  const key = parsePublicKey(scalar(body.public_key))
  if (key === undefined) return badRequest(exchange, 'Invalid SSH public key format')
  const label = scalar(body.label) || key.comment
  if (label === '') return badRequest(exchange, 'label parameter required')
  const now = currentTime(exchange)
  const list = certificatesOf(state, login)
  const taken = list.some(
    (entry) => entry.label === label && entry.fingerprint !== fingerprintOf(key) && entry.revokedAt === undefined,
  )
  if (taken) return json(exchange, 409, { error: 'Label already used for another key' })
  if (!decodes(key)) return json(exchange, 500, { error: 'Failed to sign SSH key' })
  // The live session writes back its stale copy, and with it forgets what an administrator revoked. The list keeps it.
  for (const entry of list) if (entry.revokedBy !== login) entry.revokedAt = undefined
  const expiresAt = now + Math.min(Number(body.validity_days ?? 30), 365) * 86400
  const keyId = (serial: bigint) => `${login}@llng-${now}-${serial}`
  const order = { key, user: login, keyId, expiresAt, bindingExpiresAt: expiresAt, label, sourceAddress: undefined }
  const { certificate, entry } = issue(exchange, order)
  return json(exchange, 200, {
    certificate,
    serial: entry.serial.toString(),
    valid_until: new Date(expiresAt * 1000).toISOString().replace(/\.\d+Z$/, 'Z'),
    principals: [login],
    key_id: entry.keyId,
    label,
    fingerprint: entry.fingerprint,
  })
}

const statusOf = (entry: Certificate, now: number): string => {
  if (entry.revokedAt !== undefined) return 'revoked'
  return entry.expiresAt > now ? 'active' : 'expired'
}

const listed = (entry: Certificate, now: number) => ({
  serial: entry.serial.toString(),
  key_id: entry.keyId,
  principals: entry.principals,
  issued_at: entry.issuedAt,
  expires_at: entry.expiresAt,
  status: statusOf(entry, now),
})

/** GET /ssh/mycerts. */
export const ownCertificates = (exchange: Exchange): Response => {
  if (exchange.login === undefined) return demandLogin(exchange)
  const now = currentTime(exchange)
  const mine = certificatesOf(exchange.state, exchange.login).filter((entry) => !entry.hop)
  return json(exchange, 200, {
    certificates: mine.map((entry) => ({
      ...listed(entry, now),
      label: entry.label,
      fingerprint: entry.fingerprint,
    })),
  })
}

/** GET /ssh/certs: the administrator's list knows neither label nor fingerprint. */
export const allCertificates = (exchange: Exchange): Response => {
  const { state, login, query } = exchange
  if (login === undefined) return demandLogin(exchange)
  if (state.users.get(login)?.admin !== true) return forbidden(exchange)
  const now = currentTime(exchange)
  const found = [...state.certificates].flatMap(([user, entries]) =>
    entries
      .filter((entry) => !entry.hop && (query.get('user') ?? user) === user)
      .filter((entry) => (query.get('status') ?? statusOf(entry, now)) === statusOf(entry, now))
      .map((entry) => ({
        ...listed(entry, now),
        user,
        session_id: sessionIdOf(user),
        revoked_at: entry.revokedAt ?? null,
        revoked_by: entry.revokedBy ?? null,
        revoke_reason: entry.reason ?? null,
      })),
  )
  const limit = Math.min(Number(query.get('limit') ?? 100), 1000)
  const offset = Number(query.get('offset') ?? 0)
  return json(exchange, 200, { certificates: found.slice(offset, offset + limit), total: found.length, limit, offset })
}

const revokeEntry = (exchange: Exchange, user: string, serial: string, reason: string) => {
  const entry = certificatesOf(exchange.state, user).find((item) => item.serial.toString() === serial)
  if (entry === undefined) return json(exchange, 404, { error: 'Certificate not found' })
  if (entry.revokedAt !== undefined) return json(exchange, 400, { error: 'Certificate already revoked' })
  entry.revokedAt = currentTime(exchange)
  entry.revokedBy = exchange.login
  entry.reason = reason
  exchange.state.revokedSerials.add(entry.serial)
  return { result: 1, serial, key_id: entry.keyId, revoked_at: entry.revokedAt, krl_updated: true }
}

/** POST /ssh/myrevoke. */
export const revokeOwn = (exchange: Exchange): Response => {
  if (exchange.login === undefined) return demandLogin(exchange)
  const body = readJson(exchange)
  if (body instanceof Response) return body
  const done = revokeEntry(exchange, exchange.login, scalar(body.serial), '')
  return done instanceof Response ? done : json(exchange, 200, done)
}

/** POST /ssh/revoke. */
export const revokeAny = (exchange: Exchange): Response => {
  const { state, login } = exchange
  if (login === undefined) return demandLogin(exchange)
  if (state.users.get(login)?.admin !== true) return forbidden(exchange)
  const body = readJson(exchange)
  if (body instanceof Response) return body
  const session = scalar(body.session_id)
  const serial = scalar(body.serial)
  if (session === '' || serial === '') return badRequest(exchange, 'session_id and serial required')
  const user = [...state.users.keys()].find((name) => sessionIdOf(name) === session)
  if (user === undefined) return json(exchange, 404, { error: 'Session not found' })
  const done = revokeEntry(exchange, user, serial, scalar(body.reason))
  return done instanceof Response ? done : json(exchange, 200, { ...done, user, revoked_by: login })
}

/** POST /pam/bastion-token: what machine am I, or a signed word about a user. */
export const bastionToken = async (exchange: Exchange): Promise<Response> => {
  const { state, origin } = exchange
  const asked = await readScoped(exchange)
  if (asked instanceof Response) return asked
  const { server, body } = asked
  const group = state.settings.serverGroups?.[server.clientId] ?? (scalar(body.bastion_group) || 'default')
  const bastion = bastionId(server)
  if (body.probe === true) return json(exchange, 200, { bastion_id: bastion, server_group: group, probe: true })
  const name = scalar(body.user)
  if (name === '') return json(exchange, 400, { error: 'Missing user parameter' })
  const user = state.users.get(name)
  if (user === undefined || !state.seen.has(name)) {
    return json(exchange, 403, { error: 'User has never authenticated on this portal via pam-access' })
  }
  const iat = currentTime(exchange)
  const jwt = await signJwt(
    state.tokenKey,
    { typ: 'JWT' },
    {
      iss: `${origin}/`,
      aud: 'pam:bastion-backend',
      sub: name,
      iat,
      exp: iat + 300,
      jti: crypto.randomUUID(),
      bastion_id: bastion,
      bastion_group: group,
      bastion_ip: '127.0.0.1',
      target_host: scalar(body.target_host),
      target_group: scalar(body.target_group) || 'default',
      user_groups: shuffle(user.groups, state.settings.random),
    },
  )
  return json(exchange, 200, { bastion_jwt: jwt, expires_in: 300 })
}

const bastionRequestFault = (user: unknown, key: string, voucher: string): string | undefined => {
  if (!user) return 'Missing user parameter'
  if (/[\s,/;]/.test(scalar(user))) return 'Invalid user parameter'
  if (key === '') return 'Missing public_key parameter'
  if (voucher === '') return 'Missing voucher parameter'
  return parsePublicKey(key) === undefined ? 'Invalid SSH public key format' : undefined
}

/** POST /pam/bastion-cert: two minutes for one hop, paid with the voucher of a login on this very bastion. */
export const bastionCertificate = async (exchange: Exchange): Promise<Response> => {
  const { state } = exchange
  const asked = await readScoped(exchange)
  if (asked instanceof Response) return asked
  const { server, body } = asked
  const voucher = scalar(body.voucher)
  const fault = bastionRequestFault(body.user, scalar(body.public_key), voucher)
  if (fault !== undefined) return json(exchange, 400, { error: fault })
  const user = scalar(body.user)
  const key = parsePublicKey(scalar(body.public_key))!
  const now = currentTime(exchange)
  const kept = state.vouchers.get(`${bastionId(server)} ${user}`)
  if (kept === undefined || kept.expiresAt <= now) {
    return json(exchange, 403, { error: 'voucher_rejected', reason: 'voucher_expired' })
  }
  if (kept.nonce !== voucher) return json(exchange, 403, { error: 'voucher_rejected', reason: 'voucher_mismatch' })
  if (!decodes(key)) return json(exchange, 500, { error: 'Failed to sign certificate' })
  const keyId = `bastion=${bastionId(server)};user=${user};target=${scalar(body.target_host)}`
  const { certificate, entry } = issue(exchange, {
    key,
    user,
    keyId: () => keyId,
    expiresAt: now + state.settings.certificateSeconds,
    bindingExpiresAt: now + 86400,
    label: undefined,
    sourceAddress: state.settings.pinSourceAddress ? '127.0.0.1' : undefined,
  })
  return json(exchange, 200, {
    certificate,
    expires_in: state.settings.certificateSeconds,
    serial: entry.serial.toString(),
    key_id: keyId,
  })
}
