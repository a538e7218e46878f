// Rounds over sessions that began offline, against the stand-in portal: who stays, who goes, and what is left behind.
import { expect, test } from 'bun:test'
import { openAccounts } from '../../src/accounts/provision.ts'
import type { LoginName } from '../../src/base/names.ts'
import type { World } from '../../src/base/world.ts'
import { loadConfig } from '../../src/config/load.ts'
import { openPorts } from '../../src/login/ports.ts'
import { openOfflineSessions } from '../../src/offline/marks.ts'
import { monitorRound } from '../../src/offline/revalidate.ts'
import { openSessionControl, type SessionControl } from '../../src/sessions/terminate.ts'
import { fakeWorld } from '../fakes/world.ts'
import { enrolledHost } from '../modes/host.ts'

const rtyler = 'rtyler' as LoginName
const dwho = 'dwho' as LoginName
const gateway = 'Iface\tDestination\tGateway\n eth0\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n'

async function offlineHost(present: readonly LoginName[] = [rtyler, dwho]) {
  const host = await enrolledHost({ files: { '/proc/net/route': gateway } })
  const sessions = openOfflineSessions(host.world)
  for (const user of [rtyler, dwho]) sessions.mark(user)
  const ended: LoginName[] = []
  const control: SessionControl = {
    isPresent: async (user) => present.includes(user),
    terminate: async (user) => ended.push(user) > 0,
  }
  const round = () => roundOf(host.world, control)
  const marked = () => sessions.list().map(({ user }) => user)
  return { host, ended, round, marked }
}

function roundOf(world: World, control: SessionControl) {
  const config = loadConfig(world.files)
  const { portal, offline } = openPorts(world, config)
  return monitorRound(world, config, { control, portal, forgetGrant: async (user) => (await offline()).forget(user) })
}

const minutes = async (count: number, clock: { now: number }, round: () => Promise<unknown>): Promise<void> => {
  for (let i = 0; i < count; i++) {
    clock.now += 60
    await round()
  }
}

test('the portal is back and knows the users: their marks go, their sessions stay', async () => {
  const { round, ended, marked } = await offlineHost()
  await round()
  expect([ended, marked()]).toEqual([[], []])
})

test('a user the portal does not know any more is logged out', async () => {
  const { host, round, ended, marked } = await offlineHost()
  host.portal.control.removeUser({ user: 'rtyler' })
  await round()
  expect([ended, marked()]).toEqual([[rtyler], []])
})

test('a user the portal denies on this host is logged out', async () => {
  const { host, round, ended } = await offlineHost()
  host.portal.control.setRules({ group: 'backend', ssh: ['rtyler'] })
  await round()
  expect(ended).toEqual([dwho])
})

test('a mark without a session is forgotten', async () => {
  const { round, ended, marked } = await offlineHost([dwho])
  await round()
  expect([ended, marked()]).toEqual([[], []])
})

test.each(['html', 'truncated-json', 'wrong-member'] as const)('%s from the portal ends nothing', async (kind) => {
  const { host, round, ended, marked } = await offlineHost()
  host.portal.control.fault({ kind })
  await round()
  expect([ended, marked().length]).toEqual([[], 2])
})

test('a token the portal refuses ends nothing', async () => {
  const { host, round, ended, marked } = await offlineHost()
  host.portal.control.dropEnrollment()
  await round()
  expect([ended, marked().length]).toEqual([[], 2])
})

test('silence while the network is there: 59 minutes end nothing, 61 end every session that began offline', async () => {
  const { host, round, ended, marked } = await offlineHost()
  host.portal.control.fault({ kind: 'down', status: 503 })
  await round()
  await minutes(59, host.world.clock, round)
  expect(ended).toEqual([])
  await minutes(2, host.world.clock, round)
  expect([ended, marked()]).toEqual([[rtyler, dwho], []])
})

test('an hour without any network ends nothing', async () => {
  const { host, round, ended, marked } = await offlineHost()
  host.world.disk.delete('/proc/net/route')
  Object.assign(host.world, {
    fetch: async () => {
      throw Object.assign(new Error('no route'), { code: 'ENETUNREACH' })
    },
  })
  await round()
  await minutes(120, host.world.clock, round)
  expect([ended, marked().length]).toEqual([[], 2])
})

test('a filtered portal is silence, not absence of a network', async () => {
  const { host, round, ended } = await offlineHost()
  Object.assign(host.world, {
    fetch: async () => {
      throw Object.assign(new Error('filtered'), { code: 'EHOSTUNREACH' })
    },
  })
  await round()
  await minutes(61, host.world.clock, round)
  expect(ended).toEqual([rtyler, dwho])
})

