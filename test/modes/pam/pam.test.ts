// Whole phases against the stand-in portal: what is decided, what is said, what is left on the disk, what the portal
// saw.
import { expect, test } from 'bun:test'
import { mode as unlock } from '../../../modes/pam/unlock.ts'
import type { LoginName } from '../../../src/base/names.ts'
import { openConnections } from '../../../src/login/handover.ts'
import { audited, textOf } from '../../fakes/world.ts'
import { enrolledHost } from '../host.ts'

const user = { PAM_USER: 'rtyler' }
const placeholder = '\b\n\r\x7fINCORRECT'
const asked = (host: Awaited<ReturnType<typeof enrolledHost>>): string[] =>
  host.portal.control.requests().map((request) => request.path)

test('a one-time token opens the door once', async () => {
  const host = await enrolledHost()
  const token = host.portal.control.mintToken({ user: 'rtyler' })
  expect((await host.phase('auth', user, token)).outcome).toBe('allowed token-accepted')
  expect((await host.phase('auth', user, token)).outcome).toBe('denied token-replayed')
  expect(asked(host)).toEqual(['/pam/verify'])
})

test('of many at once with one token, one gets in, even where the portal would take it twice', async () => {
  const host = await enrolledHost()
  host.portal.control.nonAtomicTokens({ on: true, delayMs: 20 })
  const token = host.portal.control.mintToken({ user: 'rtyler' })
  const all = await Promise.all(Array.from({ length: 8 }, () => host.phase('auth', user, token)))
  expect(all.map(({ outcome }) => outcome).sort()).toEqual([
    'allowed token-accepted',
    ...Array.from({ length: 7 }, () => 'denied token-replayed'),
  ])
})

test('the same sentence for an unknown user, a wrong token, a replay and a lockout', async () => {
  const host = await enrolledHost({ config: 'rate_limit_max_attempts = 2' })
  const wrong = await host.phase('auth', user, 'wrong')
  const unknown = await host.phase('auth', { PAM_USER: 'ghost' }, placeholder)
  await host.phase('auth', user, 'wrong2')
  const locked = await host.phase('auth', user, 'wrong3')
  expect(locked.outcome).toBe('denied locked-out')
  expect(unknown.outcome).toBe('denied unknown-to-sshd')
  expect(new Set([wrong.said, unknown.said, locked.said]).size).toBe(1)
  expect(wrong.said).toStartWith('Access denied.')
})

test('a refusal in the auth phase takes as long whatever its reason', async () => {
  const host = await enrolledHost()
  await host.phase('auth', user, '')
  expect(host.world.slept.seconds).toBeCloseTo(0.4)
  await host.phase('auth', { PAM_USER: 'ghost' }, placeholder)
  expect(host.world.slept.seconds).toBeCloseTo(0.8)
})

test('sshd’s placeholder never reaches /pam/verify and never counts as a guess', async () => {
  const host = await enrolledHost()
  for (let i = 0; i < 9; i++) await host.phase('auth', { PAM_USER: 'ghost' }, placeholder.slice(0, 1 + i))
  expect(asked(host)).not.toContain('/pam/verify')
  expect([...host.world.disk.keys()].filter((path) => path.includes('/ratelimit/'))).toEqual([])
})

test('asking about unknown names is limited by source', async () => {
  const host = await enrolledHost()
  for (let i = 0; i < 20; i++) await host.phase('auth', { PAM_USER: `ghost${i}` }, placeholder)
  expect(asked(host).length).toBeLessThanOrEqual(5)
})

test('a never-seen user is registered by the first, refused attempt', async () => {
  const host = await enrolledHost()
  const first = await host.phase('auth', user, placeholder.repeat(5))
  expect(first.outcome).toBe('denied newcomer-registered')
  expect(textOf(host.world, '/var/lib/extrausers/passwd')).toBe(
    'rtyler:x:20039:20039:Rose Tyler:/home/rtyler:/bin/bash\n',
  )
  expect(host.world.homes.size).toBe(0)
})

test('another user’s token is refused, counted, and a security event', async () => {
  const host = await enrolledHost()
  const token = host.portal.control.mintToken({ user: 'dwho' })
  expect((await host.phase('auth', user, token)).outcome).toBe('denied token-of-another-user')
  expect(audited(host.world).at(-1)).toMatchObject({ event_type: 'SECURITY_ERROR', reason: 'token-of-another-user' })
})

