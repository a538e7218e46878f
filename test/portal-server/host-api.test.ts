// What hosts ask, in both languages, and what is refused.
import { beforeEach, expect, test } from 'bun:test'
import { addHost, revokeHost } from '../../src/portal-server/hosts.ts'
import { openSite, pathOf, type Site } from './site.ts'

let site: Site
beforeEach(async () => {
  site = await openSite()
})

test('start answers with two different secrets and an address that fits a small QR code', async () => {
  const { status, body } = await site.start()
  expect(status).toBe(201)
  expect(body).toEqual({
    session: expect.stringMatching(/^[\w-]{22}$/),
    url: expect.stringMatching(/^https:\/\/login\.example\/w\/[A-Z2-7]{13}$/),
    expires_in: 300,
  })
  const other = (await site.start()).body
  expect(other['session']).not.toBe(body['session'])
  expect(other['url']).not.toBe(body['url'])
})

test('neither secret is in the database', async () => {
  const { body } = await site.start()
  const rows = JSON.stringify(await site.database.query('SELECT * FROM transactions'))
  expect(rows).not.toContain(String(body['session']))
  expect(rows).not.toContain(pathOf(body['url']).slice(3))
})

test.each([
  ['no credential', ''],
  ['an invented one', `Bearer obh_${'A'.repeat(43)}`],
  ['another kind', 'Basic YTpi'],
  ['a line break in it', 'Bearer obh_x%0d%0ay'],
])('%s is 401, and one audit line a minute', async (_, authorization) => {
  for (let count = 0; count < 3; count++) {
    expect(await site.start({}, authorization)).toEqual({ status: 401, body: { error: 'host_unknown' } })
    expect(await site.post('/weblogin/check', { session: 'x', code: 'y' }, authorization)).toMatchObject({
      status: 401,
    })
  }
  expect(site.audit().map(({ event_type }) => event_type)).toEqual(['HOST_REFUSED'])
})

test('a revoked host is refused at once, also for what it began', async () => {
  const { body } = await site.start()
  await revokeHost({ database: site.database, now: site.world.now, random: site.world.random }, 'web1.example.org')
  expect((await site.check(body['session'], 'BBB-BBB-BBB')).status).toBe(401)
  expect((await site.start()).status).toBe(401)
})

test.each([
  ['another host', { host: 'web2.example.org' }, 'this credential belongs to the host web1.example.org'],
  ['no host', { host: undefined }, 'host is not as it must be'],
  ['root', { user: 'root' }, 'user must be a login name, and not root'],
  ['nobody', { user: undefined }, 'user or account must be there'],
  ['a name with a blank', { user: 'a b' }, 'user must be a login name, and not root'],
  ['a name that is a list', { user: ['alice'] }, 'user is not as it must be'],
  ['two lines as address', { rhost: '192.0.2.7\nx' }, 'rhost must be an address, or empty'],
  ['no address', { rhost: undefined }, 'rhost is not as it must be'],
  ['a service with a slash', { service: '../sshd' }, 'service must be the name of a PAM service'],
  ['half a fingerprint', { key_fingerprint: 'SHA256:abc' }, 'key_fingerprint must be SHA256:…'],
  ['an approval for ever', { approval_seconds: 1e9 }, 'approval_seconds is not as it must be'],
  ['a negative one', { approval_seconds: -1 }, 'approval_seconds is not as it must be'],
  ['a text as number', { approval_seconds: '60' }, 'approval_seconds is not as it must be'],
])('start with %s is 400', async (_, over, detail) => {
  expect(await site.start(over)).toEqual({ status: 400, body: { error: 'invalid_request', detail } })
  expect(await site.database.query('SELECT * FROM transactions')).toHaveLength(0)
})

test.each(['', '{', '[]', 'null', '"x"', '{"user":', `{"user":"${'a'.repeat(9_000)}"}`])(
  'a body that is no such object is 400: %p',
  async (body) => {
    expect((await site.post('/weblogin/start', body)).status).toBe(400)
    expect((await site.post('/weblogin/check', body)).status).toBe(400)
    expect((await site.post('/pam-weblogin/start', body)).status).toBe(400)
  },
)

test('the host name counts in either letter case, and IPv6, no address and no key are fine', async () => {
  for (const over of [{ host: 'WEB1.example.org' }, { rhost: '2001:db8::1' }, { rhost: '' }, { service: 'sudo-i' }])
    expect([over, (await site.start(over)).status]).toEqual([over, 201])
})

test('one address that knocks on and on is slowed down, and others are not', async () => {
  const answers = []
  for (let count = 0; count < 80; count++) answers.push((await site.start({ rhost: '203.0.113.9' })).status)
  expect(answers.filter((status) => status === 201)).toHaveLength(60)
  expect(await site.start({ rhost: '203.0.113.9' })).toEqual({ status: 429, body: { error: 'slow_down' } })
  expect((await site.start({ rhost: '203.0.113.10' })).status).toBe(201)
  site.world.clock.now += 30
  expect((await site.start({ rhost: '203.0.113.9' })).status).toBe(201)
})

