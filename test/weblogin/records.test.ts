// What a web login leaves on this host: logins that wait, who was confirmed, and approvals.
import { expect, test } from 'bun:test'
import type { LoginName } from '../../src/base/names.ts'
import { type ApprovalRecord, openApprovals, parseApproval } from '../../src/weblogin/approvals.ts'
import { openConfirmedLogins } from '../../src/weblogin/confirmed.ts'
import { openPendingLogins } from '../../src/weblogin/pending.ts'
import { placeOf } from '../../src/weblogin/place.ts'
import { fuzzText } from '../fakes/mutate.ts'
import { fakeWorld, textOf } from '../fakes/world.ts'

const place = { id: 'a'.repeat(32), user: 'alice', service: 'sshd' }
const started = { kind: 'started', session: 'S'.repeat(32), url: 'https://a/w/x', secondsLeft: 60 } as const
const confirmed = { user: 'alice', subject: 's', issuer: 'i', groups: ['staff'] }

test('every try of one ssh connection has one place; each sudo has its own', () => {
  const world = fakeWorld()
  const beside = { ...world, callerSeed: () => 'boot 301 401' }
  const ssh = placeOf(world, { user: 'alice', service: 'sshd' })
  expect(placeOf(beside, { user: 'alice', service: 'sshd' })).toEqual(ssh)
  const sudo = placeOf(world, { user: 'alice', service: 'sudo' })
  expect(placeOf(world, { user: 'alice', service: 'sudo-i' })).toEqual(sudo)
  expect(new Set([ssh.id, sudo.id, placeOf(beside, { user: 'alice', service: 'sudo' }).id]).size).toBe(3)
})

test('a login that waits is this user’s and this service’s alone, until its time is over', () => {
  const world = fakeWorld()
  const pending = openPendingLogins(world)
  expect(pending.read(place)).toEqual({ kind: 'none' })
  pending.open(place, started)
  expect(pending.read(place)).toEqual({ kind: 'open', session: started.session, url: started.url, isShown: false })
  pending.markShown(place)
  expect(pending.read(place)).toMatchObject({ isShown: true })
  expect(pending.read({ ...place, user: 'bob' })).toEqual({ kind: 'none' })
  expect(pending.read({ ...place, service: 'sudo' })).toEqual({ kind: 'none' })
  world.clock.now += 60
  expect(pending.read(place)).toEqual({ kind: 'none' })
})

test('a refused connection stays refused, and tries are counted down to none', () => {
  const pending = openPendingLogins(fakeWorld())
  pending.open(place, started)
  expect([1, 2, 3, 4].map(() => pending.countTry(place))).toEqual([2, 1, 0, 0])
  pending.refuse(place)
  expect(pending.read(place)).toEqual({ kind: 'refused' })
})

test('only root can read what waits, and a file of somebody else is a fault', () => {
  const world = fakeWorld()
  const pending = openPendingLogins(world)
  pending.open(place, started)
  const path = `/run/open-bastion/weblogin/pending/${place.id}.json`
  expect(world.disk.get(path)?.mode).toBe(0o600)
  world.disk.set(path, { ...world.disk.get(path)!, uid: 1000 })
  expect(() => pending.read(place)).toThrow('belongs to uid 1000')
})

test('who was confirmed is believed for this user and service, for five minutes, until it is forgotten', () => {
  const world = fakeWorld()
  const records = openConfirmedLogins(world)
  records.write(place, confirmed)
  expect(records.read(place)).toEqual(confirmed)
  expect(records.read({ ...place, user: 'bob' })).toBeUndefined()
  expect(records.read({ ...place, service: 'sudo' })).toBeUndefined()
  world.clock.now += 301
  expect(records.read(place)).toBeUndefined()
  world.clock.now -= 602
  expect(records.read(place)).toBeUndefined()
  world.clock.now += 301
  records.forget(place)
  expect(records.read(place)).toBeUndefined()
})

test('the record says the name of the login, whatever name the service wrote', () => {
  const world = fakeWorld()
  openConfirmedLogins(world).write(place, { ...confirmed, user: 'root' })
  expect(textOf(world, `/run/open-bastion/weblogin/confirmed/${place.id}.json`)).not.toContain('root')
})

const alice = 'alice' as LoginName
const bound = { user: alice, rhost: '2001:db8::1', fingerprint: 'SHA256:key' }

test('an approval holds for the user, the /64 and the key, until it ends', () => {
  const world = fakeWorld()
  const approvals = openApprovals(world)
  approvals.note(bound, confirmed, { expiresAt: world.clock.now + 100, keptBy: 'host' })
  expect(approvals.find({ ...bound, rhost: '2001:db8::2' })).toMatchObject(confirmed)
  expect(approvals.find({ ...bound, rhost: '2001:db8:0:1::1' })).toBeUndefined()
  expect(approvals.find({ ...bound, user: 'bob' as LoginName })).toBeUndefined()
  expect(approvals.find({ ...bound, fingerprint: 'SHA256:other' })).toBeUndefined()
  world.clock.now += 100
  expect(approvals.find(bound)).toBeUndefined()
})

test('what a service keeps is listed and is no approval of this host', () => {
  const world = fakeWorld()
  const approvals = openApprovals(world)
  approvals.note(bound, confirmed, { expiresAt: world.clock.now + 100, keptBy: 'service' })
  expect(approvals.list().map(({ user, source }) => `${user} ${source}`)).toEqual(['alice 2001:db8:0:0::/64'])
  expect(approvals.find(bound)).toBeUndefined()
})

test('a revocation takes away what was approved before, of one user or of all, and nothing that comes after', () => {
  const world = fakeWorld()
  const approvals = openApprovals(world)
  const end = { expiresAt: world.clock.now + 1000, keptBy: 'host' } as const
  approvals.note(bound, confirmed, end)
  expect(approvals.oldest(alice, 600)).toBe(600)
  expect(approvals.revoke(alice)).toBe(1)
  expect([approvals.find(bound), approvals.oldest(alice, 600)]).toEqual([undefined, 0])
  expect(approvals.oldest('bob' as LoginName, 600)).toBe(600)
  world.clock.now += 10
  expect(approvals.oldest(alice, 600)).toBe(10)
  approvals.note(bound, confirmed, end)
  expect(approvals.find(bound)).toBeDefined()
  expect(approvals.revoke('everybody')).toBe(1)
  expect([approvals.find(bound), approvals.oldest('bob' as LoginName, 600)]).toEqual([undefined, 0])
})

test('a revocation that cannot be read revokes everything', () => {
  const world = fakeWorld({ files: { '/var/lib/open-bastion/weblogin-revoked/alice': '' } })
  const approvals = openApprovals(world)
  approvals.note(bound, confirmed, { expiresAt: world.clock.now + 100, keptBy: 'host' })
  expect([approvals.find(bound), approvals.oldest(alice, 600)]).toEqual([undefined, 0])
})

test('a broken approval is none', () => {
  const record: ApprovalRecord = {
    ...{ user: 'alice', source: '192.0.2.7', fingerprint: 'SHA256:key', madeAt: 1, expiresAt: 2 },
    keptBy: 'host',
    ...{ subject: 's', issuer: 'i', groups: [] },
  }
  expect(parseApproval(JSON.stringify(record))).toEqual(record)
  for (const name of Object.keys(record))
    expect(parseApproval(JSON.stringify({ ...record, [name]: null }))).toBeUndefined()
  fuzzText([JSON.stringify(record)], parseApproval)
})
