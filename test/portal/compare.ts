// Whether a live answer is the recorded one: status, type of content, members, and every value that is not chance or
// time.
import { expect } from 'bun:test'
import { formToken, learn, type Recorded, type Replay, translate } from './replay.ts'

/** Members whose value is chance or time: only type and shape are compared. */
const opaque = new Set(
  `device_code user_code verification_uri_complete access_token refresh_token id_token token id sid server_time iat exp nbf
  bastion_id bastion_voucher bastion_jwt certificate serial ssh_cert_serial key_id valid_until issued_at expires_at
  revoked_at session_id n e x y x5c x5t`.split(/\s+/),
)

const shapeOf = (value: unknown): unknown => {
  if (typeof value !== 'string') return value === null ? 'null' : typeof value
  return value
    .replace(/eyJ[\w-]+\.[\w-]+\.[\w-]+/g, '<jwt>')
    .replace(/-cert-v01@openssh\.com [A-Za-z0-9+/=]+/, '-cert <blob>')
    .replace(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '<uuid>')
    .replace(/[0-9a-f]{64}/g, '<hex64>')
    .replace(/^[0-9a-f]{32}$/, '<hex32>')
    .replace(/\d{10}_\d+/, '<form token>')
    .replace(/\d{19}/, '<serial>')
    .replace(/\d{10}/, '<seconds>')
    .replace(/[B-DF-HJ-NP-TV-XZ]{4}(-?)[B-DF-HJ-NP-TV-XZ]{4}/, '<code>$1')
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/, '<instant>')
    .replace(/^MII[A-Za-z0-9+/=]+$/, '<x509>')
    .replace(/^[\w+/-]{22,}$/, '<base64>')
}

const sorted = (items: readonly unknown[]): readonly unknown[] => items.map((item) => JSON.stringify(item)).sort()

/** Reduces an answer to what must be equal: opaque members to their shape, lists to sets. */
const normalize = (value: unknown, name = ''): unknown => {
  if (Array.isArray(value)) return sorted(value.map((item) => normalize(item, name)))
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value)
        .sort(([one], [other]) => (one < other ? -1 : 1))
        .map(([member, item]) => [member, normalize(item, member)]),
    )
  }
  return opaque.has(name) ? shapeOf(value) : value
}

const mediaType = (type: string | null | undefined): string => (type ?? '').replace(/\s*;.*$/, '')

/** The words by which a page is told from another: translation keys, message codes, form names. */
const marks = (page: string): readonly string[] =>
  [
    ...page.matchAll(
      /(?:trspan|trmsg)="\w+"|id="(?:lform|deviceform|pamTokenForm|errorcontent|logincontent)"|window\.location='[^']+'|<p>[\w ]+<\/p>/g,
    ),
  ]
    .map(([mark]) => mark)
    // Decoration of the bootstrap skin around what matters.
    .filter((mark) => !/trspan="(?:goToPortal)"/.test(mark))

export const decodeJwt = (jwt: string): readonly unknown[] =>
  jwt
    .split('.')
    .slice(0, 2)
    .map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()))

const compareJwts = (recorded: unknown, live: unknown): void => {
  if (typeof recorded !== 'object' || recorded === null || typeof live !== 'object' || live === null) return
  const other = new Map(Object.entries(live))
  for (const [name, value] of Object.entries(recorded)) {
    if (typeof value !== 'string' || !/^eyJ[\w-]+\.eyJ/.test(value)) continue
    const names = ([header, claims]: readonly unknown[]) =>
      [header, claims].map((part) => Object.keys(part as object).sort())
    expect(names(decodeJwt(other.get(name) ?? ''))).toEqual(names(decodeJwt(value)))
  }
}

/** The authority's key and the revocation list, whose bytes are ours. */
const plainShape = (body: string): string =>
  body
    .replace(/^ssh-ed25519 AAAA[\w+/=]+/, 'ssh-ed25519 <blob>')
    .replace(/^SSHKRL\n.*$/s, '<revocations>')
    .replace(/^\[137 bytes\].*$/, '<revocations>')

export const compareBody = (replay: Replay, { response }: Recorded, body: string): void => {
  if (response.json !== undefined) {
    const live: unknown = JSON.parse(body)
    expect(normalize(live)).toEqual(normalize(response.json))
    compareJwts(response.json, live)
    learn(replay, response.json, live)
    return
  }
  const recorded = response.body ?? ''
  const isEmpty = recorded === '(empty body)' || recorded.startsWith('[0 bytes]')
  if (mediaType(response.headers['content-type']) === 'text/html') {
    expect(marks(body)).toEqual(expect.arrayContaining([...marks(translate(replay, recorded))]))
    const [before, after] = [formToken.exec(recorded)?.[1], formToken.exec(body)?.[1]]
    expect(after === undefined).toBe(before === undefined && !/id="(?:lform|deviceform)"/.test(body))
    if (before !== undefined && after !== undefined) replay.live.set(before, after)
    return
  }
  expect(plainShape(body)).toBe(isEmpty ? '' : plainShape(recorded))
}

export const compare = async (replay: Replay, recorded: Recorded, live: Response): Promise<void> => {
  const { headers } = recorded.response
  expect(live.status).toBe(recorded.response.status)
  const type = live.headers.get('content-type')
  if (headers['content-type'] !== undefined) expect(mediaType(type)).toBe(mediaType(headers['content-type']))
  if (mediaType(type) === 'application/json') expect(type).toBe('application/json; charset=utf-8')
  expect(live.headers.get('www-authenticate')).toBe(headers['www-authenticate'] ?? null)
  const { location } = headers
  expect(live.headers.get('location')).toBe(location === undefined ? null : translateLocation(replay, location))
  const binary = mediaType(type) === 'application/octet-stream'
  const bytes = await live.bytes()
  compareBody(replay, recorded, binary ? Buffer.from(bytes).toString('latin1') : new TextDecoder().decode(bytes))
  if (recorded.response.body?.startsWith('[137 bytes]')) expect(bytes.length).toBe(137)
}

// The wanted address travels in base64.
const translateLocation = (replay: Replay, location: string): string => {
  const wanted = /\?url=(.+)$/.exec(location)?.[1]
  if (wanted === undefined) return location
  const address = translate(replay, Buffer.from(decodeURIComponent(wanted), 'base64').toString())
  return `${location.slice(0, -wanted.length)}${encodeURIComponent(Buffer.from(address).toString('base64'))}`
}
