// Replays what a real portal was recorded to answer. Identifiers differ, so recorded ones are mapped to live ones
// in the order in which answers bring them; what was made before or between the recordings is made by `prepare`.
import { expect, test } from 'bun:test'
import { generateKeyPairSync } from 'node:crypto'
import { importJWK, SignJWT } from 'jose'
import { createPortal, type Portal } from './portal.ts'

type Recorded = {
  readonly id: string
  readonly section: string
  readonly title: string
  readonly request: {
    readonly method: string
    readonly path: string
    readonly headers: Readonly<Record<string, string>>
    readonly body?: string
  }
  readonly response: {
    readonly status: number
    readonly headers: Readonly<Record<string, string>>
    readonly json?: unknown
    readonly body?: string
  }
}

const vectors = new URL('../vectors/portal-exchanges.json', import.meta.url)
const exchanges = (await Bun.file(vectors).json()) as readonly Recorded[]

/** Nothing is left out today; an exchange that cannot be replayed is named here with the reason. */
const outOfScope: ReadonlyMap<string, string> = new Map<string, string>([])

const recordedAt = 1_795_307_527
const main = 'https://auth.example.test:19081'
const plain = 'http://auth.example.test:19080'
const strict = 'https://auth.example.test:19082'

const clientKey = generateKeyPairSync('rsa', { modulusLength: 2048 })

type Replay = {
  readonly portals: { readonly main: Portal; readonly strict: Portal }
  /** Recorded text to live text. */
  readonly live: Map<string, string>
  now: number
}

const createReplay = (): Replay => {
  const replay: Replay = {
    now: recordedAt,
    live: new Map(),
    portals: {
      main: createPortal({
        url: main,
        aliases: [plain, 'https://127.0.0.1:19081'],
        now: () => replay.now,
        clients: {
          'pam-pkjwt': {
            secret: 'unused',
            method: 'jwt',
            owner: 'organization',
            deviceGrant: true,
            keys: [{ ...clientKey.publicKey.export({ format: 'jwk' }), kid: 'client-key-1' }],
          },
        },
      }),
      strict: createPortal({
        url: strict,
        now: () => replay.now,
        deviceSeconds: 30,
        interval: 2,
        accessSeconds: 20,
        voucherSeconds: 30,
        certificateSeconds: 60,
        pinSourceAddress: true,
        serverGroups: { 'pam-access': 'bastion' },
      }),
    },
  }
  return replay
}

const originOf = (id: string): string => {
  if (id === '1.3' || id.startsWith('16.')) return plain
  return id.startsWith('15.') ? strict : main
}

const portalOf = (replay: Replay, id: string): Portal =>
  originOf(id) === strict ? replay.portals.strict : replay.portals.main

const translate = (replay: Replay, text: string): string => {
  let out = text
  for (const [recorded, live] of replay.live) out = out.replaceAll(recorded, live)
  return out
}

const requestOf = (replay: Replay, { id, request }: Recorded): Request => {
  const origin = id === '16.260' ? 'https://127.0.0.1:19081' : originOf(id)
  const headers = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [name, translate(replay, value)]),
  )
  const body = request.body === undefined ? null : translate(replay, request.body)
  return new Request(`${origin}${translate(replay, request.path)}`, { method: request.method, headers, body })
}

// ---- learning identifiers ----

const learned =
  /^(?:[0-9a-f]{64}|\d{10}_\d+|[B-Z]{4}-[B-Z]{4}|eyJ[\w.-]+|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{19}|.*-\d{10}-\d{19}|[0-9a-f]{32})$/

const learn = (replay: Replay, recorded: unknown, live: unknown): void => {
  if (typeof recorded === 'string' && typeof live === 'string') {
    // Lists come in any order: the first meeting counts.
    if (recorded === live || replay.live.has(recorded) || !learned.test(recorded)) return
    replay.live.set(recorded, live)
    if (recorded[4] === '-') replay.live.set(recorded.replace('-', ''), live.replace('-', ''))
    return
  }
  if (typeof recorded !== 'object' || recorded === null || typeof live !== 'object' || live === null) return
  const other = new Map(Object.entries(live))
  for (const [name, value] of Object.entries(recorded)) learn(replay, value, other.get(name))
}

const formToken = /name="token" value="(\d+_\d+)"/

// ---- comparing ----

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
    .replace(/^[\w-]{22,}$/, '<base64url>')
    .replace(/^[\w+/]{43}$/, '<base64>')
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

const decodeJwt = (jwt: string): readonly unknown[] =>
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

