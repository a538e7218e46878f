// Whole phases while the portal is away: who still gets in, on what grounds, for how long, and how it is said.
import { expect, test } from 'bun:test'
import { audited } from '../../fakes/world.ts'
import { enrolledHost, type Host } from '../host.ts'

const user = { PAM_USER: 'rtyler' }
const sudo = { PAM_SERVICE: 'sudo', PAM_USER: 'rtyler', PAM_RUSER: 'rtyler', PAM_RHOST: '' }
const password = { ...user, SSH_AUTH_INFO_0: 'password\n' }

/** The portal of the recordings offers rtyler, in @ops, a day offline. */
const online = async (options: Parameters<typeof enrolledHost>[0] = {}): Promise<Host> => {
  const host = await enrolledHost(options)
  await host.phase('account', user)
  return host
}
const cut = (host: Host): void => host.portal.control.fault({ kind: 'down', status: 503 })
const account = async (host: Host, env: Readonly<Record<string, string>> = user): Promise<string> =>
  (await host.phase('account', env)).outcome
/** The wire form of an Ed25519 key (RFC 8709 §4) whose bytes are all this one. */
const ed25519Blob = (byte: number): string =>
  Buffer.concat([Buffer.from('\0\0\0\x0bssh-ed25519\0\0\0\x20', 'latin1'), Buffer.alloc(32, byte)]).toString('base64')
const marks = (host: Host): string[] =>
  [...host.world.disk.keys()].filter((path) => path.includes('/offline_sessions/'))

test('somebody the portal allowed before gets in while it is away, and reads so', async () => {
  const host = await online()
  cut(host)
  host.world.clock.now += 12 * 60
  const { outcome, said } = await host.phase('account', user)
  expect(outcome).toBe('allowed offline-allowed')
  expect(said).toBe('The single sign-on portal cannot be reached; using its authorization of 12 min ago.\n')
  expect(audited(host.world).at(-1)).toMatchObject({ cache_hit: true, offline: 'true', cache_age: 720 })
})

test('their session is marked, to be looked at again when the portal is back', async () => {
  const host = await online()
  cut(host)
  await host.phase('account', user)
  expect((await host.phase('open_session', password)).outcome).toBe('allowed offline-allowed')
  expect(marks(host)).toEqual(['/run/open-bastion/offline_sessions/rtyler'])
})

test('the portal’s lifetime of an answer is its end', async () => {
  const host = await online()
  cut(host)
  host.world.clock.now += 86_399
  expect(await account(host)).toBe('allowed offline-allowed')
  host.world.clock.now += 1
  expect(await account(host)).toBe('unavailable portal-unreachable')
})

test('auth_cache_ttl shortens what the portal offers', async () => {
  const host = await online({ config: 'auth_cache_ttl = 600' })
  cut(host)
  host.world.clock.now += 601
  expect(await account(host)).toBe('unavailable portal-unreachable')
})

test('without an offer of the portal nothing is kept, unless the administrator says so', async () => {
  const dwho = { PAM_USER: 'dwho' }
  const strict = await enrolledHost()
  const lenient = await enrolledHost({ config: 'auth_cache_ttl = 600' })
  for (const host of [strict, lenient]) {
    await host.phase('account', dwho)
    cut(host)
  }
  expect(await account(strict, dwho)).toBe('unavailable portal-unreachable')
  expect(await account(lenient, dwho)).toBe('allowed offline-allowed')
})

test('an offer withdrawn takes the kept answer along', async () => {
  const host = await online()
  host.portal.control.setRules({ group: 'backend', offline: { rule: false } })
  await host.phase('account', user)
  cut(host)
  expect(await account(host)).toBe('unavailable portal-unreachable')
})

test('a denial takes the kept answer away at once', async () => {
  const host = await online()
  host.portal.control.setRules({ group: 'backend', ssh: false })
  expect(await account(host)).toBe('denied portal-denied')
  cut(host)
  expect(await account(host)).toBe('unavailable portal-unreachable')
})

test('what the portal took away is not allowed by an older answer that a full disk kept in its place', async () => {
  const host = await online()
  host.portal.control.setRules({ group: 'backend', sudo: false })
  let isFull = true
  host.break((path) => {
    if (!path.startsWith('/var/cache/open-bastion/auth/') || !isFull) return undefined
    isFull = false
    return 'no space left on the device'
  })
  const denied = await account(host, sudo)
  cut(host)
  expect([denied, isFull, await account(host, sudo)]).toEqual([
    'denied sudo-denied',
    false,
    'unavailable portal-unreachable',
  ])
})

