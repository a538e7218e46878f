// Every member of every reply, as a portal may omit or misstate it: absent, of another type, about another user, twice.
// What a member decides, it decides only when it is there and is right.
import { expect, test } from 'bun:test'
import type { LoginName } from '../../src/base/names.ts'
import { Secret } from '../../src/base/secret.ts'
import { loadConfig } from '../../src/config/load.ts'
import { openPorts } from '../../src/login/ports.ts'
import { enrolledHost } from '../modes/host.ts'
import type { Fault } from '../portal/faults.ts'

const user = 'rtyler' as LoginName

type Ask = (fault?: Fault) => Promise<Readonly<Record<string, unknown>>>

/** The stand-in portal's reply through a fault, as the program understands it. */
async function asking(path: string): Promise<Ask> {
  const host = await enrolledHost()
  const attributes = { gecos: 'Rose', home: '/home/rtyler', shell: '/bin/bash', uid: 23456, ssh_public_keys: 'key' }
  host.portal.control.setUser({ user, groups: ['ops'], attributes })
  host.portal.control.setRules({ group: 'backend', ssh: true, sudo: true, offline: { rule: true, ttl: 600 } })
  const { portal } = openPorts(host.world, loadConfig(host.world.files))
  const calls: Readonly<Record<string, () => Promise<object>>> = {
    '/pam/verify': () => portal.verify(new Secret(host.portal.control.mintToken({ user }))),
    '/pam/authorize': () => portal.authorize({ user, service: 'sshd' }),
    '/pam/userinfo': () => portal.userinfo(user),
    '/pam/heartbeat': () =>
      portal.heartbeat(
        new Secret(
          JSON.parse(new TextDecoder().decode(host.world.disk.get('/var/lib/open-bastion/token')?.data)).refresh_token,
        ),
      ),
  }
  return async (fault) => {
    host.portal.control.fault({ kind: 'none' })
    if (fault) host.portal.control.fault({ ...fault, path })
    return (await calls[path]!()) as Readonly<Record<string, unknown>>
  }
}

const values = [null, 0, 1, -1, 1.5, '', 'x', 'true', 'false', true, false, [], ['x'], {}, { a: 1 }]

/** What is left of a reply whose member is wrong, by the endpoint and the member. */
type Row = readonly [path: string, member: string, right: (value: unknown) => boolean, left: object]

const never = { kind: expect.stringMatching(/^(garbled|out-of-order)$/) }
const isText = (value: unknown): boolean => typeof value === 'string'
const isTrue = (value: unknown): boolean => value === true
const rows: readonly Row[] = [
  ['/pam/verify', 'valid', (value) => typeof value === 'boolean', never],
  ['/pam/verify', 'user', isText, never],
  ['/pam/authorize', 'authorized', (value) => typeof value === 'boolean', never],
  ['/pam/authorize', 'user', (value) => value === user, never],
  ['/pam/authorize', 'permissions', () => false, { kind: 'granted', sudoAllowed: false }],
  ['/pam/authorize', 'permissions.sudo_allowed', isTrue, { kind: 'granted', sudoAllowed: false }],
  ['/pam/authorize', 'groups', Array.isArray, { kind: 'granted', groups: [] }],
  ['/pam/authorize', 'offline', () => false, { kind: 'granted', offlineSeconds: undefined }],
  ['/pam/authorize', 'offline.enabled', isTrue, { kind: 'granted', offlineSeconds: undefined }],
  ['/pam/authorize', 'offline.ttl', (value) => value === 1, { kind: 'granted', offlineSeconds: undefined }],
  ['/pam/authorize', 'gecos', isText, { kind: 'granted', attributes: { gecos: undefined } }],
  ['/pam/authorize', 'home', isText, { kind: 'granted', attributes: { home: undefined } }],
  ['/pam/authorize', 'shell', isText, { kind: 'granted', attributes: { shell: undefined } }],
  [
    '/pam/authorize',
    'uid',
    (value) => isText(value) || typeof value === 'number',
    { kind: 'granted', attributes: { uid: undefined } },
  ],
  [
    '/pam/authorize',
    'ssh_public_keys',
    (value) => isText(value) || Array.isArray(value),
    { kind: 'granted', attributes: { sshPublicKeys: undefined } },
  ],
  ['/pam/userinfo', 'found', (value) => typeof value === 'boolean', never],
  ['/pam/userinfo', 'user', (value) => value === user, never],
  ['/pam/userinfo', 'groups', Array.isArray, { kind: 'found', groups: [] }],
  ['/pam/heartbeat', 'status', () => false, never],
  ['/pam/heartbeat', 'access_token', (value) => isText(value) && value !== '', never],
  ['/pam/heartbeat', 'expires_in', (value) => value === 1, never],
  ['/pam/heartbeat', 'server_time', (value) => typeof value === 'number', { kind: 'renewed', serverTime: undefined }],
  [
    '/pam/heartbeat',
    'next_heartbeat',
    (value) => typeof value === 'number',
    { kind: 'renewed', nextSeconds: undefined },
  ],
]

/** An absent member is undefined here. */
const seen = (reply: Readonly<Record<string, unknown>>, left: object): object =>
  Object.fromEntries(
    Object.entries(left).map(([name, value]) => {
      const found = reply[name]
      const isInner = typeof value === 'object' && value !== null && !Array.isArray(value) && name === 'attributes'
      return [name, isInner ? seen((found ?? {}) as Record<string, unknown>, value as object) : found]
    }),
  )

test.each(rows)('%s: %s', async (path, member, right, left) => {
  const ask = await asking(path)
  const whole = await ask()
  expect(whole['kind']).toBe(
    { verify: 'accepted', authorize: 'granted', userinfo: 'found', heartbeat: 'renewed' }[path.slice(5)]!,
  )
  expect(seen(await ask({ kind: 'wrong-member', member }), left)).toEqual(left)
  for (const value of values.filter((one) => !right(one))) {
    expect([value, seen(await ask({ kind: 'wrong-member', member, value }), left)]).toEqual([value, left])
    // RFC 8259 §4 leaves it open; the last one counts, as in every other place of this program.
    expect([value, seen(await ask({ kind: 'wrong-member', member, value, twice: 'last' }), left)]).toEqual([
      value,
      left,
    ])
    expect((await ask({ kind: 'wrong-member', member, value, twice: 'first' }))['kind']).toBe(whole['kind'] as string)
  }
})

test('a denial is a denial, whatever else the reply says', async () => {
  for (const [path, member, kind] of [
    ['/pam/verify', 'valid', 'rejected'],
    ['/pam/authorize', 'authorized', 'refused'],
    ['/pam/userinfo', 'found', 'not-found'],
  ] as const) {
    const ask = await asking(path)
    expect((await ask({ kind: 'wrong-member', member, value: false }))['kind']).toBe(kind)
    expect((await ask({ kind: 'wrong-member', member, value: false, twice: 'last' }))['kind']).toBe(kind)
  }
})

test('an answer about another user is believed by nobody', async () => {
  for (const path of ['/pam/authorize', '/pam/userinfo'])
    for (const value of ['dwho', 'RTYLER', 'rtyler ', 'rtyler\n', 'rtylеr'])
      expect((await (await asking(path))({ kind: 'wrong-member', member: 'user', value }))['kind']).toBe('garbled')
  // Whose token it is, is for the policy to compare.
  expect(await (await asking('/pam/verify'))({ kind: 'wrong-member', member: 'user', value: 'dwho' })).toMatchObject({
    kind: 'accepted',
    user: 'dwho',
  })
})
