// ob heartbeat, ob status and the timer, against the stand-in portal.
import { expect, test } from 'bun:test'
import { mode as status } from '../../../modes/admin/status.ts'
import { exitCode } from '../../../modes/run/exit.ts'
import type { Mode } from '../../../modes/run/mode.ts'
import { mode as heartbeat } from '../../../modes/timer/heartbeat.ts'
import { armMonitor, armTimer } from '../../../src/portal-client/timer.ts'
import { fakeWorld, textOf } from '../../fakes/world.ts'
import { enrolledHost, type Host } from '../host.ts'

const file = '/var/lib/open-bastion/token'
const stateFile = '/run/open-bastion/heartbeat.json'
const day = 86_400

const run = async (host: Host, mode: Mode, ...args: readonly string[]) => {
  const ending = await mode.run(args, host.world)
  return { code: exitCode('admin', ending), text: ending.text ?? '' }
}
const later = (host: Host, seconds: number): void => {
  host.world.clock.now += seconds
  host.portal.control.clock({ offsetSeconds: host.world.clock.now - Date.now() / 1000 })
}
const sent = (host: Host) => host.portal.control.heartbeats()
const state = (host: Host) => JSON.parse(textOf(host.world, stateFile) ?? '{}')
const secrets = (host: Host): readonly string[] => {
  const { access_token, refresh_token } = JSON.parse(textOf(host.world, file) ?? '')
  return [access_token, refresh_token, 'pamsecret']
}

test('a heartbeat renews the token long before it expires and says when the next is due', async () => {
  const host = await enrolledHost({ config: 'node_role = bastion', files: { '/proc/uptime': '4242.42 9999.99\n' } })
  const [old] = secrets(host)
  expect(await run(host, heartbeat)).toEqual({
    code: 0,
    text: 'heartbeat sent, server token renewed; the next is due in 5 min\n',
  })
  expect(sent(host)).toEqual([
    {
      hostname: 'host1',
      server_group: 'backend',
      version: '0.1.0',
      node_role: 'bastion',
      uptime: 4242,
      stats: {},
      sessions: [],
      device: expect.any(String),
    },
  ])
  expect(secrets(host)[0]).not.toBe(old!)
  const { now } = host.world.clock
  expect(state(host)).toMatchObject({ at: now, next: now + 300, result: 'ok', skew: expect.any(Number) })
})

test('the portal’s interval is honoured, and --once does not wait for it', async () => {
  const host = await enrolledHost()
  await run(host, heartbeat)
  later(host, 100)
  expect((await run(host, heartbeat)).text).toBe('no heartbeat is due; the next is due in 3 min\n')
  expect(sent(host)).toHaveLength(1)
  expect((await run(host, heartbeat, '--once')).code).toBe(0)
  expect(sent(host)).toHaveLength(2)
  later(host, 299)
  await run(host, heartbeat)
  expect(sent(host)).toHaveLength(3)
})

test('two heartbeats at once are one request', async () => {
  const host = await enrolledHost()
  const both = await Promise.all([run(host, heartbeat, '--once'), run(host, heartbeat, '--once')])
  expect(both.map(({ code }) => code)).toEqual([0, 0])
  expect(both.map(({ text }) => text.split(',')[0]!.split(';')[0]).sort()).toEqual([
    'another process sent a heartbeat just now',
    'heartbeat sent',
  ])
  expect(sent(host)).toHaveLength(1)
})

test('a heartbeat and a login that meets an expired token are one renewal and one report', async () => {
  const host = await enrolledHost()
  host.portal.control.expireAccessTokens()
  const [login] = await Promise.all([host.phase('account', { PAM_USER: 'rtyler' }), run(host, heartbeat)])
  expect(login.outcome).toBe('allowed portal-allowed')
  expect(sent(host).filter((body) => 'stats' in body)).toHaveLength(1)
  expect(sent(host).length).toBeLessThanOrEqual(2)
})

test('decisions are told once each', async () => {
  const host = await enrolledHost({ files: { '/proc/uptime': '86400 1\n' } })
  await host.phase('account', { PAM_USER: 'rtyler' })
  await host.phase('account', { PAM_USER: 'msmith' })
  later(host, 1)
  await run(host, heartbeat)
  later(host, 300)
  await host.phase('account', { PAM_USER: 'rtyler' })
  await run(host, heartbeat)
  expect(sent(host).map(({ stats }) => stats)).toEqual([{ authz_denied: 1, authz_success: 1 }, { authz_success: 1 }])
})

