// Signing in at a provider that lies, is late, is away or is somebody else: nobody gets a session by it.
import { afterEach, beforeAll, expect, test } from 'bun:test'
import { issuer } from './hostile-provider.ts'
import { openSite, type Site, titleOf } from './site.ts'

let site: Site
beforeAll(async () => {
  site = await openSite()
})
afterEach(() => site.provider.reset())

const failed = 'That did not work'
const sessions = async () => (await site.database.query('SELECT * FROM sessions')).length

test('an honest provider is believed, and the code is sent with the secret, PKCE S256, state and nonce', async () => {
  const browser = site.browser()
  const { headers } = await browser.get('/login/idp')
  const to = new URL(headers.get('location')!)
  expect(Object.fromEntries(to.searchParams)).toMatchObject({
    response_type: 'code',
    client_id: 'ob-portal',
    scope: 'openid profile email',
    redirect_uri: 'https://login.example/callback/idp',
    code_challenge_method: 'S256',
  })
  for (const name of ['state', 'nonce', 'code_challenge']) expect(to.searchParams.get(name)).toMatch(/^[\w-]{43}$/)
  const back = await browser.get(site.provider.authorize(to).href)
  expect([back.status, back.headers.get('location')]).toEqual([303, '/me'])
  const asked = site.provider.requests.find(({ path }) => path === '/token')!
  expect(asked.headers.get('authorization')).toBe(`Basic ${btoa('ob-portal:s3cret')}`)
  expect(asked.body.get('code_verifier')).toMatch(/^[\w-]{43}$/)
  expect((await browser.get('/me')).text).toContain('Signed in as alice')
})

const lies: readonly (readonly [string, (site: Site) => void])[] = [
  [
    'the token is for another client',
    ({ provider }) => {
      provider.state.behaviour.idToken = (claims) => ({ ...claims, aud: 'other' })
    },
  ],
  [
    'the token is for several clients and another is the party',
    ({ provider }) => {
      provider.state.behaviour.idToken = (claims) => ({ ...claims, aud: ['ob-portal', 'other'], azp: 'other' })
    },
  ],
  [
    'the token is of another issuer',
    ({ provider }) => {
      provider.state.behaviour.idToken = (claims) => ({ ...claims, iss: 'https://evil.example' })
    },
  ],
  [
    'the token is expired',
    ({ provider }) => {
      provider.state.behaviour.idToken = (claims) => ({ ...claims, exp: claims.iat! - 60 })
    },
  ],
  [
    'the token has no end',
    ({ provider }) => {
      provider.state.behaviour.idToken = ({ exp: _, ...claims }) => claims
    },
  ],
  [
    'the nonce is another',
    ({ provider }) => {
      provider.state.behaviour.idToken = (claims) => ({ ...claims, nonce: 'other' })
    },
  ],
  [
    'the nonce is missing',
    ({ provider }) => {
      provider.state.behaviour.idToken = ({ nonce: _, ...claims }) => claims
    },
  ],
  [
    'the token has no subject',
    ({ provider }) => {
      provider.state.behaviour.idToken = ({ sub: _, ...claims }) => claims
    },
  ],
  [
    'the subject is endless',
    ({ provider }) => {
      provider.state.behaviour.person = { sub: 'x'.repeat(300), preferred_username: 'alice' }
    },
  ],
  [
    'somebody else signed the token',
    ({ provider }) => {
      provider.state.behaviour.foreignKey = true
    },
  ],
  [
    'the token is not signed (alg none)',
    ({ provider }) => {
      provider.state.behaviour.rawToken = (signed) => `${encode({ alg: 'none' })}.${signed.split('.')[1]}.`
    },
  ],
  [
    'the token says HS256 and is signed with the client secret',
    ({ provider }) => {
      provider.state.behaviour.rawToken = (signed) => {
        const text = `${encode({ alg: 'HS256' })}.${signed.split('.')[1]}`
        return `${text}.${new Bun.CryptoHasher('sha256', 's3cret').update(text).digest('base64url')}`
      }
    },
  ],
  [
    'the token was changed after it was signed',
    ({ provider }) => {
      provider.state.behaviour.rawToken = (signed) => {
        const [head, body, tail] = signed.split('.')
        const claims = JSON.parse(Buffer.from(body!, 'base64url').toString()) as object
        return `${head}.${encode({ ...claims, preferred_username: 'bob' })}.${tail}`
      }
    },
  ],
  [
    'there is no token',
    ({ provider }) => {
      provider.state.behaviour.answers['/token'] = () => Response.json({ access_token: 'a', token_type: 'Bearer' })
    },
  ],
  [
    'the token endpoint answers a page',
    ({ provider }) => {
      provider.state.behaviour.answers['/token'] = () =>
        new Response('<html>', { headers: { 'content-type': 'text/html' } })
    },
  ],
  [
    'the token endpoint answers 500',
    ({ provider }) => {
      provider.state.behaviour.answers['/token'] = () => new Response('', { status: 500 })
    },
  ],
  [
    'the token endpoint answers 2 MiB',
    ({ provider }) => {
      provider.state.behaviour.padding = { padding: 'x'.repeat(2 << 20) }
    },
  ],
  [
    'the token endpoint sends us elsewhere',
    ({ provider }) => {
      provider.state.behaviour.answers['/token'] = () => Response.redirect('https://evil.example/token', 307)
    },
  ],
  [
    'the token endpoint refuses the code',
    ({ provider }) => {
      provider.state.behaviour.answers['/token'] = () => Response.json({ error: 'invalid_grant' }, { status: 400 })
    },
  ],
  [
    'the connection breaks',
    ({ provider }) => {
      provider.state.behaviour.answers['/token'] = () => {
        throw Object.assign(new Error('reset'), { code: 'ECONNRESET' })
      }
    },
  ],
  [
    'the keys are away',
    ({ provider }) => {
      provider.state.behaviour.answers['/jwks'] = () => new Response('', { status: 503 })
    },
  ],
  [
    'userinfo is about somebody else',
    ({ provider }) => {
      provider.state.behaviour.userinfo = { sub: 'sub-bob', preferred_username: 'bob' }
    },
  ],
  [
    'userinfo is away',
    ({ provider }) => {
      provider.state.behaviour.answers['/userinfo'] = () => new Response('', { status: 502 })
    },
  ],
]

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