const never = [
  ['half an answer', { kind: 'truncated-json' }, 'portal-garbled'],
  ['an answer called text', { kind: 'text-json' }, 'portal-garbled'],
  ['a verdict of another type', { kind: 'wrong-member', member: 'authorized', value: 0 }, 'portal-garbled'],
  ['no verdict', { kind: 'wrong-member', member: 'authorized' }, 'portal-garbled'],
  ['HTTP 400 of the plugin', { kind: 'down', status: 400, body: { error: 'Invalid JSON' } }, 'portal-garbled'],
  ['HTTP 403 of the plugin', { kind: 'down', status: 403, body: { error: 'not enrolled' } }, 'portal-refuses-host'],
  ['more than 256 KiB', { kind: 'oversize' }, 'portal-garbled'],
] as const
test.each(never)('%s is no outage and opens no cache', async (_name, fault, reason) => {
  const host = await online()
  host.portal.control.fault(fault)
  expect(await account(host)).toBe(`unavailable ${reason}`)
})

// Somebody else's pages: a half-broken portal locks nobody out whom a dead one lets in.
const pages = [
  ['a login page', { kind: 'html' }],
  ['a login page called HTTP 401', { kind: 'down', status: 401 }],
  ['a page with HTTP 400', { kind: 'down', status: 400 }],
  ['a page with HTTP 403', { kind: 'down', status: 403 }],
  ['a page with HTTP 404', { kind: 'down', status: 404 }],
  ['a redirection', { kind: 'redirect' }],
  ['the portal without its plugin', { kind: 'down', status: 401, body: { error: '9', result: 0, token: '1_1' } }],
] as const
test.each(pages)('%s is an outage, and the log says that the portal answers nonsense', async (_name, fault) => {
  const host = await online()
  host.portal.control.fault(fault)
  expect([await account(host), (await host.phase('open_session', password)).outcome]).toEqual([
    'allowed offline-allowed',
    'allowed offline-allowed',
  ])
  expect(String(audited(host.world)[1]?.['details'])).toContain('the portal answers nonsense')
  expect(await account(host, { PAM_USER: 'dwho' })).toBe('unavailable portal-out-of-order')
})

test('a portal that refuses this host opens no cache, not when it is gone, and not after a reboot', async () => {
  const host = await online()
  host.portal.control.dropEnrollment()
  expect(await account(host)).toBe('unavailable portal-refuses-host')
  cut(host)
  for (const path of [...host.world.disk.keys()]) if (path.startsWith('/run/')) host.world.disk.delete(path)
  expect([await account(host), await account(host, sudo)]).toEqual([
    'unavailable portal-refuses-host',
    'unavailable portal-refuses-host',
  ])
})

test('a refusal counts also when the disk takes no note of it', async () => {
  const host = await online()
  host.break((path) => (path.startsWith('/var/lib/') ? 'no space left on the device' : undefined))
  host.portal.control.dropEnrollment()
  await account(host)
  cut(host)
  expect(await account(host)).toBe('unavailable portal-refuses-host')
})

test('the group of this host is refused: that shuts the caches too, whatever else the portal accepts', async () => {
  const host = await online()
  const error = "Server 'pam-access' is not authorized for server_group 'backend'"
  host.portal.control.fault({ kind: 'down', status: 403, path: '/pam/authorize', body: { error } })
  expect(await account(host)).toBe('unavailable portal-refuses-host')
  await host.phase('auth', user, host.portal.control.mintToken({ user: 'rtyler' }))
  cut(host)
  expect(await account(host)).toBe('unavailable portal-refuses-host')
})

test('once the portal accepts this host again, its answers count again', async () => {
  const host = await online()
  const error = 'Server not enrolled.'
  host.portal.control.fault({ kind: 'down', status: 403, times: 1, path: '/pam/authorize', body: { error } })
  expect(await account(host)).toBe('unavailable portal-refuses-host')
  expect(await account(host)).toBe('allowed portal-allowed')
  cut(host)
  expect(await account(host)).toBe('allowed offline-allowed')
})

test('a refused certificate opens no cache, and is a security event', async () => {
  const host = await online()
  Object.assign(host.world, {
    fetch: async () => {
      throw Object.assign(new Error('bad'), { code: 'CERT_HAS_EXPIRED' })
    },
  })
  expect(await account(host)).toBe('unavailable portal-untrusted')
  expect(audited(host.world).at(-1)).toMatchObject({ event_type: 'SECURITY_ERROR' })
})