const bad: readonly (readonly [string, string, string])[] = [
  ['nothing', '', 'no-token'],
  ['spaces only', '   ', 'no-token'],
  ['511 bytes', 'a'.repeat(511), 'token-cut'],
  ['512 bytes', 'a'.repeat(512), 'token-cut'],
  ['a zero byte inside', 'abc\0def', 'token-malformed'],
  ['an escape sequence', '\x1b[31mred', 'token-malformed'],
  ['not UTF-8 or ASCII', 'töken', 'token-malformed'],
  ['two words', 'correct horse', 'token-malformed'],
]
test.each(bad)('an answer that is no token is refused without the portal: %s', async (_name, typed, reason) => {
  const host = await enrolledHost()
  expect((await host.phase('auth', user, typed)).outcome).toBe(`denied ${reason}`)
  expect(asked(host)).toEqual([])
})

test('blanks around a pasted token do not matter', async () => {
  const host = await enrolledHost()
  const token = host.portal.control.mintToken({ user: 'rtyler' })
  expect((await host.phase('auth', user, ` ${token} \n`)).outcome).toBe('allowed token-accepted')
})

const names = ['', '..', '-x', 'a/b', 'a:b', 'a\nb', 'a'.repeat(33), 'Élise', 'ROOT', 'a b', '$(id)']
test.each(names)('the user name %j goes nowhere', async (name) => {
  const host = await enrolledHost()
  expect((await host.phase('auth', { PAM_USER: name }, 'token')).outcome).toBe('denied bad-login-name')
  expect((await host.phase('account', { PAM_USER: name })).outcome).toBe('denied bad-login-name')
  expect(asked(host)).toEqual([])
})

const outages = [
  ['no connection', { kind: 'reset' }, 'portal-unreachable', false],
  ['HTTP 503', { kind: 'down', status: 503 }, 'portal-unreachable', false],
  ['HTTP 429', { kind: 'down', status: 429 }, 'portal-unreachable', false],
  ['HTTP 404', { kind: 'down', status: 404 }, 'portal-out-of-order', false],
  ['a login page', { kind: 'html' }, 'portal-out-of-order', false],
  ['half an answer', { kind: 'truncated-json' }, 'portal-garbled', true],
  ['more than 256 KiB', { kind: 'oversize' }, 'portal-garbled', true],
  ['nothing', { kind: 'empty' }, 'portal-garbled', false],
  ['JSON called text', { kind: 'text-json' }, 'portal-garbled', true],
] as const
test.each(outages)(
  'when the portal answers with %s, nobody gets in and nobody is blamed',
  async (_name, fault, reason, used) => {
    const host = await enrolledHost()
    const token = host.portal.control.mintToken({ user: 'rtyler' })
    host.portal.control.fault(fault)
    expect((await host.phase('auth', user, token)).outcome).toBe(`unavailable ${reason}`)
    expect((await host.phase('account', user)).outcome).toBe(`unavailable ${reason}`)
    expect([...host.world.disk.keys()].filter((path) => path.includes('/ratelimit/'))).toEqual([])
    host.portal.control.fault({ kind: 'none' })
    // The claim was given back; whether the portal had used the token up is the portal's word.
    expect((await host.phase('auth', user, token)).outcome).toBe(
      used ? 'denied token-rejected' : 'allowed token-accepted',
    )
  },
)

test('sudo needs permissions.sudo_allowed, and sudo -i is asked as sudo', async () => {
  const host = await enrolledHost()
  const sudo = { PAM_SERVICE: 'sudo-i', PAM_RHOST: '' }
  expect((await host.phase('account', { ...sudo, PAM_USER: 'rtyler', PAM_RUSER: 'rtyler' })).outcome).toBe(
    'allowed sudo-allowed',
  )
  expect((await host.phase('account', { ...sudo, PAM_USER: 'dwho', PAM_RUSER: 'dwho' })).outcome).toBe(
    'denied sudo-denied',
  )
  expect(host.portal.control.requests().map(({ body }) => JSON.parse(body).service)).toEqual(['sudo', 'sudo'])
})