const logind = (argv: readonly string[]) => {
  if (argv[1] === 'list-sessions')
    return { code: 0, stdout: ' 1 1000 alice seat0 tty1\n 2 1001 bob  \nc1 114 gdm seat0 \n' }
  const ids = argv.slice(2, argv.indexOf('-p'))
  expect(ids).toEqual(['1', '2', 'c1'])
  const one = (name: string, tty: string, from: string, kind: string, begun: number): string =>
    `Name=${name}\nTimestampMonotonic=${begun}000000\nTTY=${tty}\nRemoteHost=${from}\nClass=${kind}\nState=active\n`
  return {
    code: 0,
    stdout: [
      one('alice', 'tty1', '', 'user', 100),
      one('bob', 'pts/0', '192.0.2.9', 'user', 900),
      one('gdm', '', '', 'greeter', 50),
    ].join('\n'),
  }
}
const withLogind = async (config: string): Promise<Host> => {
  const host = await enrolledHost({ config, files: { '/proc/uptime': '1000.00 1\n', '/run/systemd/system': '' } })
  Object.assign(host.world, { spawn: async (argv: readonly string[]) => ({ stderr: '', ...logind(argv) }) })
  return host
}

test('who is logged in is told, newest first and no more than wanted, and not at all when it is not wanted', async () => {
  const all = await withLogind('')
  await run(all, heartbeat)
  const booted = Math.round(all.world.clock.now - 1000)
  expect(sent(all)[0]?.['sessions']).toEqual([
    { user: 'bob', from: '192.0.2.9', tty: 'pts/0', since: booted + 900 },
    { user: 'alice', from: '', tty: 'tty1', since: booted + 100 },
  ])
  const some = await withLogind('max_reported_sessions = 1')
  await run(some, heartbeat)
  expect(sent(some)[0]?.['sessions']).toMatchObject([{ user: 'bob' }])
  const none = await withLogind('report_sessions = false')
  await run(none, heartbeat)
  expect(sent(none)[0]).not.toHaveProperty('sessions')
})

test('a dry run shows what would be sent, without the token, and sends and changes nothing', async () => {
  const host = await enrolledHost()
  const before = [...host.world.disk.keys()]
  const { code, text } = await run(host, heartbeat, '--dry-run')
  expect(code).toBe(0)
  expect(JSON.parse(text)).toMatchObject({ refresh_token: '[secret]', hostname: 'host1', server_group: 'backend' })
  for (const secret of secrets(host)) expect(text).not.toContain(secret)
  expect(host.portal.control.requests()).toEqual([])
  expect([...host.world.disk.keys()]).toEqual(before)
})

const endings: readonly (readonly [string, (host: Host) => void, number, string])[] = [
  ['the portal is away', ({ portal }) => portal.control.fault({ kind: 'reset' }), 75, 'no connection to auth.example'],
  ['the portal answers HTTP 500', ({ portal }) => portal.control.fault({ kind: 'down', status: 500 }), 75, 'HTTP 500'],
  ['the portal answers a login page', ({ portal }) => portal.control.fault({ kind: 'html' }), 75, 'text/html'],
  [
    'the portal forgot this host',
    ({ portal }) => portal.control.dropEnrollment(),
    70,
    'Invalid refresh_token\n→ ob enroll --force',
  ],
  [
    'the token cannot be saved',
    (host) => host.break((path) => (path === file ? 'there is no space left' : undefined)),
    70,
    'renewed but could not be saved: cannot write /var/lib/open-bastion/token',
  ],
  [
    'there is no refresh token',
    ({ world }) => world.files.writeAtomic(file, 'plain-token\n', { mode: 0o600 }),
    70,
    'holds no refresh token, so it cannot be renewed\n→ ob enroll --force',
  ],
]
test.each(endings)('when %s, a monitor is told', async (_name, spoil, code, part) => {
  const host = await enrolledHost()
  spoil(host)
  const told = await run(host, heartbeat)
  expect([told.code, told.text]).toEqual([code, expect.stringContaining(part)])
  const json = await run(host, heartbeat, '--json')
  expect(json.code).toBe(code)
  expect(JSON.parse(json.text).detail).toEqual(expect.any(String))
})