test('somebody who stands in for the portal with a certificate of their own is silence too', async () => {
  const { host, round, ended } = await offlineHost()
  Object.assign(host.world, {
    fetch: async () => {
      throw Object.assign(new Error('untrusted'), { code: 'SELF_SIGNED_CERT_IN_CHAIN' })
    },
  })
  await round()
  await minutes(61, host.world.clock, round)
  expect(ended).toEqual([rtyler, dwho])
})

test('to let the first question through and stop those about users is silence too', async () => {
  const { host, round, ended, marked } = await offlineHost()
  Object.assign(host.world, {
    fetch: async (url: string, init: RequestInit) => {
      if (url.includes('/pam/')) throw Object.assign(new Error('filtered'), { code: 'EHOSTUNREACH' })
      return host.portal.handle(new Request(url, init))
    },
  })
  await round()
  await minutes(59, host.world.clock, round)
  expect([ended, marked().length]).toEqual([[], 2])
  await minutes(2, host.world.clock, round)
  expect(ended).toEqual([rtyler, dwho])
})

test('who was logged out because the portal denies does not come back when it is away again', async () => {
  const { host, round, ended } = await offlineHost()
  const user = { PAM_USER: 'rtyler' }
  await host.phase('account', user)
  host.portal.control.removeUser({ user: 'rtyler' })
  await round()
  host.portal.control.fault({ kind: 'down', status: 503 })
  expect([ended, (await host.phase('account', user)).outcome]).toEqual([[rtyler], 'unavailable portal-unreachable'])
})

test('ending a user’s sessions ends every process of that user and of nobody else', async () => {
  const world = fakeWorld({
    spawn: (argv) =>
      argv[0] === 'getent' ? { code: 0, stdout: 'rtyler:x:20039:20039::/home/rtyler:/bin/bash\n' } : { code: 1 },
  })
  world.running.set(100, 20039).set(101, 20039).set(102, 0).set(103, 1000)
  const control = openSessionControl(world)
  expect(await control.isPresent(rtyler)).toBe(true)
  expect(await control.terminate(rtyler)).toBe(true)
  expect([...world.running.keys()]).toEqual([102, 103])
  expect(await control.isPresent(rtyler)).toBe(false)
})

test('a user whom NSS does not find for now is known by the registry', async () => {
  const { host } = await offlineHost()
  await host.phase('account', { PAM_USER: 'rtyler' })
  await host.phase('open_session', { PAM_USER: 'rtyler', SSH_AUTH_INFO_0: 'password\n' })
  const { users } = (await openAccounts(host.world, loadConfig(host.world.files))).registry()
  host.world.running.set(100, users.get('rtyler')!.uid)
  const control = openSessionControl({ ...host.world, spawn: async () => ({ code: 2, stdout: '', stderr: '' }) })
  expect(await control.isPresent(rtyler)).toBe(true)
  expect(await control.terminate(rtyler)).toBe(true)
})

test('a session that cannot be ended keeps its mark for the next round', async () => {
  const { host, marked } = await offlineHost()
  host.portal.control.removeUser({ user: 'rtyler' })
  const stubborn: SessionControl = { isPresent: async () => true, terminate: async () => false }
  await roundOf(host.world, stubborn)
  expect(marked()).toEqual([rtyler])
})

test.each([0, 33, 999])('a name that has uid %i here is nobody whose processes end', async (uid) => {
  const world = fakeWorld({ spawn: () => ({ code: 0, stdout: `rtyler:x:${uid}:0::/root:/bin/bash\n` }) })
  world.running.set(1, uid)
  await openSessionControl(world).terminate(rtyler)
  expect([...world.running.keys()]).toEqual([1])
})

test('letting the question about the user through and stopping the one about access is silence', async () => {
  for (const fault of [
    { kind: 'down', status: 503 },
    { kind: 'html' },
    { kind: 'wrong-member', member: 'authorized' },
    { kind: 'down', status: 403, body: { error: 'Invalid token scope' } },
  ] as const) {
    const { host, round, ended } = await offlineHost()
    host.portal.control.fault({ ...fault, path: '/pam/authorize' })
    await round()
    await minutes(61, host.world.clock, round)
    expect([fault.kind, ended]).toEqual([fault.kind, [rtyler, dwho]])
  }
})
