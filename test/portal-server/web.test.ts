// What a browser sees and may do: looking changes nothing, a button needs our own form, and a page shows no more than
// its reader may know.
import { beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSqlite } from '../../modes/world/database/sqlite.ts'
import { openSite, pathOf, type Site, type TestBrowser, titleOf } from './site.ts'

let site: Site
beforeEach(async () => {
  site = await openSite({ service: 'session_lifetime = 3600' })
})

const person = (sub: string, preferred_username: string, more: object = {}): void => {
  site.provider.state.behaviour.person = { sub, preferred_username, ...more }
}

async function signedIn(name = 'alice', address?: string): Promise<TestBrowser> {
  person(`sub-${name}`, name)
  const browser = site.browser(address)
  await browser.signIn()
  return browser
}

async function waiting(over: object = {}): Promise<{ session: string; path: string }> {
  const { body } = await site.start(over)
  return { session: String(body['session']), path: pathOf(body['url']) }
}

const stateOf = async (): Promise<unknown> => (await site.database.query('SELECT * FROM transactions'))[0]!['state']

test('the whole way: sign in, look, press, read, type', async () => {
  const { session, path } = await waiting()
  person('sub-alice', 'alice', { groups: ['ops'] })
  const browser = site.browser()
  const first = await browser.get(path)
  expect([first.status, titleOf(first)]).toEqual([200, 'Sign in'])
  const link = /href="(\/login\/idp[^"]*)"/.exec(first.text)![1]!
  const back = await browser.signIn(link)
  expect(back.headers.get('location')).toBe(path)
  const request = await browser.get(path)
  for (const fact of ['web1.example.org', 'alice', 'ssh login', '192.0.2.7']) expect(request.text).toContain(fact)
  const pressed = await browser.press(path, 'confirm')
  expect([pressed.status, pressed.headers.get('location')]).toEqual([303, path])
  const code = await browser.codeOn(path)
  expect(await site.check(session, code!)).toMatchObject({
    body: { result: 'confirmed', user: 'alice', groups: ['ops'] },
  })
  expect(titleOf(await browser.get(path))).toBe('You are logged in')
  expect(site.audit().map(({ event_type }) => event_type)).toEqual([
    ...['WEBLOGIN_STARTED', 'SIGN_IN', 'WEBLOGIN_CODE_SHOWN', 'WEBLOGIN_CONFIRMED'],
  ])
  expect(site.world.printed.out).not.toContain(code!.replaceAll('-', ''))
  expect(site.world.printed.out).not.toContain(session)
})

test('two hundred people side by side, each with a login, a browser and a code of their own', async () => {
  const names = Array.from({ length: 200 }, (_, at) => `user${at}`)
  const people: { name: string; browser: TestBrowser; session: string; path: string }[] = []
  for (const [at, name] of names.entries()) {
    const browser = await signedIn(name, `10.0.${at}.1`)
    people.push({ name, browser, ...(await waiting({ user: name, rhost: `10.0.${at}.2` })) })
  }
  const results = await Promise.all(
    people.map(async ({ browser, path, session }) => {
      await browser.press(path, 'confirm')
      const { body } = await site.check(session, (await browser.codeOn(path)) ?? '')
      return body['user']
    }),
  )
  expect(results).toEqual(names)
}, 60_000)

test('looking changes nothing: a mail scanner that opens everything, signed in or not', async () => {
  const { path } = await waiting()
  const before = await site.database.query('SELECT * FROM transactions')
  const [stranger, alice] = [site.browser(), await signedIn()]
  const sessions = await site.database.query('SELECT * FROM sessions')
  for (const browser of [stranger, alice])
    for (const url of [
      path,
      path,
      `${path}?decision=confirm`,
      '/',
      '/me',
      '/sign-out',
      '/login/idp',
      '/callback/idp?code=a&state=b',
    ])
      await browser.get(url)
  expect(await site.database.query('SELECT * FROM transactions')).toEqual([...before])
  expect(await site.database.query('SELECT * FROM sessions')).toEqual([...sessions])
})