test('a failed heartbeat is tried again at the next round, and a success ends it', async () => {
  const host = await enrolledHost()
  await run(host, heartbeat)
  host.portal.control.fault({ kind: 'reset' })
  later(host, 300)
  expect((await run(host, heartbeat)).code).toBe(75)
  expect(state(host)).toMatchObject({ result: 'unreachable', attempts: 2 })
  host.portal.control.fault({ kind: 'none' })
  later(host, 60)
  expect((await run(host, heartbeat)).code).toBe(0)
  expect(state(host)).toEqual(expect.not.objectContaining({ detail: expect.anything() }))
})

test('a portal that is away for weeks is a warning before it forgets this host', async () => {
  const host = await enrolledHost()
  await run(host, heartbeat)
  host.portal.control.fault({ kind: 'reset' })
  later(host, 22 * day)
  expect((await run(host, heartbeat)).code).toBe(75)
  later(host, 2 * day)
  const warned = await run(host, heartbeat)
  expect(warned.code).toBe(1)
  expect(warned.text).toContain('the portal forgets this host in 6 days unless it hears of it')
  // A reboot forgets nothing that matters.
  host.world.disk.delete(stateFile)
  expect((await run(host, heartbeat)).code).toBe(1)
  host.portal.control.fault({ kind: 'none' })
  expect((await run(host, heartbeat)).code).toBe(0)
})

test.each([-40 * day, -3600, 3600, 40 * day])('a clock that jumps by %d s does not silence this host', async (jump) => {
  const host = await enrolledHost()
  await run(host, heartbeat)
  host.world.clock.now += jump
  expect((await run(host, heartbeat)).code).toBe(0)
  expect(sent(host)).toHaveLength(2)
  host.world.clock.now += 300
  await run(host, heartbeat)
  expect(sent(host)).toHaveLength(3)
})

test('nothing a heartbeat prints or leaves in /run holds a secret', async () => {
  const host = await enrolledHost()
  const said = [await run(host, heartbeat), await run(host, heartbeat, '--json'), await run(host, status, '--json')]
  const everything = said.map(({ text }) => text).join('') + textOf(host.world, stateFile) + host.world.logged.join('')
  for (const secret of secrets(host)) expect(everything).not.toContain(secret)
})

test('status is one screen of a sound host', async () => {
  const host = await enrolledHost({ files: { '/proc/uptime': '1000 1\n' } })
  await host.phase('account', { PAM_USER: 'rtyler' })
  await host.phase('open_session', { PAM_USER: 'rtyler', SSH_AUTH_INFO_0: 'password\n' })
  await run(host, heartbeat)
  later(host, 120)
  const { code, text } = await run(host, status)
  expect(text.trimEnd().split('\n').at(-1)).toBe('nothing needs attention')
  expect(code).toBe(0)
  for (const line of [
    /^enrolled +as pam-access in group backend, /m,
    /^token +renewed 2 min ago, expires in 5[78] min$/m,
    /^heartbeat +ok, 2 min ago; next due in 3 min$/m,
    /^portal +https:\/\/auth\.example\.test, answers in \d+ ms$/m,
    /^tls +TLS 1\.3 or later$/m,
    /^lockouts +0 locked now$/m,
    /^accounts +1 of portal users$/m,
    /^audit log +\d+ bytes, last SESSION_OPENED rtyler, 2 min ago$/m,
  ])
    expect(text).toMatch(line)
  expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80)
  expect(text.split('\n').length).toBeLessThanOrEqual(24)
})

test('each thing that status says is as old as itself', async () => {
  const host = await enrolledHost()
  await run(host, heartbeat)
  later(host, 600)
  host.portal.control.fault({ kind: 'down', status: 503 })
  await run(host, heartbeat)
  later(host, 60)
  const { text } = await run(host, status)
  expect(text).toMatch(/^heartbeat +unreachable, 60 s ago; last sent 11 min ago; next due now$/m)
  expect(text).toMatch(/^clock +\d+ s (ahead of|behind) the portal, compared 11 min ago$/m)
  expect(text).toMatch(/^token +renewed 11 min ago/m)
})

test('status counts who is locked out', async () => {
  const host = await enrolledHost({ config: 'rate_limit_max_attempts = 1' })
  await host.phase('auth', { PAM_USER: 'rtyler' }, 'wrong')
  expect((await run(host, status)).text).toMatch(/^lockouts +1 locked now$/m)
})