test.each(lies)('nobody is signed in when %s', async (_, lie) => {
  // Keys that were seen before would be used: a site of its own.
  site = await openSite()
  lie(site)
  const browser = site.browser()
  const answer = await browser.signIn()
  expect([answer.status, titleOf(answer), await sessions()]).toEqual([502, failed, 0])
  expect(browser.cookies.has('__Host-ob-session')).toBe(false)
  expect(site.audit().at(-1)).toMatchObject({
    event_type: 'SIGN_IN_FAILED',
    reason: 'provider-failed',
    provider: 'idp',
  })
})

test('a provider that is away cannot be gone to, and what it said before is used when only its description is away', async () => {
  site = await openSite()
  site.provider.state.behaviour.answers['/.well-known/openid-configuration'] = () => new Response('', { status: 500 })
  const browser = site.browser()
  expect(await browser.get('/login/idp')).toMatchObject({ status: 502 })
  site.provider.reset()
  expect((await browser.signIn()).status).toBe(303)
  site.world.clock.now += 3_600
  site.provider.state.behaviour.answers['/.well-known/openid-configuration'] = () => new Response('', { status: 500 })
  expect((await browser.get('/login/idp')).status).toBe(303)
  site.world.clock.now += 90_000
  expect((await browser.get('/login/idp')).status).toBe(502)
})

test('a description of another issuer is not believed', async () => {
  site = await openSite()
  site.provider.state.behaviour.discovery = { issuer: 'https://evil.example' }
  expect((await site.browser().get('/login/idp')).status).toBe(502)
})

test('clocks may differ by some seconds, in either direction', async () => {
  for (const seconds of [-20, 20]) {
    site = await openSite()
    site.provider.state.behaviour.idToken = (claims) => {
      const at = claims.iat! + seconds
      return { ...claims, iat: at, nbf: at, exp: at + 10, auth_time: at }
    }
    expect([seconds, (await site.browser().signIn()).status]).toEqual([seconds, 303])
  }
})

test('new keys of the provider count at once', async () => {
  site = await openSite()
  expect((await site.browser().signIn()).status).toBe(303)
  site.provider.rotate()
  expect((await site.browser().signIn()).status).toBe(303)
})

test('a way back that this browser did not begin is refused: login CSRF, another state, another issuer, no state', async () => {
  site = await openSite()
  const attacker = site.browser()
  const stolen = await attacker.toCallback('/login/idp')
  const victim = site.browser()
  expect(await victim.get(stolen.href)).toMatchObject({ status: 400 })
  await victim.get('/login/idp')
  expect(await victim.get(stolen.href)).toMatchObject({ status: 502 })
  for (const change of [
    (url: URL) => url.searchParams.delete('state'),
    (url: URL) => url.searchParams.set('iss', 'https://evil.example'),
    (url: URL) => url.searchParams.delete('iss'),
    (url: URL) => url.searchParams.append('state', 'second'),
  ]) {
    const own = await victim.toCallback('/login/idp')
    change(own)
    expect((await victim.get(own.href)).status).toBe(502)
  }
  expect(await sessions()).toBe(0)
})

test('a way back works once, and not after ten minutes', async () => {
  site = await openSite()
  const browser = site.browser()
  const back = await browser.toCallback('/login/idp')
  expect((await browser.get(back.href)).status).toBe(303)
  expect((await browser.get(back.href)).status).toBe(400)
  const late = await browser.toCallback('/login/idp')
  site.world.clock.now += 601
  expect((await browser.get(late.href)).status).toBe(400)
})