test('ten thousand logins that nobody answers are forgotten', async () => {
  for (let count = 0; count < 10_000; count++)
    await site.start({ rhost: `10.${count >> 16}.${(count >> 8) & 255}.${count & 255}` })
  expect((await site.service.figures('/metrics')).text).toContain('ob_portal_transactions 10000\n')
  expect((await site.start()).status).toBe(201)
  site.world.clock.now += 300
  await site.service.expire()
  expect(await site.database.query('SELECT * FROM transactions')).toHaveLength(0)
}, 60_000)

test('an approval that was made where a host claimed a foreign group does not open that group', async () => {
  const { database, world } = site
  const foreign = await addHost({ database, now: world.now, random: fresh }, { name: 'db1.example.org', group: 'db' })
  const wish = { key_fingerprint: `SHA256:${'A'.repeat(43)}`, approval_seconds: 3_600, host_group: 'db' }
  const alice = site.browser()
  await alice.signIn()
  const { body } = await site.start(wish)
  const path = pathOf(body['url'])
  await alice.press(path, 'confirm', { remember: '1' })
  expect(await site.check(body['session'], (await alice.codeOn(path))!)).toMatchObject({
    body: { result: 'confirmed' },
  })
  // On the very host it counts.
  expect((await site.start(wish)).status).toBe(200)
  expect((await site.start({ ...wish, host: 'db1.example.org' }, `Bearer ${foreign}`)).status).toBe(201)
})

test('an approval ends with the provider that it came from', async () => {
  const wish = { key_fingerprint: `SHA256:${'A'.repeat(43)}`, approval_seconds: 3_600, host_group: 'web' }
  const alice = site.browser()
  await alice.signIn()
  const { body } = await site.start(wish)
  const path = pathOf(body['url'])
  await alice.press(path, 'confirm', { remember: '1' })
  await site.check(body['session'], (await alice.codeOn(path))!)
  expect((await site.start(wish)).status).toBe(200)
  await site.database.query(`UPDATE approvals SET issuer = 'https://gone.example'`)
  expect((await site.start(wish)).status).toBe(201)
})

const fresh = (length: number) => crypto.getRandomValues(new Uint8Array(length))

const begin = async () => {
  const { status, body } = await site.post('/pam-weblogin/start', {
    ...{ user_id: 'alice', attribute: 'username', rhost: '192.0.2.7', cache_duration: '60', cache_per_rhost: 'true' },
    ...{ GIT_COMMIT: 'x', JSONPARSER_GIT_COMMIT: 'y' },
  })
  return { status, body, session_id: String(body['session_id']), path: pathOf(body['url']) }
}
const pin = (session_id: string, typed: unknown) => site.post('/pam-weblogin/check-pin', { session_id, pin: typed })

test('hosts with pam-weblogin’s module: from start to SUCCESS', async () => {
  const { status, body, session_id, path } = await begin()
  expect(status).toBe(201)
  expect(body).toMatchObject({ result: 'OK', cached: false, challenge: expect.stringContaining(String(body['url'])) })
  expect((await pin(session_id, 'BBBBBBBBB')).body).toMatchObject({ result: 'FAIL' })
  const alice = site.browser()
  await alice.signIn()
  await alice.press(path, 'confirm')
  const code = (await alice.codeOn(path))!
  // Its module lets through letters, digits and . _ : - in what is typed.
  expect(code).toMatch(/^[\w-]+$/)
  expect((await pin(session_id, code)).body).toEqual({
    result: 'SUCCESS',
    username: 'alice',
    info: 'Logged in',
    collaborations: [],
    groups: [{ id: 'ops', name: 'ops', short_name: 'ops', urn: 'ops' }],
  })
  expect((await pin(session_id, code)).body).toMatchObject({ result: 'TIMEOUT' })
})

test('none of its hazards: no code before the button, tries are counted, never cached, two secrets, no guess', async () => {
  const { body, session_id, path } = await begin()
  expect(JSON.stringify(body).replace(String(body['url']), '')).not.toMatch(
    /[BCDFGHJKLMNPQRSTVWXZ]{3}-[BCDFGHJKLMNPQRSTVWXZ]{3}/,
  )
  expect(path).not.toContain(session_id)
  const alice = site.browser()
  await alice.signIn()
  await alice.press(path, 'confirm')
  const code = (await alice.codeOn(path))!
  const wrong = code.startsWith('B') ? 'CCCCCCCCC' : 'BBBBBBBBB'
  expect((await pin(session_id, 1234)).body).toMatchObject({ result: 'FAIL', info: 'Wrong code, 2 tries left' })
  expect((await pin(session_id, wrong)).body).toMatchObject({ result: 'FAIL' })
  expect((await pin(session_id, wrong)).body).toMatchObject({ result: 'TIMEOUT' })
  expect((await pin(session_id, code)).body).toMatchObject({ result: 'TIMEOUT' })
  expect((await begin()).body).toMatchObject({ cached: false })
})

test('its errors are short and say what the module shows', async () => {
  expect(await site.post('/pam-weblogin/start', { user_id: 'alice' }, 'wrong')).toEqual({
    status: 401,
    body: { error: true, message: 'This host is unknown' },
  })
  expect((await site.post('/pam-weblogin/start', { user_id: 'root' })).status).toBe(400)
  expect((await site.post('/pam-weblogin/start', { rhost: '192.0.2.7' })).status).toBe(400)
  expect((await pin('short', '1234')).body).toMatchObject({ result: 'FAIL' })
})
