// What the user database may tell about an entry of the registry.
import { expect, test } from 'bun:test'
import type { RegistryUser } from '../../src/accounts/registry-format.ts'
import { isVisibleGroup, type LocalIds, visibleUser } from '../../src/userdb/visibility-policy.ts'

const locals: LocalIds = {
  users: new Set(['local']),
  groups: new Set(['wheel']),
  uids: new Set([20005]),
  gids: new Set([30000]),
}
const rules = {
  min_uid: 20000,
  max_uid: 29999,
  approved_home_prefixes: ['/home'],
  approved_shells: ['/bin/bash', '/bin/zsh'],
  create_user_home_base: '/srv/people',
  create_user_shell: '/bin/bash',
}
const alice: RegistryUser = {
  uid: 20001,
  gid: 20001,
  gecos: '',
  home: '/home/alice',
  shell: '/bin/zsh',
  state: 'active',
  source: 'portal',
  createdAt: 0,
} as RegistryUser

const shown = (change: Partial<RegistryUser>, name = 'alice') =>
  visibleUser(name, { ...alice, ...change }, { locals, rules })

test('an entry inside all limits is told as it is', () => expect(shown({})).toEqual(alice))

test.each<readonly [string, Partial<RegistryUser>, string]>([
  ['a retired user', { state: 'retired' }, 'alice'],
  ['a name of this host', {}, 'local'],
  ['a uid of this host', { uid: 20005 }, 'alice'],
  ['uid 0', { uid: 0 }, 'alice'],
  ['gid 0', { gid: 0 }, 'alice'],
  ['a uid of systemd’s dynamic users', { uid: 61500 }, 'alice'],
  ['a uid below min_uid', { uid: 19999 }, 'alice'],
  ['a uid above max_uid', { uid: 30001 }, 'alice'],
  ['a home outside the prefixes', { home: '/root' }, 'alice'],
  ['a home that climbs', { home: '/home/../root' }, 'alice'],
])('%s is not told', (_, change, name) => expect(shown(change, name)).toBeUndefined())

test('a user who is not in the registry is not told', () =>
  expect(visibleUser('alice', undefined, { locals, rules })).toBeUndefined())

test('a home below the base of this host is told', () =>
  expect(shown({ home: '/srv/people/alice' })?.home).toBe('/srv/people/alice'))

test('a shell that is not approved becomes the one of this host', () =>
  expect(shown({ shell: '/tmp/sh' })?.shell).toBe('/bin/bash'))

test('a service account keeps the ids, home and shell that its administrator wrote, but no reserved uid', () => {
  const service = { source: 'service', uid: 1500, home: '/var/lib/backup', shell: '/usr/sbin/nologin' } as const
  expect(shown(service)).toEqual({ ...alice, ...service })
  expect(shown({ ...service, uid: 999 })).toBeUndefined()
})

test('a group of this host, by name or gid, is not told', () => {
  expect([
    isVisibleGroup('wheel', 25000, locals),
    isVisibleGroup('team', 30000, locals),
    isVisibleGroup('team', 25000, locals),
  ]).toEqual([false, false, true])
})
