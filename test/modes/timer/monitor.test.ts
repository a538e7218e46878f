// ob monitor: what a round does to sessions, and what it leaves in the log and on the screen. Who may stay is decided
// in src/offline/revalidate.ts, whose test has the cases.
import { expect, test } from 'bun:test'
import { mode } from '../../../modes/timer/monitor.ts'
import type { LoginName } from '../../../src/base/names.ts'
import { openOfflineSessions } from '../../../src/offline/marks.ts'
import { audited, type FakeWorld } from '../../fakes/world.ts'
import { enrolledHost, type Host } from '../host.ts'

const uids: Readonly<Record<string, number>> = { rtyler: 20001, dwho: 20002 }

/** What NSS says. */
const getent: FakeWorld['spawn'] = async ([program, , user = '']) =>
  program === 'getent' && uids[user] !== undefined
    ? { code: 0, stdout: `${user}:x:${uids[user]}:${uids[user]}::/home/${user}:/bin/sh\n`, stderr: '' }
    : { code: 2, stdout: '', stderr: '' }

/** Two people who came in while the portal was away, each with a process. */
async function offlineHost(config = ''): Promise<Host> {
  const made = await enrolledHost({ config })
  const host = { ...made, world: { ...made.world, spawn: getent } }
  const sessions = openOfflineSessions(host.world)
  for (const name of ['rtyler', 'dwho']) sessions.mark(name as LoginName)
  host.world.running.set(101, 20001)
  host.world.running.set(102, 20002)
  return host
}

async function run(world: FakeWorld, ...args: readonly string[]): Promise<string> {
  const ending = await mode.run(args, world)
  return ending.kind === 'usage' ? 'usage' : `${ending.outcome.kind} ${ending.outcome.reason}`
}

const marked = ({ world }: Host): readonly string[] =>
  openOfflineSessions(world)
    .list()
    .map(({ user }) => user)
const monitored = ({ world }: Host) => audited(world).filter(({ service }) => service === 'monitor')

test('whom the portal does not allow is logged out, said once in the log and once on the screen', async () => {
  const host = await offlineHost()
  host.portal.control.removeUser({ user: 'rtyler' })
  expect(await run(host.world, '--once')).toBe('allowed done')
  expect([...host.world.running.values()]).toEqual([20002])
  expect(marked(host)).toEqual([])
  expect(host.world.printed.out.split('\n').filter((line) => line.startsWith('rtyler: terminate ('))).toHaveLength(1)
  expect(monitored(host)).toMatchObject([
    { user: 'rtyler', event_type: 'SECURITY_ERROR', result_code: 4 },
    { user: 'dwho', event_type: 'AUTHZ_SUCCESS', result_code: 0 },
  ])
})

test('with --json a round is one object', async () => {
  const host = await offlineHost()
  await run(host.world, '--once', '--json')
  const [line, ...rest] = host.world.printed.out.trimEnd().split('\n')
  expect([JSON.parse(line!).users.length, rest]).toEqual([2, []])
})

test('while the portal is away nobody is logged out, and nothing is written to the log', async () => {
  const host = await offlineHost()
  host.portal.control.fault({ kind: 'down' })
  expect(await run(host.world, '--once')).toBe('allowed done')
  expect([host.world.running.size, marked(host).length, monitored(host)]).toEqual([2, 2, []])
  expect(host.world.slept.seconds).toBe(0)
})

test('switched off, it asks nothing', async () => {
  const host = await offlineHost('offline_revalidation_enabled = false')
  host.portal.control.removeUser({ user: 'rtyler' })
  host.portal.control.forgetRequests()
  expect(await run(host.world, '--once')).toBe('allowed done')
  expect([host.portal.control.requests().length, host.world.running.size]).toEqual([0, 2])
})

test('without --once there is a round a minute, by the configuration of that minute, until Ctrl-C', async () => {
  const host = await offlineHost('offline_revalidation_enabled = false')
  const aborted = new AbortController()
  const slept: number[] = []
  const world: FakeWorld = {
    ...host.world,
    interrupted: () => aborted.signal,
    sleep: async (seconds) => {
      slept.push(seconds)
      const file = host.world.disk.get('/etc/open-bastion/openbastion.conf')!
      const text = new TextDecoder().decode(file.data).replace('enabled = false', 'enabled = true')
      if (slept.length === 2) host.world.files.writeAtomic('/etc/open-bastion/openbastion.conf', text, { mode: 0o600 })
      expect(host.portal.control.requests({ path: '/pam/userinfo' }).length > 0).toBe(slept.length > 2)
      if (slept.length === 3) aborted.abort()
    },
  }
  expect(await run(world)).toBe('allowed done')
  expect(slept).toEqual([60, 60, 60])
})

test('arguments that nobody knows are refused', async () => {
  const host = await offlineHost()
  expect(await run(host.world, '--onec')).toBe('usage')
  expect(marked(host).length).toBe(2)
})
