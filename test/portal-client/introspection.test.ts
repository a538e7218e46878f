// Access tokens as proof: whole auth phases against the stand-in portal's introspection.
import { expect, test } from 'bun:test'
import { parseIntrospection } from '../../src/portal-client/introspection-format.ts'
import { fuzzText } from '../fakes/mutate.ts'
import { audited } from '../fakes/world.ts'
import { enrolledHost } from '../modes/host.ts'

const user = { PAM_USER: 'rtyler' }
const asTokens = 'oauth2_token_auth = true\noauth2_token_clients = pam-user'

/** A host where people type access tokens, and a token of one. */
async function host(config = asTokens, wanted: { readonly client_id?: string; readonly scope?: string } = {}) {
  const made = await enrolledHost({ config })
  const enrollment = { client_id: 'pam-user', user: 'rtyler', scope: 'openid profile', ...wanted }
  const { access_token: token } = await made.portal.control.enroll(enrollment)
  return { ...made, token }
}

const counted = (made: Awaited<ReturnType<typeof host>>): number =>
  [...made.world.disk.keys()].filter((path) => /\/ratelimit\/[0-9a-f]/.test(path)).length

test('an access token opens the door as often as it is typed, and /pam/verify is never asked', async () => {
  const { phase, portal, token, world } = await host()
  for (let i = 0; i < 3; i++) {
    expect((await phase('auth', user, token)).outcome).toBe('allowed access-token-accepted')
    // Later than this host remembers what the portal said.
    world.clock.now += 301
  }
  const paths = portal.control.requests().map(({ path }) => path)
  expect(paths).toEqual(['/.well-known/openid-configuration', ...Array(3).fill('/oauth2/introspect')])
  expect([...world.disk.keys()].filter((path) => path.includes('/claims/'))).toEqual([])
})

const refusals: readonly (readonly [string, string, Parameters<typeof host>[1], string])[] = [
  ['of an application that is not named', 'oauth2_token_auth = true', {}, 'denied token-unsuitable'],
  ['of a server that a person enrolled', asTokens, { scope: 'pam:server' }, 'denied token-unsuitable'],
  ['of an organization', asTokens, { client_id: 'pam-access' }, 'denied token-of-another-user'],
  ['that ends too soon', `${asTokens}\noauth2_token_min_ttl = 3600`, {}, 'denied token-expiring'],
]
test.each(refusals)('an access token %s is refused and counted', async (_name, config, wanted, expected) => {
  const made = await host(config, wanted)
  made.world.clock.now += 1
  expect((await made.phase('auth', user, made.token)).outcome).toBe(expected)
  expect(counted(made)).toBe(1)
})

test('what the portal does not know is rejected, and after some of it nobody is asked', async () => {
  const made = await host(`${asTokens}\nrate_limit_max_attempts = 2`)
  expect((await made.phase('auth', user, 'guess1'.padEnd(40, 'x'))).outcome).toBe('denied token-rejected')
  expect((await made.phase('auth', user, 'guess2'.padEnd(40, 'x'))).outcome).toBe('denied token-rejected')
  made.portal.control.forgetRequests()
  expect((await made.phase('auth', user, made.token)).outcome).toBe('denied locked-out')
  expect(made.portal.control.requests()).toEqual([])
})

test('a token renewed by the heartbeat is unknown to the portal’s introspection', async () => {
  const made = await host()
  made.portal.control.expireAccessTokens()
  expect((await made.phase('account', user)).outcome).toBe('allowed portal-allowed')
  const renewed = JSON.parse(new TextDecoder().decode(made.world.disk.get('/var/lib/open-bastion/token')?.data))
  expect((await made.phase('auth', user, renewed.access_token)).outcome).toBe('denied token-rejected')
})

test('another user’s access token is a security event', async () => {
  const { phase, token, world } = await host()
  expect((await phase('auth', { PAM_USER: 'dwho' }, token)).outcome).toBe('denied token-of-another-user')
  expect(audited(world).at(-1)).toMatchObject({ event_type: 'SECURITY_ERROR' })
})