test('a provider may not finish what was begun at another', async () => {
  site = await openSite({ more: `[provider second]\nissuer = https://second.example\nclient_id = x` })
  const browser = site.browser()
  const back = await browser.toCallback('/login/idp')
  expect((await browser.get(back.href.replace('/callback/idp', '/callback/second'))).status).toBe(400)
})

test('cancel at the provider is said as such', async () => {
  const browser = site.browser()
  const back = await browser.toCallback('/login/idp')
  back.searchParams.delete('code')
  back.searchParams.set('error', 'access_denied')
  expect(await browser.get(back.href)).toMatchObject({ status: 403 })
  expect(site.audit().at(-1)).toMatchObject({ reason: 'provider-refused', detail: 'access_denied' })
})

const persons: readonly (readonly [string, Record<string, unknown>, string])[] = [
  ['root', { preferred_username: 'root' }, 'name-unfit'],
  ['no name', {}, 'name-missing'],
  ['a name that is a number', { preferred_username: 7 }, 'name-missing'],
  ['a path', { preferred_username: '../alice' }, 'name-unfit'],
  ['HTML', { preferred_username: '<script>alert(1)</script>' }, 'name-unfit'],
  ['two lines', { preferred_username: 'alice\nroot' }, 'name-unfit'],
  ['a look-alike', { preferred_username: 'аlice' }, 'name-unfit'],
  ['a mail address where a name is wanted', { preferred_username: 'alice@example.com' }, 'name-unfit'],
]

test.each(persons)('%s is nobody here', async (_, claims, reason) => {
  site = await openSite()
  site.provider.state.behaviour.person = { sub: 'x', ...claims }
  const answer = await site.browser().signIn()
  expect([answer.status, await sessions()]).toEqual([403, 0])
  expect(answer.text).not.toContain('<script>')
  expect(site.audit().at(-1)).toMatchObject({ event_type: 'SIGN_IN_FAILED', reason, subject: 'x', issuer })
})

test('a name that belongs to somebody else is refused', async () => {
  site = await openSite()
  await site.browser().signIn()
  site.provider.state.behaviour.person = { sub: 'mallory', preferred_username: 'alice' }
  expect((await site.browser().signIn()).status).toBe(403)
  expect(site.audit().at(-1)).toMatchObject({ reason: 'name-taken', subject: 'mallory' })
})

test('a weaker sign-in than was asked for is refused, and an old one, and a missing claim', async () => {
  site = await openSite({ provider: 'acr_values = urn:mfa\nmax_age = 600\nrequire = /email_verified=true' })
  const strong = { sub: 'sub-alice', preferred_username: 'alice', acr: 'urn:mfa', email_verified: 'true' }
  const attempt = async (over: Record<string, unknown>) => {
    site.provider.state.behaviour.person = { ...strong, ...over }
    return (await site.browser().signIn()).status
  }
  const { headers } = await site.browser().get('/login/idp')
  const asked = new URL(headers.get('location')!).searchParams
  expect([asked.get('acr_values'), asked.get('max_age')]).toEqual(['urn:mfa', '600'])
  expect(await attempt({})).toBe(303)
  expect(await attempt({ email_verified: true })).toBe(303)
  expect(await attempt({ acr: 'urn:password' })).toBe(403)
  expect(await attempt({ acr: undefined })).toBe(403)
  expect(await attempt({ email_verified: false })).toBe(403)
  expect(await attempt({ email_verified: undefined })).toBe(403)
  expect(await attempt({ auth_time: Math.floor(site.world.now()) - 1_200 })).toBe(502)
  expect(await attempt({ auth_time: undefined })).toBe(502)
})

test('a new sign-in gets a new session; the cookie is bound to this host and hidden from scripts', async () => {
  site = await openSite()
  const browser = site.browser()
  const answer = await browser.signIn()
  const line = answer.headers.getSetCookie().find((cookie) => cookie.startsWith('__Host-ob-session='))!
  for (const word of ['; Path=/', '; HttpOnly', '; SameSite=Lax', '; Secure']) expect(line).toContain(word)
  expect(line).not.toContain('Domain')
  const first = browser.cookies.get('__Host-ob-session')!
  await browser.signIn()
  expect(browser.cookies.get('__Host-ob-session')).not.toBe(first)
  // What stands in the database opens nothing.
  expect(JSON.stringify(await site.database.query('SELECT * FROM sessions'))).not.toContain(first)
})

test('only a handle leads on after the sign-in: no open redirect', async () => {
  site = await openSite()
  for (const where of [
    'https://evil.example',
    '//evil.example',
    '/\\evil.example',
    'ABCDEFGHIJKL',
    '%0d%0aSet-Cookie:x=y',
  ]) {
    const answer = await site.browser().signIn(`/login/idp?w=${where}&to=${where}&return=${where}`)
    expect([where, answer.headers.get('location')]).toEqual([where, '/me'])
  }
})