test('sudo goes by an answer of a minute, not of a day', async () => {
  const host = await online()
  cut(host)
  host.world.clock.now += 59
  expect(await account(host, sudo)).toBe('allowed offline-sudo-allowed')
  host.world.clock.now += 2
  expect(await account(host, sudo)).toBe('unavailable cache-too-old')
  expect(await account(host, { ...sudo, PAM_SERVICE: 'sudo-i' })).toBe('unavailable cache-too-old')
})

test('force_online keeps a user, or everybody, from the cache', async () => {
  const host = await online()
  cut(host)
  const list = (text: string): void => {
    host.world.files.writeAtomic('/etc/open-bastion/force_online', text, { mode: 0o644 })
  }
  list('somebody\n')
  expect(await account(host)).toBe('allowed offline-allowed')
  list('# laptops\nrtyler\n')
  expect(await account(host)).toBe('unavailable online-only')
  list('')
  expect(await account(host)).toBe('unavailable online-only')
})

test('an entry that somebody changed is refused, and is a security event', async () => {
  const host = await online()
  cut(host)
  const entry = [...host.world.disk].find(([path]) => path.endsWith('.authcache'))?.[1]
  entry!.data[0] = 0x39 // the expiry, further away
  expect(await account(host)).toBe('denied cache-tampered')
  expect(audited(host.world).at(-1)).toMatchObject({ event_type: 'SECURITY_ERROR', cache_hit: false })
})

test('the cache can be switched off', async () => {
  const host = await online({ config: 'auth_cache_enabled = false' })
  cut(host)
  expect(await account(host)).toBe('unavailable portal-unreachable')
  expect([...host.world.disk.keys()].filter((path) => path.endsWith('.authcache'))).toEqual([])
})

test('the cache’s limiter slows down whoever keeps asking in vain', async () => {
  const host = await enrolledHost({ config: 'cache_rate_limit_enabled = true' })
  cut(host)
  for (let i = 0; i < 3; i++) expect(await account(host)).toBe('unavailable portal-unreachable')
  expect(await account(host)).toBe('unavailable cache-limited')
})

test('a clock set back makes no answer younger', async () => {
  const host = await online()
  cut(host)
  host.world.clock.now -= 3600
  expect(await account(host, sudo)).toBe('unavailable cache-too-old')
})

const tokens = 'oauth2_token_auth = true\noauth2_token_clients = pam-user\noffline_cache_enabled = true'

/** A host where people type access tokens, and one of rtyler's. */
async function withAccessToken(config = tokens): Promise<{ readonly host: Host; readonly token: string }> {
  const host = await enrolledHost({ config })
  const grant = { client_id: 'pam-user', user: 'rtyler', scope: 'openid' }
  return { host, token: host.portal.control.enroll(grant).access_token }
}
const auth = async (host: Host, typed: string, env: Readonly<Record<string, string>> = user): Promise<string> =>
  (await host.phase('auth', env, typed)).outcome

test('an access token the portal called active is not asked about again for a few minutes', async () => {
  const { host, token } = await withAccessToken()
  expect(await auth(host, token)).toBe('allowed access-token-accepted')
  host.portal.control.forgetRequests()
  expect(await auth(host, token)).toBe('allowed token-remembered')
  expect(host.portal.control.requests()).toEqual([])
  host.world.clock.now += 301
  expect(await auth(host, token)).toBe('allowed access-token-accepted')
})

test('for sudo the portal is asked about it every time', async () => {
  const { host, token } = await withAccessToken()
  await auth(host, token)
  expect(await auth(host, token, sudo)).toBe('allowed access-token-accepted')
})

test('nor is one that a locker hands over remembered', async () => {
  const { host, token } = await withAccessToken(`${tokens}\nservice_map = unlock=ssh`)
  await auth(host, token)
  expect(await auth(host, token, { ...user, PAM_SERVICE: 'unlock', PAM_RHOST: '' })).toBe(
    'allowed access-token-accepted',
  )
})

test('what is remembered about a user’s tokens ends with the session', async () => {
  const { host, token } = await withAccessToken()
  await auth(host, token)
  await host.phase('close_session', user)
  expect(await auth(host, token)).toBe('allowed access-token-accepted')
})

test('with the stacks as they come, which run nothing at a logout, too', async () => {
  const { host, token } = await withAccessToken()
  const stat = `100 (sshd) S ${'1 '.repeat(18)}200 0\n`
  host.world.disk.set('/proc/100/stat', {
    data: new TextEncoder().encode(stat),
    mode: 0,
    uid: 0,
    gid: 0,
    modifiedAt: 0,
  })
  await auth(host, token)
  await host.phase('account', user)
  expect(
    (await host.phase('open_session', { ...user, SSH_AUTH_INFO_0: 'keyboard-interactive\n' })).outcome,
  ).toStartWith('allowed')
  expect(await auth(host, token)).toBe('allowed token-remembered')
  host.world.disk.delete('/proc/100/stat')
  expect(await auth(host, token)).toBe('allowed access-token-accepted')
})

