// What was made before or between the recorded exchanges, and is made here just before the exchange that needs it.
import { importJWK, SignJWT } from 'jose'
import { decodeJwt } from './compare.ts'
import type { Portal } from './portal.ts'
import { clientKey, exchanges, formToken, main, originOf, portalOf, type Replay } from './replay.ts'

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

/** Steps to take just before an exchange. */
export const prepare: ReadonlyMap<string, Prepare> = new Map<string, Prepare>([
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
  ['14.225', enroll({}, '13c94afd')],
  ['14.237', mint('08b1c8de', 'msmith')],
  ['15.238', enroll({}, '5e092cb3', '4df2540e', '15.238')],
  ['15.240', enroll({ client_id: 'pam-pkce' }, '61faa486', undefined, '15.240')],
  ['15.245', later(33)],
  ['15.249', heartbeat('4df2540e', '51f1a634', '15.249')],
  ['15.251', logIn('5ae1e026', 'dwho', '15.251')],
])

export const readCookie = (replay: Replay, id: string, live: Response): void => {
  const cookie = /lemonldap=([0-9a-f]{64})/.exec(live.headers.get('set-cookie') ?? '')?.[1]
  if (id === '16.254' && cookie !== undefined) set(replay, '6eb5c0bf', cookie)
}