const compareBody = (replay: Replay, { response }: Recorded, body: string): void => {
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

const compare = async (replay: Replay, recorded: Recorded, live: Response): Promise<void> => {
  const { headers } = recorded.response
  expect(live.status).toBe(recorded.response.status)
  const type = live.headers.get('content-type')
  if (headers['content-type'] !== undefined) expect(mediaType(type)).toBe(mediaType(headers['content-type']))
  if (mediaType(type) === 'application/json') expect(type).toBe('application/json; charset=utf-8')
  expect(live.headers.get('www-authenticate')).toBe(headers['www-authenticate'] ?? null)
  const location = headers.location
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

// ---- what happened off the record ----

type Prepare = (replay: Replay) => void | Promise<void>

/** Finds the one long identifier that starts so. */
const recordedId = (start: string): string => {
  const found = new Set(
    JSON.stringify(exchanges).match(new RegExp(`(?<![0-9a-f])${start}[0-9a-f]{${64 - start.length}}`, 'g')),
  )
  if (found.size !== 1) throw new Error(`${found.size} identifiers start with ${start}`)
  return [...found][0]!
}

const set = (replay: Replay, start: string, live: string): void => {
  replay.live.set(recordedId(start), live)
}

const logIn =
  (start: string, user: string, id = '2.0'): Prepare =>
  (replay) =>
    set(replay, start, portalOf(replay, id).control.login({ user }))

const mint =
  (start: string, user: string, duration = 600): Prepare =>
  (replay) =>
    set(replay, start, replay.portals.main.control.mintToken({ user, duration }))

type EnrollRequest = Parameters<Portal['control']['enroll']>[0]

const enroll =
  (request: EnrollRequest, access: string, refresh?: string, id = '2.0'): Prepare =>
  (replay) => {
    const made = portalOf(replay, id).control.enroll(request)
    if (access !== '') set(replay, access, made.access_token)
    if (refresh !== undefined) set(replay, refresh, made.refresh_token)
  }

const startDevice = async (replay: Replay, code: string, clientId: string, scope: string): Promise<string> => {
  const answer = await replay.portals.main.handle(
    new Request(`${main}/oauth2/device`, {
      method: 'POST',
      body: new URLSearchParams({ client_id: clientId, client_secret: 'pamsecret', scope }),
    }),
  )
  const started = (await answer.json()) as { readonly device_code: string; readonly user_code: string }
  set(replay, code, started.device_code)
  return started.user_code
}

const approved =
  (code: string, clientId: string, scope: string): Prepare =>
  async (replay) =>
    replay.portals.main.control.approve({ user_code: await startDevice(replay, code, clientId, scope) })

const offered =
  (code: string, userCode: string, clientId: string): Prepare =>
  async (replay) => {
    const live = await startDevice(replay, code, clientId, 'pam:server offline_access')
    replay.live.set(userCode, live.replace('-', ''))
  }

const heartbeat =
  (refresh: string, access: string, id = '2.0'): Prepare =>
  async (replay) => {
    const answer = await portalOf(replay, id).handle(
      new Request(`${originOf(id)}/pam/heartbeat`, {
        method: 'POST',
        body: JSON.stringify({ refresh_token: replay.live.get(recordedId(refresh)) }),
      }),
    )
    const renewed = (await answer.json()) as { readonly access_token: string }
    set(replay, access, renewed.access_token)
  }

const later =
  (seconds: number): Prepare =>
  (replay) => {
    replay.now += seconds
  }

const tamper: Prepare = (replay) => {
  for (const { response } of exchanges.filter(({ id }) => id === '6.95' || id === '6.98')) {
    const { access_token: recorded } = response.json as { readonly access_token: string }
    const live = replay.live.get(recorded)
    if (live === undefined) continue
    const broken = (jwt: string) => `${jwt.slice(0, -6)}AAAAAA`
    replay.live.set(broken(recorded), broken(live))
  }
}

const signAssertion: Prepare = async (replay) => {
  const { body = '' } = exchanges.find(({ id }) => id === '3.19')!.request
  const recorded = new URLSearchParams(body).get('client_assertion')!
  const key = await importJWK({ ...clientKey.privateKey.export({ format: 'jwk' }), alg: 'RS256' }, 'RS256')
  const [header, claims] = decodeJwt(recorded) as [{ alg: string; kid: string }, Record<string, unknown>]
  replay.live.set(recorded, await new SignJWT(claims).setProtectedHeader(header).sign(key))
}

const all =
  (...steps: readonly Prepare[]): Prepare =>
  async (replay) => {
    for (const step of steps) await step(replay)
  }

const fetchFormToken: Prepare = async (replay) => {
  const answer = await replay.portals.main.handle(new Request(`${main}/`, { headers: { accept: 'application/json' } }))
  const { token } = (await answer.json()) as { readonly token: string }
  replay.live.set('1795235647_32330', token)
}

const approveAs =
  (userCode: string, user: string): Prepare =>
  (replay) =>
    replay.portals.main.control.approve({ user_code: replay.live.get(userCode) ?? '', user })

const endSessions: Prepare = async (replay) => {
  const code = await startDevice(replay, 'baeb3f54', 'pam-access', 'pam:server')
  const { control, handle } = replay.portals.main
  const session = control.login({ user: 'dwho' })
  const headers = { cookie: `lemonldap=${session}` }
  const page = await (await handle(new Request(`${main}/device`, { headers }))).text()
  const body = new URLSearchParams({ token: formToken.exec(page)![1]!, user_code: code, action: 'approve' })
  await handle(new Request(`${main}/device`, { method: 'POST', headers, body }))
  await handle(new Request(`${main}/?logout=1`, { headers }))
}

const adminSession: Prepare = (replay) => {
  // Which persistent session is whose is known from the list, one exchange before.
  expect(replay.live.has('8d3bc3b0e14ea2a155f275aa7c07ebee')).toBe(true)
}

/** Steps to take just before an exchange. */
const prepare: ReadonlyMap<string, Prepare> = new Map<string, Prepare>([
  ['2.8', fetchFormToken],
  ['3.19', signAssertion],
  ['4.40', later(6)],
  ['4.42', logIn('58fbcf1b', 'msmith')],
  ['4.43', logIn('224d12f1', 'dwho')],
  ['4.55', offered('f2d13f17', 'CLQWKKRT', 'pam-access')],
  ['4.65', offered('a0f4e832', 'GWTJWCCM', 'pam-rule')],
  ['4.68', approveAs('GWTJWCCM', 'rtyler')],
  ['4.69', endSessions],
  ['5.70', enroll({ client_id: 'pam-user-rotate' }, '', 'd9e83800')],
  ['5.73', enroll({ client_id: 'pam-user' }, '', 'bb265a67')],
  ['5.74', enroll({}, '26f7a1e3', '91c54603')],
  ['6.88', heartbeat('73107000', '50b3e8aa')],
  ['6.90', enroll({}, 'ccc7f8b5', '905b620f')],
  ['6.95', approved('46ae8bef', 'pam-at-rs256', 'openid pam:server offline_access')],
  ['6.97', tamper],
  ['6.98', approved('2bc4e34a', 'pam-at-es256', 'openid pam:server offline_access')],
  ['6.100', tamper],
  ['7.102', logIn('7eb50204', 'rtyler')],
  ['8.110', mint('7cb6a2d1', 'rtyler')],
  ['8.113', all(mint('0e6e391f', 'rtyler', 2), later(4))],
  ['8.126', all(enroll({ scope: 'openid' }, '28f382bb', '00d2666c'), mint('ff9e2395', 'rtyler'))],
  ['8.127', enroll({ client_id: 'web-app', grant: 'authorization_code' }, 'b0280ef0', 'a30edb8c')],
  ['12.174', enroll({ client_id: 'pam-user' }, 'bedfa529')],
  ['13.201', mint('1786b0ff', 'rtyler')],
  ['13.202', mint('4f95118f', 'rtyler')],
  ['13.204', mint('0f473c11', 'rtyler')],
  ['13.205', adminSession],
  ['14.225', enroll({}, '13c94afd')],
  ['14.237', mint('08b1c8de', 'msmith')],
  ['15.238', enroll({}, '5e092cb3', '4df2540e', '15.238')],
  ['15.240', enroll({ client_id: 'pam-pkce' }, '61faa486', undefined, '15.240')],
  ['15.245', later(33)],
  ['15.249', heartbeat('4df2540e', '51f1a634', '15.249')],
  ['15.251', logIn('5ae1e026', 'dwho', '15.251')],
])

const readCookie = (replay: Replay, id: string, live: Response): void => {
  const cookie = /lemonldap=([0-9a-f]{64})/.exec(live.headers.get('set-cookie') ?? '')?.[1]
  if (id === '16.254' && cookie !== undefined) set(replay, '6eb5c0bf', cookie)
}

const replay = createReplay()

for (const recorded of exchanges.filter(({ id }) => !outOfScope.has(id))) {
  test(`${recorded.id} ${recorded.title}`, async () => {
    await prepare.get(recorded.id)?.(replay)
    const live = await portalOf(replay, recorded.id).handle(requestOf(replay, recorded))
    readCookie(replay, recorded.id, live)
    await compare(replay, recorded, live)
  })
}

test('every recorded exchange is replayed or excused', () => {
  expect(exchanges.length).toBe(260)
  expect([...outOfScope.keys()].filter((id) => !exchanges.some((one) => one.id === id))).toEqual([])
})