test('what the portal confirmed is a password while it is away; anything else is not', async () => {
  const { host, token } = await withAccessToken()
  await auth(host, token)
  cut(host)
  host.world.clock.now += 1800
  expect(await auth(host, token)).toBe('allowed offline-password')
  const wrong = await host.phase('auth', user, 'something-else')
  const unknown = await host.phase('auth', { PAM_USER: 'dwho' }, 'something-else')
  expect([wrong.outcome, unknown.outcome]).toEqual(['denied offline-password-wrong', 'unavailable portal-unreachable'])
  expect(wrong.said).toBe(unknown.said)
}, 120_000)

test('an access token is no password any more once it has ended, however long passwords are kept', async () => {
  const { host, token } = await withAccessToken()
  await auth(host, token)
  cut(host)
  // The stand-in portal's access tokens live an hour.
  host.world.clock.now += 3590
  expect(await auth(host, token)).toBe('allowed offline-password')
  host.world.clock.now += 20
  expect(await auth(host, token)).toBe('unavailable portal-unreachable')
}, 120_000)

test('only a greeter on this host reads why a password did not count', async () => {
  const { host } = await withAccessToken(`${tokens}\noffline_error_messages = greeter\nservice_map = lightdm=ssh`)
  cut(host)
  const near = await host.phase('auth', { ...user, PAM_SERVICE: 'lightdm', PAM_RHOST: '' }, 'x')
  const far = await host.phase('auth', user, 'x')
  expect([near.said, far.said.startsWith('The single sign-on portal cannot be reached')]).toEqual([
    'OFFLINE_ERROR:-4\n',
    true,
  ])
}, 120_000)

test('without offline_cache_enabled no password counts while the portal is away', async () => {
  const { host, token } = await withAccessToken(tokens.replace('offline_cache_enabled = true', ''))
  await auth(host, token)
  cut(host)
  host.world.clock.now += 3600
  expect(await auth(host, token)).toBe('unavailable portal-unreachable')
})

/** The portal sent a verifier of rtyler's password, and is away now. */
async function awayWithVerifier(password: string): Promise<Host> {
  const host = await enrolledHost({ config: 'offline_cache_enabled = true' })
  const verifier = await Bun.password.hash(password, { algorithm: 'argon2id', memoryCost: 19_456, timeCost: 2 })
  const answer = { authorized: true, user: 'rtyler', offline: { enabled: true, ttl: 3600, verifier } }
  Object.assign(host.world, { fetch: async () => Response.json(answer) })
  await host.phase('account', user)
  Object.assign(host.world, { fetch: async () => new Response('', { status: 503 }) })
  return host
}

test('a verifier that the portal sends is a password while it is away', async () => {
  const host = await awayWithVerifier('correct-horse')
  expect(await auth(host, 'correct-horse')).toBe('allowed offline-password')
  expect(await auth(host, 'wrong-horse')).toBe('denied offline-password-wrong')
  // As the greeter of Open Bastion's desktop writes it.
  expect(await auth(host, 'OFFLINE:correct-horse')).toBe('allowed offline-password')
}, 120_000)

test('while a password is looked at nothing says that it was used, should that be the last moment of the process', async () => {
  const host = await awayWithVerifier('correct-horse')
  const claimed: string[][] = []
  const { argon2 } = await import('../../../modes/world/system.ts')
  Object.assign(host.world, {
    argon2: (...how: Parameters<typeof argon2>) => {
      claimed.push([...host.world.disk.keys()].filter((path) => /\/claims\/[0-9a-f]/.test(path)))
      return argon2(...how)
    },
  })
  expect(await auth(host, 'correct-horse')).toBe('allowed offline-password')
  expect([claimed.length > 0, claimed.flat()]).toEqual([true, []])
}, 120_000)

test('what the portal allowed for a service of its own lets nobody in by ssh while it is away', async () => {
  const host = await enrolledHost({ config: 'service_map = lightdm=desktop\nauth_cache_ttl = 600' })
  Object.assign(host.world, { fetch: async () => Response.json({ authorized: true, user: 'rtyler' }) })
  const desktop = { ...user, PAM_SERVICE: 'lightdm', PAM_RHOST: '' }
  expect((await host.phase('account', desktop)).outcome).toBe('allowed portal-allowed')
  Object.assign(host.world, { fetch: async () => new Response('', { status: 503 }) })
  expect((await host.phase('account', user)).outcome).toBe('unavailable portal-unreachable')
  expect((await host.phase('account', desktop)).outcome).toBe('unavailable portal-unreachable')
})