test('under sudo the invoking user counts, also with targetpw', async () => {
  const host = await enrolledHost()
  const env = { PAM_SERVICE: 'sudo', PAM_USER: 'root', PAM_RUSER: 'dwho' }
  expect((await host.phase('account', env)).outcome).toBe('denied sudo-denied')
})

test('an expired server token is renewed once by heartbeat, and kept', async () => {
  const host = await enrolledHost()
  host.portal.control.expireAccessTokens()
  expect((await host.phase('account', user)).outcome).toBe('allowed portal-allowed')
  expect((await host.phase('account', user)).outcome).toBe('allowed portal-allowed')
  expect(asked(host)).toEqual(['/pam/authorize', '/pam/heartbeat', '/pam/authorize', '/pam/authorize'])
})

test('an enrollment the portal forgot is a broken host, not an outage', async () => {
  const host = await enrolledHost()
  host.portal.control.dropEnrollment()
  const { outcome, said } = await host.phase('account', user)
  expect(outcome).toBe('unavailable portal-refuses-host')
  expect(said).toStartWith('This host cannot check your access right now.')
  expect(String(audited(host.world).at(-1)?.['details'])).toContain('(HTTP 401): Invalid refresh_token')
})

test('a variable that is there twice is refused before anything else', async () => {
  const host = await enrolledHost()
  Object.assign(host.world, { duplicates: ['PAM_USER'] })
  expect((await host.phase('open_session', { ...user, SSH_AUTH_INFO_0: 'password\n' })).outcome).toBe(
    'unavailable fault',
  )
  expect(String(audited(host.world).at(-1)?.['details'])).toContain('user_readenv=1')
})

test('all phases of a connection share one correlation id, and the person can read it out', async () => {
  const host = await enrolledHost()
  const denied = await host.phase('auth', user, 'wrong')
  await host.phase('account', user)
  await host.phase('open_session', { ...user, SSH_AUTH_INFO_0: 'password\n' })
  const ids = new Set(audited(host.world).map((event) => event['correlation_id']))
  expect(ids.size).toBe(1)
  expect(denied.said).toContain(
    `[ref ${String([...ids][0])
      .slice(0, 8)
      .toUpperCase()}]`,
  )
})

test('the session phase asks nothing that the account phase has asked', async () => {
  const host = await enrolledHost()
  await host.phase('account', user)
  await host.phase('open_session', { ...user, SSH_AUTH_INFO_0: 'password\n' })
  expect(asked(host)).toEqual(['/pam/authorize'])
  expect(host.world.homes.get('/home/rtyler')).toEqual({ uid: 20039, gid: 20039 })
})

test('a session for which sshd names no proof is refused', async () => {
  const host = await enrolledHost()
  await host.phase('account', user)
  expect((await host.phase('open_session', { ...user, SSH_AUTH_INFO_0: '' })).outcome).toBe('denied no-proof')
  expect((await host.phase('open_session', user)).outcome).toBe('denied no-proof')
})

test('close_session forgets what the connection had learned', async () => {
  const host = await enrolledHost()
  await host.phase('account', user)
  await host.phase('close_session', user)
  expect([...host.world.disk.keys()].filter((path) => /\/connections\/.*json$/.test(path))).toEqual([])
})

test('what a connection had learned is gone when its session has begun, and when none came', async () => {
  const host = await enrolledHost()
  const kept = () => [...host.world.disk.keys()].filter((path) => path.endsWith('.json') && path.startsWith('/run/'))
  await host.phase('account', user)
  expect(kept()).toHaveLength(1)
  await host.phase('open_session', { ...user, SSH_AUTH_INFO_0: 'password\n' })
  expect(kept()).toEqual([])
  host.world.disk.set('/run/open-bastion/connections/abandoned.json', {
    data: new Uint8Array(),
    mode: 0o600,
    uid: 0,
    gid: 0,
    modifiedAt: host.world.clock.now,
  })
  host.world.clock.now += 3_700
  await host.phase('account', user)
  expect(kept()).toHaveLength(1)
  expect(kept()).not.toContain('/run/open-bastion/connections/abandoned.json')
})

