// Back-channel logout: a token that is not exactly one ends nothing.
import { beforeEach, expect, test } from 'bun:test'
import type { JWTPayload } from 'jose'
import { clientId, issuer } from './hostile-provider.ts'
import { base, openSite, type Site, titleOf } from './site.ts'

let site: Site
beforeEach(async () => {
  site = await openSite()
})

const event = 'http://schemas.openid.net/event/backchannel-logout'

// A member that is undefined is left out when it is signed.
const claims = (over: Readonly<Record<string, unknown>> = {}): JWTPayload =>
  ({
    ...{ iss: issuer, aud: clientId, iat: Math.floor(site.world.now()), exp: Math.floor(site.world.now()) + 120 },
    ...{ jti: crypto.randomUUID(), sub: 'sub-alice', sid: 'sid-1', events: { [event]: {} } },
    ...over,
  }) as JWTPayload

const send = async (token: string, name = 'idp'): Promise<number> => {
  const body = new URLSearchParams({ logout_token: token })
  return (await site.send(new Request(`${base}/backchannel-logout/${name}`, { method: 'POST', body }))).status
}

const signedIn = async () => {
  const browser = site.browser()
  await browser.signIn()
  return async () => titleOf(await browser.get('/me')) !== 'Sign in'
}

test.each([
  ['session and subject', {}],
  ['subject alone', { sid: undefined }],
  ['session alone', { sub: undefined }],
])('a token with %s ends the browser that it is about', async (_, over) => {
  const isIn = await signedIn()
  expect(await send(await site.provider.sign(claims(over), 'logout+jwt'))).toBe(200)
  expect(await isIn()).toBe(false)
  expect(site.audit().at(-1)).toMatchObject({ event_type: 'LOGOUT_FROM_PROVIDER', provider: 'idp' })
})

test('a token about another session or person ends nothing of this one', async () => {
  const isIn = await signedIn()
  for (const over of [{ sid: 'sid-2' }, { sub: 'sub-bob' }, { sub: undefined, sid: 'sid-2' }])
    expect(await send(await site.provider.sign(claims(over), 'logout+jwt'))).toBe(200)
  expect(await isIn()).toBe(true)
})

const old = () => Math.floor(site.world.now()) - 3_600
const bad: readonly (readonly [string, () => Promise<string>])[] = [
  ['of another issuer', () => site.provider.sign(claims({ iss: 'https://evil.example' }))],
  ['for another client', () => site.provider.sign(claims({ aud: 'other' }))],
  ['that is an ID token (nonce)', () => site.provider.sign(claims({ nonce: 'n' }))],
  ['without the event', () => site.provider.sign(claims({ events: {} }))],
  ['without events', () => site.provider.sign(claims({ events: undefined }))],
  ['without jti', () => site.provider.sign(claims({ jti: undefined }))],
  ['without iat', () => site.provider.sign(claims({ iat: undefined }))],
  ['about nobody', () => site.provider.sign(claims({ sub: undefined, sid: undefined }))],
  ['that is an hour old', () => site.provider.sign(claims({ iat: old(), exp: undefined }))],
  ['that is expired', () => site.provider.sign(claims({ exp: old() }))],
  [
    'that somebody else signed',
    async () => {
      site.provider.state.behaviour.foreignKey = true
      return site.provider.sign(claims())
    },
  ],
  [
    'that is not signed',
    async () => `${btoa('{"alg":"none"}')}.${btoa(JSON.stringify(claims()))}.`.replaceAll('=', ''),
  ],
  ['that is none', async () => 'a.b.c'],
  ['that is empty', async () => ''],
]

test.each(bad)('a token %s is refused and ends nothing', async (_, make) => {
  const isIn = await signedIn()
  expect(await send(await make())).toBe(400)
  expect(await isIn()).toBe(true)
})

test('a token counts once', async () => {
  const token = await site.provider.sign(claims(), 'logout+jwt')
  expect(await send(token)).toBe(200)
  const isIn = await signedIn()
  expect(await send(token)).toBe(400)
  expect(await isIn()).toBe(true)
})

test('who sends logout tokens without end is slowed down, and the provider is left in peace', async () => {
  const token = await site.provider.sign(claims({ nonce: 'x' }))
  const statuses: number[] = []
  for (let count = 0; count < 210; count++) statuses.push(await send(token))
  expect([statuses[0], statuses.at(-1)]).toEqual([400, 429])
  const before = site.provider.requests.length
  await send(token)
  await send('not a token')
  expect(site.provider.requests.length).toBe(before)
})

test('an unknown provider is refused; one whose keys are away is asked to try again', async () => {
  const token = await site.provider.sign(claims())
  expect(await send(token, 'other')).toBe(400)
  site.provider.state.behaviour.answers['/jwks'] = () => new Response('', { status: 503 })
  expect(await send(token)).toBe(503)
})