test('a password may hold blanks and letters of any script, and no control characters', async () => {
  const password = 'ključ od vrata 鍵'
  const host = await awayWithVerifier(password)
  expect(await auth(host, `${password}\0`)).toBe('allowed offline-password')
  expect(await auth(host, password.replace(' ', '\u0007'))).toBe('denied token-malformed')
  expect(await auth(host, 'OFFLINE:')).toBe('denied no-token')
}, 120_000)

test('a key the portal never accepted is no second proof while it is away, though an earlier day allowed the user', async () => {
  const host = await online({ config: 'fingerprint_binding = always' })
  cut(host)
  const key = `publickey ssh-ed25519 ${ed25519Blob(7)}\n`
  // AuthenticationMethods publickey,keyboard-interactive: the account phase is told of the key already.
  expect(await account(host, { ...user, SSH_AUTH_INFO_0: key })).toBe('allowed offline-allowed')
  const opened = await host.phase('open_session', { ...user, SSH_AUTH_INFO_0: `${key}keyboard-interactive/pam\n` })
  expect(opened.outcome).toBe('unavailable portal-unreachable')
  expect(marks(host)).toEqual([])
})

test('a mistyped password never travels to the portal, and is a guess all the same', async () => {
  const host = await enrolledHost()
  host.portal.control.forgetRequests()
  for (const typed of ['hunter2', 'H'.repeat(64), `${'0'.repeat(63)}g`, '0'.repeat(65)]) {
    const { outcome, said } = await host.phase('auth', user, typed)
    expect(outcome).toBe('denied not-a-token')
    expect(said).toBe((await host.phase('auth', { PAM_USER: 'dwho' }, '0'.repeat(64))).said)
  }
  const asked = host.portal.control.requests()
  expect(asked.map(({ body }) => body).join()).not.toContain('hunter2')
  expect(asked.filter(({ path }) => path === '/pam/authorize').length).toBe(4)
})

test('token_pattern says what a token looks like', async () => {
  const host = await enrolledHost({ config: 'token_pattern = [A-Z]{4}|never' })
  host.portal.control.forgetRequests()
  for (const typed of ['ABCD', 'ABCDE', '0'.repeat(64)]) await host.phase('auth', user, typed)
  expect(host.portal.control.requests({ path: '/pam/verify' }).map(({ body }) => body)).toEqual(['{"token":"ABCD"}'])
})

test('a token that never left, because the portal was refused, is not used up', async () => {
  const host = await enrolledHost()
  const token = host.portal.control.mintToken({ user: 'rtyler' })
  const { fetch } = host.world
  Object.assign(host.world, {
    fetch: async () => {
      throw Object.assign(new Error('bad'), { code: 'CERT_HAS_EXPIRED' })
    },
  })
  expect(await auth(host, token)).toBe('unavailable portal-untrusted')
  Object.assign(host.world, { fetch })
  expect(await auth(host, token)).toBe('allowed token-accepted')
})

test('a password that was taken while the portal was away does not count once it answers', async () => {
  const host = await awayWithVerifier('correct-horse')
  const back = () =>
    Object.assign(host.world, {
      fetch: async () => Response.json({ authorized: true, user: 'rtyler', permissions: { sudo_allowed: true } }),
    })
  expect(await auth(host, 'correct-horse')).toBe('allowed offline-password')
  back()
  expect(await account(host)).toBe('denied prove-again')
  // A proof that the portal took counts.
  Object.assign(host.world, { fetch: async () => Response.json({ valid: true, user: 'rtyler' }) })
  expect(await auth(host, '0'.repeat(64))).toBe('allowed token-accepted')
  back()
  expect(await account(host)).toBe('allowed portal-allowed')
})

test('for sudo a password counts only while the account rule would hold', async () => {
  const host = await awayWithVerifier('correct-horse')
  expect(await auth(host, 'correct-horse', sudo)).toBe('allowed offline-password')
  host.world.clock.now += 61
  expect(await auth(host, 'correct-horse', sudo)).toBe('unavailable cache-too-old')
  expect(await auth(host, 'correct-horse')).toBe('allowed offline-password')
})

test('a password that cannot be marked does not count', async () => {
  const host = await awayWithVerifier('correct-horse')
  host.break((path) => (path.includes('/offline_proofs/') ? 'no space left on the device' : undefined))
  expect(await auth(host, 'correct-horse')).toBe('unavailable fault')
})