test('stopping is the default: the first button of the form, which Enter presses', async () => {
  const { session, path } = await waiting()
  const alice = await signedIn()
  const { text } = await alice.get(path)
  expect([...text.matchAll(/<button[^>]*value="(\w+)"/g)].map(([, value]) => value)).toEqual(['refuse', 'confirm'])
  await alice.press(path, 'refuse')
  expect(titleOf(await alice.get(path))).toBe('The login was stopped')
  expect(await site.check(session, 'BBB-BBB-BBB')).toMatchObject({ body: { result: 'refused' } })
  expect(site.audit().at(-1)).toMatchObject({
    event_type: 'WEBLOGIN_REFUSED',
    user: 'alice',
    rhost: '192.0.2.7',
    reason: 'not-me',
  })
})

test('somebody else sees nothing of the login, can press nothing, and is written down', async () => {
  const { session, path } = await waiting()
  const bob = await signedIn('bob')
  const page = await bob.get(path)
  expect([page.status, titleOf(page)]).toEqual([403, 'This login is not yours'])
  for (const fact of ['web1.example.org', 'alice', '192.0.2.7']) expect(page.text).not.toContain(fact)
  for (const decision of ['confirm', 'refuse']) expect((await bob.press(path, decision)).status).toBe(403)
  expect(await stateOf()).toBe('waiting')
  expect(await site.check(session, 'BBB-BBB-BBB')).toMatchObject({ body: { result: 'pending' } })
})

test('before the sign-in the page says nothing of the login', async () => {
  const { path } = await waiting()
  const { text } = await site.browser().get(path)
  for (const fact of ['web1.example.org', 'alice', '192.0.2.7']) expect(text).not.toContain(fact)
})

const forgeries: readonly (readonly [string, (token: string) => [Record<string, string>, Record<string, string>]])[] = [
  ['another origin', (form) => [{ form }, { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }]],
  ['no origin', (form) => [{ form }, { origin: 'null' }]],
  ['a neighbour of the same site', (form) => [{ form }, { 'sec-fetch-site': 'same-site' }]],
  ['no token', () => [{}, {}]],
  ['an invented token', () => [{ form: 'A'.repeat(43) }, {}]],
]

test.each(forgeries)('a form with %s does nothing', async (_, forge) => {
  const { path } = await waiting()
  const alice = await signedIn()
  const [fields, headers] = forge(await alice.tokenOn(path))
  for (const decision of ['confirm', 'refuse'])
    expect((await alice.form(path, { ...fields, decision }, headers)).status).toBe(403)
  expect(await stateOf()).toBe('waiting')
  expect(site.audit().at(-1)).toMatchObject({ event_type: 'REQUEST_FORGED', user: 'alice', detail: 'decide' })
})

test('a token of another login, another session or another purpose does nothing', async () => {
  const [one, two] = [await waiting(), await waiting()]
  const [alice, elsewhere] = [await signedIn(), await signedIn()]
  for (const form of [
    await alice.tokenOn(two.path),
    await elsewhere.tokenOn(one.path),
    await alice.tokenOn('/me', '/sign-out'),
  ])
    expect((await alice.form(one.path, { form, decision: 'confirm' })).status).toBe(403)
  expect(await alice.codeOn(one.path)).toBeUndefined()
})

test('a form of another kind, or a huge one, does nothing', async () => {
  const { path } = await waiting()
  const alice = await signedIn()
  const form = await alice.tokenOn(path)
  expect((await alice.form(path, { form, decision: 'confirm' }, { 'content-type': 'text/plain' })).status).toBe(403)
  expect((await alice.form(path, { form, decision: 'confirm', x: 'x'.repeat(20_000) })).status).toBe(403)
  expect(await stateOf()).toBe('waiting')
})

test('the warning about another network is given when it is another, and only then', async () => {
  const { path } = await waiting()
  const warned = async (address: string) =>
    (await (await signedIn('alice', address)).get(path)).text.includes('class="note"')
  expect(await warned('192.0.2.99')).toBe(false)
  expect(await warned('198.51.100.7')).toBe(true)
  expect(await warned('')).toBe(false)
  expect(await warned('2001:db8::1')).toBe(false)
})