test('a user gets one uid for ever, and later logins change nothing', async () => {
  const host = await enrolledHost()
  await host.phase('account', user)
  await host.phase('open_session', { ...user, SSH_AUTH_INFO_0: 'password\n' })
  const before = textOf(host.world, '/var/lib/open-bastion/users.json')
  host.portal.control.setUser({ user: 'rtyler', attributes: { uid: '12345', home: '/home/elsewhere' } })
  await host.phase('account', user)
  await host.phase('open_session', { ...user, SSH_AUTH_INFO_0: 'password\n' })
  expect(JSON.parse(textOf(host.world, '/var/lib/open-bastion/users.json') ?? '').users.rtyler.uid).toBe(20039)
  expect(before).toContain('20039')
})

test('people with sudo are in the group that sudoers names, and leave it when the portal says so', async () => {
  const host = await enrolledHost()
  const login = async (): Promise<void> => {
    await host.phase('account', user)
    await host.phase('open_session', { ...user, SSH_AUTH_INFO_0: 'password\n' })
  }
  await login()
  expect(textOf(host.world, '/var/lib/extrausers/group')).toMatch(/^open-bastion-sudo:x:\d+:rtyler$/m)
  host.portal.control.setRules({ group: 'backend', sudo: false })
  await login()
  expect(textOf(host.world, '/var/lib/extrausers/group')).toMatch(/^open-bastion-sudo:x:\d+:$/m)
})

const failing: readonly (readonly [string, string, string])[] = [
  ['the claim cannot be written: no token is believed', '/run/open-bastion/claims', 'unavailable fault'],
  [
    'the failure counter cannot be cleared: the login goes on',
    '/var/lib/open-bastion/ratelimit',
    'allowed token-accepted',
  ],
  ['the audit log cannot be written: the login goes on', '/var/log', 'allowed token-accepted'],
]
test.each(failing)('on a full disk: %s', async (_name, path, expected) => {
  const host = await enrolledHost()
  await host.phase('auth', user, 'wrong')
  const token = host.portal.control.mintToken({ user: 'rtyler' })
  host.break((changed) =>
    changed.startsWith(path) ? 'there is no space left on this file system; free some' : undefined,
  )
  expect((await host.phase('auth', user, token)).outcome).toBe(expected)
})

test('with audit_required, an unwritable audit log refuses the login', async () => {
  const host = await enrolledHost({ config: 'audit_required = true' })
  host.break((changed) => (changed.startsWith('/var/log') ? 'read-only' : undefined))
  const token = host.portal.control.mintToken({ user: 'rtyler' })
  expect((await host.phase('auth', user, token)).outcome).toBe('unavailable audit-unwritable')
  expect(host.world.logged.join()).toContain('AUTH_SUCCESS')
})

test('a full disk at the first login: no account, no login, and nothing half-made', async () => {
  const host = await enrolledHost()
  await host.phase('account', user)
  host.break((changed) => (changed.startsWith('/var/lib/open-bastion/users') ? 'no space left' : undefined))
  expect((await host.phase('open_session', { ...user, SSH_AUTH_INFO_0: 'password\n' })).outcome).toBe(
    'unavailable fault',
  )
  expect(textOf(host.world, '/var/lib/extrausers/passwd')).toBeUndefined()
})

test('no secret is in anything that was said, logged or audited', async () => {
  const host = await enrolledHost({ config: 'request_signing_secret = canary-signing' })
  const token = host.portal.control.mintToken({ user: 'rtyler' })
  await host.phase('auth', user, token)
  await host.phase('auth', user, token)
  host.portal.control.fault({ kind: 'html' })
  const last = await host.phase('auth', user, `${token.slice(1)}0`)
  const access = JSON.parse(textOf(host.world, '/var/lib/open-bastion/token') ?? '').access_token
  const everything = [
    last.said,
    host.world.logged.join(),
    textOf(host.world, '/var/log/open-bastion/audit.json'),
  ].join()
  for (const secret of [token, access, 'canary-signing', 'pamsecret']) expect(everything).not.toContain(secret)
})

test('a portal that repeats the token does not get it into the log', async () => {
  const host = await enrolledHost()
  Object.assign(host.world, {
    fetch: async (_url: string, init: RequestInit) => {
      const { token } = JSON.parse(String(init.body)) as { token: string }
      return Response.json({ valid: false, error: `no such token: ${token}` })
    },
  })
  await host.phase('auth', user, 'c'.repeat(64))
  expect(String(audited(host.world).at(-1)?.['details'])).toContain('no such token: [secret]')
})

