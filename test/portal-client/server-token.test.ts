// The server token through everything that happens to it: expiry under load, lost answers, full disks, bad files.
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { chmodSync, chownSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { disk } from '../../modes/world/files/disk.ts'
import { Fault } from '../../src/base/fault.ts'
import { readTokenFile } from '../../src/portal-client/token-file.ts'
import { audited, fakeWorld, textOf } from '../fakes/world.ts'
import { enrolledHost, type Host } from '../modes/host.ts'

const file = '/var/lib/open-bastion/token'
const user = { PAM_USER: 'rtyler' }
const heartbeats = (host: Host): number => host.portal.control.requests({ path: '/pam/heartbeat' }).length
const kept = (host: Host) => JSON.parse(textOf(host.world, file) ?? '')
const outcomes = (ran: readonly { readonly outcome: string }[]): readonly string[] => [
  ...new Set(ran.map(({ outcome }) => outcome)),
]
const twenty = (host: Host) => Promise.all(Array.from({ length: 20 }, () => host.phase('account', user)))

test('twenty logins at once with an expired token make one heartbeat and twenty successes', async () => {
  const host = await enrolledHost()
  host.portal.control.expireAccessTokens()
  expect(outcomes(await twenty(host))).toEqual(['allowed portal-allowed'])
  expect(heartbeats(host)).toBe(1)
})

test('twenty logins at once wait for one outage, not for twenty', async () => {
  const host = await enrolledHost()
  host.portal.control.expireAccessTokens()
  host.portal.control.fault({ kind: 'down', path: '/pam/heartbeat' })
  expect(outcomes(await twenty(host))).toEqual(['unavailable portal-unreachable'])
  expect(heartbeats(host)).toBe(1)
  host.portal.control.fault({ kind: 'none' })
  expect(outcomes(await twenty(host))).toEqual(['allowed portal-allowed'])
  expect(heartbeats(host)).toBe(2)
})

test('a refused refresh token is a broken host, never an outage, and one question is enough for twenty logins', async () => {
  const host = await enrolledHost()
  host.portal.control.dropEnrollment()
  expect(outcomes(await twenty(host))).toEqual(['unavailable portal-refuses-host'])
  expect(heartbeats(host)).toBe(1)
  expect(String(audited(host.world).at(-1)?.['details'])).toContain('refuses this host (HTTP 401): Invalid')
})

test('a call is retried once, not more', async () => {
  const host = await enrolledHost()
  host.portal.control.fault({ kind: 'down', status: 401, path: '/pam/authorize', body: { error: 'Invalid' } })
  expect((await host.phase('account', user)).outcome).toBe('unavailable portal-refuses-host')
  expect(host.portal.control.requests().map(({ path }) => path)).toEqual([
    '/pam/authorize',
    '/pam/heartbeat',
    '/pam/authorize',
  ])
})

test('renewal changes the access token and its dates; the refresh token and what others wrote stay', async () => {
  const host = await enrolledHost()
  const before = { ...kept(host), enrolled_at: 1_700_000_000, server_group: 'backend', nested: { a: [1] } }
  host.world.files.writeAtomic(file, JSON.stringify(before), { mode: 0o600 })
  host.portal.control.expireAccessTokens()
  await host.phase('account', user)
  const now = Math.floor(host.world.now())
  const { access_token, ...after } = kept(host)
  expect(access_token).not.toBe(before.access_token)
  const { access_token: _, ...same } = before
  expect(after).toEqual({ ...same, expires_at: now + 3600, renewed_at: now })
  expect(host.world.disk.get(file)?.mode).toBe(0o600)
})

test('the plain form of old serves until it expires, and is never rewritten', async () => {
  const host = await enrolledHost()
  const plain = `${kept(host).access_token}\n`
  host.world.files.writeAtomic(file, plain, { mode: 0o600 })
  expect((await host.phase('account', user)).outcome).toBe('allowed portal-allowed')
  host.portal.control.expireAccessTokens()
  expect((await host.phase('account', user)).outcome).toBe('unavailable portal-refuses-host')
  expect(String(audited(host.world).at(-1)?.['details'])).toContain('holds no refresh token')
  expect(textOf(host.world, file)).toBe(plain)
  expect(heartbeats(host)).toBe(0)
})

test('a login goes on with a renewed token that a full disk refuses, and the old file stays as it was', async () => {
  const host = await enrolledHost()
  const before = textOf(host.world, file)
  host.portal.control.expireAccessTokens()
  host.break((path) => (path.startsWith('/var/lib/') ? 'there is no space left on this file system' : undefined))
  expect((await host.phase('account', user)).outcome).toBe('allowed portal-allowed')
  expect((await host.phase('account', user)).outcome).toBe('allowed portal-allowed')
  expect(textOf(host.world, file)).toBe(before)
  expect(host.world.logged.join('\n')).toContain('the renewed server token is used but not kept')
  expect(JSON.parse(textOf(host.world, '/run/open-bastion/heartbeat.json') ?? '').result).toBe('unsaved')
  host.break(() => undefined)
  expect((await host.phase('account', user)).outcome).toBe('allowed portal-allowed')
  expect(kept(host).access_token).not.toBe(JSON.parse(before ?? '').access_token)
})

test('what cannot be remembered of a heartbeat refuses nobody', async () => {
  const host = await enrolledHost()
  host.portal.control.expireAccessTokens()
  host.break((path) => (path === '/run/open-bastion/heartbeat.json' ? 'there is no space left' : undefined))
  expect(outcomes(await twenty(host))).toEqual(['allowed portal-allowed'])
  expect(heartbeats(host)).toBe(1)
})

class Killed extends Error {}

test('a login killed at any write of a renewal costs nobody else anything', async () => {
  const host = await enrolledHost()
  const { refresh_token } = kept(host)
  let kills = 0
  for (let nth = 0; nth < 12; nth++) {
    host.portal.control.expireAccessTokens()
    let left = nth
    host.break(() => {
      if (left-- === 0) throw new Killed()
      return undefined
    })
    const ended = await host.phase('account', user).catch((error: unknown) => error)
    kills += ended instanceof Killed ? 1 : 0
    host.break(() => undefined)
    expect((await host.phase('account', user)).outcome).toBe('allowed portal-allowed')
    expect(kept(host).refresh_token).toBe(refresh_token)
  }
  expect(kills).toBeGreaterThanOrEqual(3)
})

const answers = [
  ['a login page', { kind: 'html' }, 'portal-out-of-order'],
  ['HTTP 500', { kind: 'down', status: 500 }, 'portal-unreachable'],
  ['a page with HTTP 400', { kind: 'down', status: 400 }, 'portal-out-of-order'],
  ['HTTP 400', { kind: 'down', status: 400, body: { error: 'Invalid JSON' } }, 'portal-garbled'],
  ['a page with HTTP 403', { kind: 'down', status: 403 }, 'portal-out-of-order'],
  ['HTTP 403', { kind: 'down', status: 403, body: { error: 'Invalid token scope' } }, 'portal-refuses-host'],
  ['no status', { kind: 'wrong-member', member: 'status' }, 'portal-garbled'],
  ['another status', { kind: 'wrong-member', member: 'status', value: 'error' }, 'portal-garbled'],
  ['expires_in as a string', { kind: 'wrong-member', member: 'expires_in', value: '3600' }, 'portal-garbled'],
  ['a negative expires_in', { kind: 'wrong-member', member: 'expires_in', value: -1 }, 'portal-garbled'],
  ['expires_in in fractions', { kind: 'wrong-member', member: 'expires_in', value: 0.5 }, 'portal-garbled'],
  ['no access_token', { kind: 'wrong-member', member: 'access_token' }, 'portal-garbled'],
  ['a token with a line break', { kind: 'wrong-member', member: 'access_token', value: 'a\r\nb' }, 'portal-garbled'],
  ['half an answer', { kind: 'truncated-json' }, 'portal-garbled'],
] as const
test.each(answers)('a heartbeat answered with %s changes nothing on the disk', async (_name, fault, reason) => {
  const host = await enrolledHost()
  const before = textOf(host.world, file)
  host.portal.control.expireAccessTokens()
  host.portal.control.fault({ ...fault, path: '/pam/heartbeat' })
  expect((await host.phase('account', user)).outcome).toBe(`unavailable ${reason}`)
  expect(textOf(host.world, file)).toBe(before)
  host.portal.control.fault({ kind: 'none' })
  expect((await host.phase('account', user)).outcome).toBe('allowed portal-allowed')
})

test('odd members that decide nothing do not spoil a heartbeat', async () => {
  const host = await enrolledHost()
  for (const [member, value] of [
    ['next_heartbeat', 'soon'],
    ['next_heartbeat', -300],
    ['server_time', '2026'],
  ] as const) {
    host.portal.control.expireAccessTokens()
    host.portal.control.fault({ kind: 'wrong-member', member, value, path: '/pam/heartbeat', times: 1 })
    expect((await host.phase('account', user)).outcome).toBe('allowed portal-allowed')
  }
})

test('an enrollment made meanwhile is not overwritten by a login that renews the old one', async () => {
  const host = await enrolledHost()
  const { fetch } = host.world
  const fresh = `${JSON.stringify(host.portal.control.enroll({}))}\n`
  host.portal.control.expireAccessTokens()
  Object.assign(host.world, {
    fetch: async (...request: Parameters<typeof fetch>) => {
      const answer = await fetch(...request)
      // The C implementation's ob-enroll knows no lock.
      if (request[0].endsWith('/pam/heartbeat')) host.world.files.writeAtomic(file, fresh, { mode: 0o600 })
      return answer
    },
  })
  expect((await host.phase('account', user)).outcome).toBe('allowed portal-allowed')
  expect(textOf(host.world, file)).toBe(fresh)
})

test.each([-365, -1, 1, 365])('a clock that jumps by %d days keeps nobody out', async (days) => {
  const host = await enrolledHost()
  host.portal.control.expireAccessTokens()
  expect((await host.phase('account', user)).outcome).toBe('allowed portal-allowed')
  host.world.clock.now += days * 86_400
  expect((await host.phase('account', user)).outcome).toBe('allowed portal-allowed')
  host.portal.control.expireAccessTokens()
  expect((await host.phase('account', user)).outcome).toBe('allowed portal-allowed')
})

// The real disk, below /var/lib: nothing above it can be written by others.
let base: string
beforeAll(() => {
  base = mkdtempSync('/var/lib/ob-test-')
})
afterAll(() => rmSync(base, { recursive: true }))

const json = '{"access_token":"hunter2","refresh_token":"hunter3","expires_at":1800000000}'
const files: readonly (readonly [string, (path: string) => void, RegExp])[] = [
  ['is missing', () => undefined, /not enrolled: .* does not exist \| run: ob enroll/],
  ['is empty', (path) => writeFileSync(path, ''), /token: the token file is empty; .* \| run: ob enroll/],
  ['is truncated', (path) => writeFileSync(path, json.slice(0, 40)), /token: the token file is not valid JSON/],
  ['is no text', (path) => writeFileSync(path, Uint8Array.of(0xff, 0xfe)), /token: the token file is empty/],
  ['is full of zeros, as after a power loss', (path) => writeFileSync(path, new Uint8Array(80)), /is not a token/],
  ['is huge', (path) => writeFileSync(path, 'x'.repeat((1 << 20) + 1)), /token is larger than 1048576 bytes/],
  ['can be read by all', (path) => chmodSync(path, 0o644), /can be read by others \(mode 0644\) \| chmod 600/],
  ['can be written by a group', (path) => chmodSync(path, 0o620), /by others \(mode 0620\) \| chmod 600/],
  ['belongs to another', (path) => chownSync(path, 1000, 1000), /belongs to uid 1000 \| chown root:/],
  [
    'is a link',
    (path) => {
      rmSync(path)
      writeFileSync(`${path}.real`, json, { mode: 0o600 })
      symlinkSync(`${path}.real`, path)
    },
    /is a symbolic link; replace it by a regular file/,
  ],
]
test.each(files)('a token file that %s is refused with what to do, and never quoted', (name, spoil, expected) => {
  const path = `${mkdtempSync(`${base}/`)}/token`
  if (name !== 'is missing') writeFileSync(path, json, { mode: 0o600 })
  spoil(path)
  const world = { ...fakeWorld(), files: disk(new AbortController().signal) }
  let said = 'nothing'
  try {
    readTokenFile(world, path)
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    said = `${error.message} | ${error.hint ?? ''}`
  }
  expect(said).toMatch(expected)
  expect(said).toContain(path)
  expect(said).not.toContain('hunter')
})