test('every page forbids scripts, frames, foreign parts and caches', async () => {
  const { path } = await waiting()
  const alice = await signedIn()
  for (const url of [path, '/me', '/nothing', '/login/nobody']) {
    const { headers, text } = await alice.get(url)
    expect(headers.get('content-security-policy')).toBe(
      "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    )
    expect(headers.get('cache-control')).toBe('no-store')
    expect(headers.get('strict-transport-security')).toBe('max-age=31536000')
    expect(headers.get('referrer-policy')).toBe('same-origin')
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(text).not.toMatch(/<script|<img|<iframe|style=|\son[a-z]+=|https?:\/\//)
  }
})

test('Host and its kin are never believed', async () => {
  const { path } = await waiting()
  const alice = await signedIn()
  const evil = { host: 'evil.example', 'x-forwarded-host': 'evil.example', forwarded: 'host=evil.example' }
  for (const url of [path, '/me', '/', '/login/idp']) {
    const { headers, text } = await alice.get(url, evil)
    expect(`${headers.get('location')} ${text}`).not.toContain('evil.example')
  }
})

test('what came from outside is text on the page, never a tag', async () => {
  person('sub-alice', 'alice', { groups: ['<b>ops</b>'], name: '<img src=x>' })
  const alice = site.browser()
  await alice.signIn()
  const { path } = await waiting({ approval_seconds: 60, rhost: '"><script>alert(1)</script>' })
  const { text } = await alice.get(path)
  expect(text).not.toContain('<script')
  expect(text).toContain('&quot;&gt;&lt;script&gt;')
})

test('an address that leads nowhere is one answer, whatever the reason', async () => {
  const { path } = await waiting()
  const alice = await signedIn()
  const never = await alice.get('/w/AAAAAAAAAAAAA')
  for (const url of ['/w/short', '/w/..%2f..%2fetc', `/w/${'A'.repeat(500)}`, '/W/AAAAAAAAAAAAA'])
    expect([(await alice.get(url)).status, titleOf(await alice.get(url))]).toEqual([404, titleOf(never)])
  site.world.clock.now += 301
  expect(titleOf(await alice.get(path))).toBe(titleOf(never))
})

test('the address works in capitals and in small letters', async () => {
  const { path } = await waiting()
  const alice = await signedIn()
  for (const url of [path.toUpperCase(), path.toLowerCase()])
    expect((await alice.get(url)).text).toContain('web1.example.org')
})

test('a session ends after its time, and with max_age it must be fresh for the button', async () => {
  const { path } = await waiting()
  const alice = await signedIn()
  site.world.clock.now += 3_601
  expect(titleOf(await alice.get('/me'))).toBe('Sign in')
  expect(path).toMatch(/^\/w\//)
  site = await openSite({ provider: 'max_age = 400', service: 'transaction_lifetime = 900' })
  const stale = await signedIn()
  const late = await waiting()
  const form = await stale.tokenOn(late.path)
  site.world.clock.now += 401
  expect(titleOf(await stale.get(late.path))).toBe('Sign in')
  await stale.form(late.path, { form, decision: 'confirm' })
  expect(await stateOf()).toBe('waiting')
})

const key = `SHA256:${'A'.repeat(43)}`

test('an approval is made by the box alone, used, listed, and withdrawn', async () => {
  const wish = { key_fingerprint: key, approval_seconds: 28_800, host_group: 'web' }
  const alice = await signedIn()
  const first = await waiting(wish)
  expect((await alice.get(first.path)).text).toContain('Do not ask again for 8 h on servers of the group web')
  await alice.press(first.path, 'confirm')
  expect(
    (await site.check(first.session, (await alice.codeOn(first.path))!)).body['approval_expires_at'],
  ).toBeUndefined()
  const second = await waiting(wish)
  await alice.press(second.path, 'confirm', { remember: '1' })
  const { body } = await site.check(second.session, (await alice.codeOn(second.path))!)
  expect(Number(body['approval_expires_at']) - site.world.now()).toBeGreaterThan(28_798)
  expect(await site.start(wish)).toEqual({
    status: 200,
    body: {
      approved: true,
      user: 'alice',
      subject: 'sub-alice',
      issuer: 'https://idp.example',
      groups: [],
      approval_expires_at: expect.any(Number),
    },
  })
  for (const other of [{ service: 'sudo' }, { approval_seconds: 0 }, { host_group: 'db' }, { rhost: '192.0.2.8' }])
    expect((await site.start({ ...wish, ...other })).status).toBe(201)
  const me = await alice.get('/me')
  expect(me.text).toContain(key)
  const id = /name="id" value="([\w-]{16})"/.exec(me.text)![1]!
  const bob = await signedIn('bob')
  expect((await bob.get('/me')).text).not.toContain(key)
  await bob.form('/me/approvals', { form: await alice.tokenOn('/me', '/me/approvals'), id })
  expect((await site.start(wish)).status).toBe(200)
  await alice.form('/me/approvals', { form: await alice.tokenOn('/me', '/me/approvals'), id })
  expect((await site.start(wish)).status).toBe(201)
})

test('the box is not there for sudo, without a key, or where the host asks for none', async () => {
  const alice = await signedIn()
  for (const over of [
    { service: 'sudo', key_fingerprint: key, approval_seconds: 60 },
    { approval_seconds: 60 },
    { key_fingerprint: key },
  ])
    expect((await alice.get((await waiting(over)).path)).text).not.toContain('name="remember"')
})

test('signing out ends this browser; everywhere ends all, and the approvals', async () => {
  const [one, two] = [await signedIn(), await signedIn()]
  await one.form('/sign-out', { form: await one.tokenOn('/me', '/sign-out') })
  expect(titleOf(await one.get('/me'))).toBe('Sign in')
  expect(titleOf(await two.get('/me'))).toBe('Your approvals and browsers')
  const three = await signedIn()
  await two.form('/me/everything', { form: await two.tokenOn('/me', '/me/everything') })
  for (const browser of [two, three]) expect(titleOf(await browser.get('/me'))).toBe('Sign in')
})

test('a page is in the language that the browser prefers', async () => {
  const { path } = await waiting()
  const title = async (language: string) => titleOf(await site.browser().get(path, { 'accept-language': language }))
  expect(await title('fr-CA,fr;q=0.9,en;q=0.8')).toBe('Se connecter')
  expect(await title('de,en;q=0.5,fr;q=0.4')).toBe('Sign in')
  expect(await title('de;q=1, fr;q=0.1')).toBe('Se connecter')
  expect(await title('')).toBe('Sign in')
  expect(await title(','.repeat(400))).toBe('Sign in')
})

test('a full disk decides nothing and loses nothing', async () => {
  const { session, path } = await waiting()
  const alice = await signedIn()
  await alice.press(path, 'confirm')
  const code = (await alice.codeOn(path))!
  const pages = Number((await site.database.query('PRAGMA page_count'))[0]!['page_count'])
  await site.database.query(`PRAGMA max_page_count = ${pages + 2}`)
  const statuses = new Set<number>()
  for (let count = 0; count < 60; count++) statuses.add((await site.start({ rhost: `10.0.0.${count}` })).status)
  expect([...statuses]).toEqual([201, 503])
  // What was begun can still be ended: that takes no room.
  expect(await site.check(session, code)).toMatchObject({ body: { result: 'confirmed' } })
  await site.database.query(`PRAGMA max_page_count = ${pages + 500}`)
  expect((await site.start()).status).toBe(201)
})

test('a database that another program locks is a fault after two seconds, and then works again', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'ob-sqlite-'))
  try {
    const [mine, other] = [openSqlite(`${directory}/portal.db`), openSqlite(`${directory}/portal.db`)]
    site = await openSite({ database: mine })
    await other.query('BEGIN IMMEDIATE')
    expect((await site.start()).status).toBe(503)
    await other.query('ROLLBACK')
    expect((await site.start()).status).toBe(201)
    for (const database of [mine, other]) await database.close()
  } finally {
    rmSync(directory, { recursive: true })
  }
}, 20_000)

test('a database that is away is a page and an answer that say so, and nothing is decided', async () => {
  const { session, path } = await waiting()
  const alice = await signedIn()
  await site.database.close()
  expect((await alice.get(path)).status).toBe(503)
  expect(await site.check(session, 'BBB-BBB-BBB')).toEqual({ status: 503, body: { error: 'unavailable' } })
  expect((await site.start()).status).toBe(503)
  expect(await site.service.figures('/healthz')).toMatchObject({ status: 503 })
  expect((await site.service.figures('/metrics')).text).toContain('ob_portal_up 0')
  expect(site.warnings.length).toBeGreaterThan(0)
})
