// A functional account where a typed token names the person: what the phases of one connection hand to each other.
import { expect, test } from 'bun:test'
import { enrolledHost, type Host } from '../host.ts'

const settings = 'functional_accounts = login\nca_user = ca\n'
const typed = { PAM_USER: 'login', SSH_AUTH_INFO_0: 'keyboard-interactive\n' }
const left = (host: Host): readonly object[] =>
  [...host.world.disk].flatMap(([path, { data }]) =>
    /^\/run\/open-bastion\/proven\/[^/]+\.json$/.test(path) ? [JSON.parse(new TextDecoder().decode(data))] : [],
  )

const accepting = () => enrolledHost({ config: `${settings}functional_logins = true\n` })
const tokenOf = (host: Host, user: string) => host.portal.control.mintToken({ user })
const auth = async (host: Host, user: string) =>
  (await host.phase('auth', { PAM_USER: 'login' }, tokenOf(host, user))).outcome

test('the person whose token it is; nobody becomes that person before the session phase said so', async () => {
  const host = await accepting()
  expect(await auth(host, 'rtyler')).toBe('allowed token-accepted')
  expect(left(host)).toMatchObject([{ account: 'login', typed: 'rtyler' }])
  expect((await host.phase('account', typed)).outcome).toBe('allowed functional-account')
  expect((await host.phase('open_session', typed)).outcome).toBe('allowed person-identified')
  expect(left(host)).toMatchObject([{ account: 'login', person: 'rtyler' }])
})

test('a token names nobody where the configuration does not want it, nor at the account of the authority', async () => {
  const closed = await enrolledHost({ config: settings })
  expect(await auth(closed, 'rtyler')).toBe('denied certificate-needed')
  const host = await accepting()
  const ca = await host.phase('auth', { PAM_USER: 'ca' }, tokenOf(host, 'rtyler'))
  expect(ca.outcome).toBe('denied certificate-needed')
  const console_ = await host.phase('auth', { PAM_USER: 'login', PAM_SERVICE: 'login' }, tokenOf(host, 'rtyler'))
  expect(console_.outcome).toBe('denied certificate-needed')
  // What the auth phase left does not count when tokens were switched off meanwhile.
  expect(await auth(host, 'rtyler')).toBe('allowed token-accepted')
  const file = host.world.disk.get('/etc/open-bastion/openbastion.conf')!
  file.data = new TextEncoder().encode(new TextDecoder().decode(file.data).replace('functional_logins = true', ''))
  expect((await host.phase('open_session', typed)).outcome).toBe('denied no-proof')
})

test('a session without a token, with one that was used, or with an old one, is nobody’s', async () => {
  const host = await accepting()
  expect((await host.phase('open_session', typed)).outcome).toBe('denied no-proof')
  const token = tokenOf(host, 'rtyler')
  expect((await host.phase('auth', { PAM_USER: 'login' }, token)).outcome).toBe('allowed token-accepted')
  expect((await host.phase('auth', { PAM_USER: 'login' }, token)).outcome).toBe('denied token-replayed')
  host.world.clock.now += 31
  expect((await host.phase('open_session', typed)).outcome).toBe('denied no-proof')
  // A key that sshd saw proven is judged itself, whatever was typed before.
  expect(await auth(host, 'rtyler')).toBe('allowed token-accepted')
  const unreadable = { PAM_USER: 'login', SSH_AUTH_INFO_0: 'publickey nonsense\n' }
  expect((await host.phase('open_session', unreadable)).outcome).toBe('denied no-proof')
})

test('the person’s own session decides: whom the portal refuses, the system’s accounts and root become nobody', async () => {
  const host = await accepting()
  for (const user of ['root', 'login', 'ca', 'admin']) host.portal.control.setUser({ user })
  expect(await auth(host, 'msmith')).toBe('allowed token-accepted')
  expect((await host.phase('open_session', typed)).outcome).toBe('denied portal-denied')
  for (const user of ['root', 'login', 'ca'])
    expect([user, await auth(host, user)]).toEqual([user, 'denied person-refused'])
  expect(await auth(host, 'admin')).toBe('allowed token-accepted')
  expect((await host.phase('open_session', typed)).outcome).toMatch(/^denied /)
  expect(left(host).filter((record) => 'person' in record)).toEqual([])
})