const answers = [
  ['away', { kind: 'down', status: 503 }, 'unavailable portal-unreachable'],
  ['a login page', { kind: 'html' }, 'unavailable portal-out-of-order'],
  ['active as a text', { kind: 'wrong-member', member: 'active', value: 'true' }, 'unavailable portal-garbled'],
  ['without a subject', { kind: 'wrong-member', member: 'sub' }, 'unavailable portal-garbled'],
  ['without an end', { kind: 'wrong-member', member: 'exp' }, 'unavailable portal-garbled'],
  ['an end in words', { kind: 'wrong-member', member: 'exp', value: '2099' }, 'unavailable portal-garbled'],
  ['another type', { kind: 'wrong-member', member: 'token_type', value: 'DPoP' }, 'denied token-unsuitable'],
  ['no scope', { kind: 'wrong-member', member: 'scope' }, 'allowed access-token-accepted'],
] as const
test.each(answers)('an answer that is %s: %#', async (_name, fault, expected) => {
  const { phase, portal, token } = await host()
  portal.control.fault({ ...fault, path: '/oauth2/introspect' })
  expect((await phase('auth', user, token)).outcome).toBe(expected)
})

test('a portal that refuses this host as a client is a broken host, and says how it was asked', async () => {
  const { phase, token, world } = await host(`${asTokens}\nclient_secret = wrong`)
  expect((await phase('auth', user, token)).outcome).toBe('unavailable portal-refuses-host')
  expect(String(audited(world).at(-1)?.['details'])).toContain('client_secret_jwt')
})

test('a host that cannot prove itself says so, and asks nobody', async () => {
  const { phase, portal, token, world } = await host(`${asTokens}\nclient_secret =`)
  expect((await phase('auth', user, token)).outcome).toBe('unavailable fault')
  expect(String(audited(world).at(-1)?.['details'])).toContain('client_key_file')
  expect(portal.control.requests()).toEqual([])
})

test('an introspection endpoint elsewhere is never asked', async () => {
  const { phase, portal, token, world } = await host()
  portal.control.fault({
    kind: 'wrong-member',
    path: '/.well-known/openid-configuration',
    member: 'introspection_endpoint',
    value: 'https://evil.test/i',
  })
  expect((await phase('auth', user, token)).outcome).toBe('unavailable fault')
  expect(portal.control.requests().map(({ path }) => path)).not.toContain('/oauth2/introspect')
  expect(audited(world).at(-1)).toMatchObject({ event_type: 'CONFIG_ERROR' })
})

test('the access token is in no log', async () => {
  const { phase, token, world } = await host('oauth2_token_auth = true')
  await phase('auth', user, token)
  expect(JSON.stringify(audited(world)) + world.logged.join()).not.toContain(token)
})

test('a token may end at any second but the first', () => {
  const ending = (exp: number) => parseIntrospection({ active: true, sub: 'alice', exp }, 0)
  expect(ending(0).kind).toBe('garbled')
  expect(ending(1)).toMatchObject({ kind: 'active', secondsLeft: 1 })
})

test('what an answer leaves out is empty, and the log says so', () => {
  const least = { active: true, sub: 'alice', exp: 90 }
  expect(parseIntrospection(least, 30)).toEqual({
    kind: 'active',
    subject: 'alice',
    client: '',
    scopes: [],
    bearer: true,
    secondsLeft: 60,
    detail: 'bearer token of client (unnamed), scope (none), 60 s left',
  })
  const whole = { ...least, client_id: 'pam-user', scope: ' openid  profile', token_type: 'BEARER' }
  expect(parseIntrospection(whole, 30.5)).toMatchObject({
    client: 'pam-user',
    scopes: ['openid', 'profile'],
    bearer: true,
    secondsLeft: 59,
    detail: 'BEARER token of client pam-user, scope  openid  profile, 59 s left',
  })
})

test('no answer, however damaged, is believed without its members', () => {
  const good = JSON.stringify({ active: true, sub: 'alice', exp: 2_000_000_000, client_id: 'c', scope: 'openid' })
  fuzzText([good], (text) => {
    let json: unknown
    try {
      json = JSON.parse(text)
    } catch {
      return
    }
    const parsed = parseIntrospection(json, 1_800_000_000)
    if (parsed.kind !== 'active') return
    expect(json).toMatchObject({ active: true, sub: parsed.subject })
  })
})