test('every request to the portal is signed when the secret is set', async () => {
  const host = await enrolledHost({ config: 'request_signing_secret = sesame' })
  host.portal.control.expireAccessTokens()
  await host.phase('account', user)
  const requests = host.portal.control.requests()
  expect(requests.length).toBe(3)
  for (const { headers } of requests) expect(headers['x-signature-256']).toMatch(/^sha256=[0-9a-f]{64}$/)
})

test('a broken configuration says so in the log, with its line, and lets nobody in', async () => {
  const host = await enrolledHost({ config: 'verify_ssl = off' })
  const { outcome, said } = await host.phase('account', user)
  expect(outcome).toBe('unavailable fault')
  expect(said).not.toContain('verify_ssl')
  expect(String(audited(host.world).at(-1)?.['details'])).toContain('line 7')
})

test('arguments, or a phase that does not exist, are a usage error', async () => {
  const host = await enrolledHost()
  expect((await host.phase('password', user)).outcome).toBe('usage')
})

test('a sudo that does not say who calls is nobody’s, and never root’s', async () => {
  const host = await enrolledHost()
  const env = { PAM_SERVICE: 'sudo', PAM_USER: 'root' }
  expect((await host.phase('account', env)).outcome).toBe('denied bad-login-name')
})

test('whoever names the own address anew each time is still one source', async () => {
  const host = await enrolledHost({ config: 'rate_limit_max_attempts = 2' })
  const from = (name: string) => ({ ...user, PAM_RHOST: name, SSH_CONNECTION: '192.0.2.66 1 192.0.2.1 22' })
  const outcomes: string[] = []
  for (const name of ['a.example', 'b.example', 'c.example'])
    outcomes.push((await host.phase('auth', from(name), 'wrong')).outcome)
  expect(outcomes.at(-1)).toBe('denied locked-out')
})

test('typing sshd’s placeholder for a name that is known asks the portal a few times, not for ever', async () => {
  const host = await enrolledHost()
  for (let i = 0; i < 30; i++) await host.phase('auth', user, placeholder)
  expect(asked(host).length).toBeLessThanOrEqual(6)
})

test('after authentication the address in the log is PAM’s, whatever the session says', async () => {
  const host = await enrolledHost()
  await host.phase('account', { ...user, PAM_RHOST: '192.0.2.7', SSH_CONNECTION: '203.0.113.9 1 192.0.2.1 22' })
  expect(audited(host.world).at(-1)).toMatchObject({ client_ip: '192.0.2.7' })
})

test('a refusal of a broken host comes no sooner than any other', async () => {
  for (const config of ['nonsense = 1', 'ca_cert = /nowhere']) {
    const host = await enrolledHost({ config })
    expect((await host.phase('auth', user, '0'.repeat(64))).outcome).toBe('unavailable fault')
    expect(host.world.slept.seconds).toBeCloseTo(0.4)
  }
})

test('what the account phase noted is not believed from the future', async () => {
  const host = await enrolledHost()
  const connections = openConnections(host.world)
  const authorization = {
    kind: 'granted',
    user: 'rtyler' as LoginName,
    groups: [],
    sudoAllowed: false,
    attributes: {},
  } as const
  connections.remember('one', { authorization, fingerprint: undefined, offline: false })
  const known = () => connections.recall('one', 'rtyler' as LoginName) !== undefined
  expect(known()).toBe(true)
  host.world.clock.now -= 200
  expect(known()).toBe(false)
})

test('ob unlock lets nobody in with a wrong token, or where the portal denies', async () => {
  const host = await enrolledHost({ config: 'service_map = unlock=ssh' })
  const ask = async (typed: string, name = 'rtyler', phase = 'auth') => {
    const world = { ...host.world, env: {}, stdin: () => new TextEncoder().encode(typed) }
    const ending = await unlock.run([name, phase], world)
    return ending.kind === 'outcome' ? ending.outcome.kind : ending.kind
  }
  const token = () => host.portal.control.mintToken({ user: 'rtyler' })
  expect([await ask('0'.repeat(64)), await ask('wrong'), await ask(''), await ask(token())]).toEqual([
    'denied',
    'denied',
    'denied',
    'allowed',
  ])
  host.portal.control.setRules({ group: 'backend', ssh: false })
  expect([await ask(token()), await ask('', 'rtyler', 'account')]).toEqual(['denied', 'denied'])
})