test('status of a host in trouble ends with 1, names each trouble and its remedy, and still fits', async () => {
  const host = await enrolledHost({ config: `server_group = ${'very-long-name-of-a-group'.repeat(4)}` })
  host.portal.control.fault({ kind: 'reset' })
  const trouble = await run(host, status)
  expect(trouble.code).toBe(1)
  expect(trouble.text).toContain('! no connection to auth.example.test')
  expect(trouble.text).toContain('! no heartbeat since this host was booted\n    → ob heartbeat\n')
  // A name that is cut could not be copied.
  const [long, ...others] = trouble.text.split('\n').toSorted((one, other) => other.length - one.length)
  expect(long).toContain('very-long-name-of-a-group'.repeat(4))
  expect(others[0]?.length).toBeLessThanOrEqual(80)
  host.world.files.remove(file)
  expect((await run(host, status)).text).toMatch(/^enrolled +no$[\s\S]*does not exist\n {4}→ run: ob enroll$/m)
  const { attention } = JSON.parse((await run(host, status, '--json')).text)
  expect(attention.length).toBeGreaterThanOrEqual(2)
})

const units = { '/run/systemd/system': '', '/usr/lib/systemd/system/ob-heartbeat.timer': '' }
const systemctl = (answers: Readonly<Record<string, number>>) => (argv: readonly string[]) => ({
  code: answers[argv[1] ?? ''] ?? 1,
  stderr: 'Failed to enable unit: Unit is masked.\n',
})

test('enrolling arms the timer, or says the one command that does', async () => {
  const arm = (files: Readonly<Record<string, string>>, answers: Readonly<Record<string, number>> = {}) =>
    armTimer(fakeWorld({ files, spawn: systemctl(answers) }))
  expect(await arm(units, { 'is-active': 0, 'is-enabled': 0 })).toMatchObject({ armed: true })
  expect(await arm(units, { enable: 0 })).toMatchObject({ armed: true })
  expect(await arm(units, { 'is-active': 0, enable: 0 })).toMatchObject({ armed: true })
  expect(await arm(units)).toEqual({
    armed: false,
    text: 'ob-heartbeat.timer could not be armed (Failed to enable unit: Unit is masked.); run: systemctl enable --now ob-heartbeat.timer',
  })
  const cron = "; run: echo '*/5 * * * * root /usr/sbin/ob heartbeat >/dev/null' > /etc/cron.d/ob-heartbeat"
  expect((await arm({})).text).toEndWith(cron)
  expect((await arm({ '/run/systemd/system': '' })).text).toEndWith(cron)
})

test('enrolling arms the timer of ob monitor as well, where it is installed and not armed', async () => {
  const there = { '/run/systemd/system': '', '/usr/lib/systemd/system/ob-monitor.timer': '' }
  const arm = (files: Readonly<Record<string, string>>, answers: Readonly<Record<string, number>> = {}) =>
    armMonitor(fakeWorld({ files, spawn: systemctl(answers) }))
  expect(await arm(units)).toBeUndefined()
  expect(await arm(there, { 'is-active': 0, 'is-enabled': 0 })).toBeUndefined()
  expect(await arm(there, { 'is-active': 0, enable: 0 })).toMatchObject({ armed: true })
  expect(await arm(there)).toEqual({
    armed: false,
    text: 'ob-monitor.timer could not be armed; run: systemctl enable --now ob-monitor.timer',
  })
})

test('what logins left behind is removed here, so that no login has to look through it', async () => {
  const host = await enrolledHost()
  host.portal.control.setUser({ user: 'alice' })
  const token = host.portal.control.mintToken({ user: 'alice' })
  const { outcome } = await host.phase('auth', { PAM_USER: 'alice' }, token)
  expect(outcome).toBe('allowed token-accepted')
  const used = () => (host.world.files.list('/run/open-bastion/claims') ?? []).filter((name) => name !== '.swept')
  expect(used()).not.toEqual([])
  // Half an hour after the last sweep, and a day after the token.
  later(host, 86_400 + 60)
  host.world.files.writeAtomic('/run/open-bastion/claims/.swept', '', { mode: 0o600 })
  later(host, 1_000)
  await run(host, heartbeat, '--once')
  expect(used()).not.toEqual([])
  later(host, 1_000)
  await run(host, heartbeat, '--once')
  expect(used()).toEqual([])
})
