// What the recordings do not hold: the verbs that steer the portal, its faults, and the bytes of its ssh authority.
import { expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Fault } from './faults.ts'
import { createPortal } from './portal.ts'

const origin = 'https://auth.example.test'
const fingerprint = 'SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'

const open = () => {
  const clock = { now: 1_800_000_000 }
  const portal = createPortal({ url: origin, now: () => clock.now })
  const { access_token: bearer, refresh_token: refresh } = portal.control.enroll({})
  const ask = (path: string, body: unknown, extra: Readonly<Record<string, string>> = {}): Promise<Response> =>
    portal.handle(
      new Request(`${origin}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${bearer}`, ...extra },
        body: JSON.stringify(body),
      }),
    )
  const read = async (path: string, body: unknown): Promise<Record<string, unknown>> =>
    (await (await ask(path, body)).json()) as Record<string, unknown>
  return { ...portal, clock, bearer, refresh, ask, read }
}

test('a one-time token is good once and for its time only', async () => {
  const { control, clock, read } = open()
  const token = control.mintToken({ user: 'dwho' })
  expect(await read('/pam/verify', { token })).toMatchObject({ valid: true, user: 'dwho' })
  expect(await read('/pam/verify', { token })).toEqual({ valid: false, error: 'Invalid or expired token' })
  const late = control.mintToken({ user: 'dwho', duration: 60 })
  clock.now += 60
  expect(await read('/pam/verify', { token: late })).toMatchObject({ valid: false })
})

test('with nonAtomicTokens two verifications at the same time both succeed', async () => {
  const { control, read } = open()
  const twice = async (): Promise<readonly unknown[]> => {
    const token = control.mintToken({ user: 'dwho' })
    const answers = await Promise.all([read('/pam/verify', { token }), read('/pam/verify', { token })])
    return answers.map(({ valid }) => valid)
  }
  expect((await twice()).toSorted()).toEqual([false, true])
  control.nonAtomicTokens({ on: true, delayMs: 20 })
  expect(await twice()).toEqual([true, true])
})

test('the serial of a hop certificate is an integer beyond 2^53, that of a user certificate a string', async () => {
  const { control, ask } = open()
  const serial = '1795307550191514233'
  control.addFingerprint({ user: 'dwho', fingerprint, serial, hop: true })
  const body = { user: 'dwho', fingerprint }
  expect(await (await ask('/pam/authorize', body)).text()).toContain(`"ssh_cert_serial":${serial}`)
  control.addFingerprint({ user: 'dwho', fingerprint, serial, label: 'laptop' })
  expect(await (await ask('/pam/authorize', body)).text()).toContain(`"ssh_cert_serial":"${serial}"`)
})

test('a revoked fingerprint is refused and burns the one-time token', async () => {
  const { control, read } = open()
  control.addFingerprint({ user: 'dwho', fingerprint, label: 'laptop' })
  control.revokeFingerprint({ user: 'dwho', fingerprint })
  const token = control.mintToken({ user: 'dwho' })
  const refused = { valid: false, error: 'SSH fingerprint not recognized' }
  expect(await read('/pam/verify', { token, fingerprint })).toEqual(refused)
  expect(await read('/pam/verify', { token })).toEqual({ valid: false, error: 'Invalid or expired token' })
})

test('users and rules can be added, changed and taken away', async () => {
  const { control, read } = open()
  const body = { user: 'alice', service: 'sshd', server_group: 'lab' }
  expect(await read('/pam/authorize', body)).toMatchObject({ reason: 'User not found' })
  control.setUser({ user: 'alice', groups: ['users', 'lab'], attributes: { uid: 12345, mail: null } })
  expect(await read('/pam/authorize', body)).toMatchObject({ reason: 'Access denied by rule' })
  control.setRules({ group: 'lab', ssh: ['@lab'], sudo: ['alice'], offline: { rule: true, ttl: 60 } })
  const allowed = await read('/pam/authorize', body)
  expect(allowed).toMatchObject({ authorized: true, uid: 12345, permissions: { sudo_allowed: true } })
  expect(allowed).toMatchObject({ offline: { enabled: true, ttl: 60 } })
  expect(allowed).not.toHaveProperty('mail')
  control.removeUser({ user: 'alice' })
  expect(await read('/pam/userinfo', { user: 'alice' })).toMatchObject({ found: false })
})

test('an expired access token is renewed by the heartbeat, a dropped enrollment is not', async () => {
  const { control, ask, refresh } = open()
  control.expireAccessTokens()
  expect((await ask('/pam/authorize', { user: 'dwho' })).status).toBe(401)
  const renewed = (await (await ask('/pam/heartbeat', { refresh_token: refresh })).json()) as { access_token: string }
  const again = await ask('/pam/authorize', { user: 'dwho' }, { authorization: `Bearer ${renewed.access_token}` })
  expect(again.status).toBe(200)
  control.dropEnrollment()
  expect((await ask('/pam/heartbeat', { refresh_token: refresh })).status).toBe(401)
})

test('the clock moves by the offset', async () => {
  const { control, ask } = open()
  expect(control.clock({ offsetSeconds: 3600 })).toBe(1_800_003_600)
  expect((await ask('/pam/authorize', { user: 'dwho' })).status).toBe(401)
})

test('members and groups do not come in one order', async () => {
  const { ask } = open()
  const texts = new Set<string>()
  for (let round = 0; round < 20; round += 1) texts.add(await (await ask('/pam/userinfo', { user: 'rtyler' })).text())
  expect(texts.size).toBeGreaterThan(5)
})

test('a path with doubled or trailing slashes is the same path, and the bearer may be a parameter', async () => {
  const { ask, bearer } = open()
  expect((await ask('//pam/userinfo/', { user: 'dwho' })).headers.get('content-type')).toContain('json')
  const asked = await ask(`/pam/userinfo?access_token=${bearer}`, { user: 'dwho' }, { authorization: '' })
  expect(await asked.json()).toMatchObject({ found: true })
})

const faultRows: readonly (readonly [Fault, (answer: Response, text: string) => void])[] = [
  [{ kind: 'down' }, (answer) => expect(answer.status).toBe(503)],
  [{ kind: 'down', status: 429 }, (answer) => expect(answer.status).toBe(429)],
  [{ kind: 'html' }, (answer) => expect(answer.headers.get('content-type')).toBe('text/html')],
  [{ kind: 'truncated-json' }, (_, text) => expect(() => JSON.parse(text)).toThrow()],
  [{ kind: 'wrong-member' }, (_, text) => expect(JSON.parse(text)).toMatchObject({ authorized: 'true' })],
  [
    { kind: 'wrong-member', member: 'authorized' },
    (_, text) => expect(JSON.parse(text)).not.toHaveProperty('authorized'),
  ],
  [
    { kind: 'wrong-member', member: 'user', value: 'root' },
    (_, text) => expect(JSON.parse(text)).toMatchObject({ user: 'root', authorized: true }),
  ],
  [
    { kind: 'wrong-member', member: 'groups', value: null },
    (_, text) => expect(JSON.parse(text)).toMatchObject({ groups: null, authorized: true }),
  ],
  [{ kind: 'oversize' }, (_, text) => expect(text.length).toBeGreaterThan(256 * 1024)],
  [{ kind: 'dribble', seconds: 0.0001 }, (_, text) => expect(JSON.parse(text)).toMatchObject({ authorized: true })],
  [
    { kind: 'redirect', location: 'https://x.test/' },
    (answer) => expect(answer.headers.get('location')).toBe('https://x.test/'),
  ],
  [{ kind: 'empty' }, (_, text) => expect(text).toBe('')],
  [{ kind: 'text-json' }, (answer) => expect(answer.headers.get('content-type')).toBe('text/plain')],
]

for (const [fault, check] of faultRows) {
  test(`the fault ${JSON.stringify(fault)} hits its path as often as asked, then all is well`, async () => {
    const { control, ask } = open()
    control.fault({ ...fault, path: '/pam/authorize', times: 1 })
    expect((await ask('/pam/userinfo', { user: 'dwho' })).status).toBe(200)
    const answer = await ask('/pam/authorize', { user: 'dwho' })
    check(answer, await answer.text())
    expect(await (await ask('/pam/authorize', { user: 'dwho' })).json()).toMatchObject({ authorized: true })
  })
}

test('a compressed answer can unpack to 64 MiB', async () => {
  const { control, ask } = open()
  control.fault({ kind: 'gzip-bomb' })
  const packed = new Uint8Array(await (await ask('/pam/userinfo', { user: 'dwho' })).arrayBuffer())
  expect(packed.length).toBeLessThan(256 * 1024)
  expect(Bun.gunzipSync(packed).length).toBeGreaterThan(64 * 1024 * 1024)
})

test('an answer can be lost after the work was done', async () => {
  const { control, read, ask } = open()
  const token = control.mintToken({ user: 'dwho' })
  control.fault({ kind: 'reset', times: 1, processed: true })
  await expect(ask('/pam/verify', { token })).rejects.toMatchObject({ code: 'ECONNRESET' })
  expect(await read('/pam/verify', { token })).toMatchObject({ valid: false })
})

test('requests are kept with method, path, headers, body and time, until a reset', async () => {
  const { control, ask } = open()
  await ask('/pam/userinfo', { user: 'dwho' }, { 'x-nonce': '1' })
  expect(control.requests({ path: '/pam/userinfo' })).toMatchObject([
    { method: 'POST', body: '{"user":"dwho"}', headers: { 'x-nonce': '1' }, time: 1_800_000_000 },
  ])
  control.reset()
  expect(control.requests()).toEqual([])
  expect((await ask('/pam/userinfo', { user: 'dwho' })).status).toBe(401)
})

test('ssh-keygen reads the signed certificates, and the revocation list holds exactly the revoked one', async () => {
  const { control, handle } = open()
  const dir = mkdtempSync(join(tmpdir(), 'portal-'))
  const run = (...args: readonly string[]): string =>
    Bun.spawnSync(['ssh-keygen', ...args], { cwd: dir, stderr: 'inherit' }).stdout.toString()
  try {
    const cookie = `lemonldap=${control.login({ user: 'dwho' })}`
    for (const name of ['one', 'two']) {
      run('-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', name)
      const body = JSON.stringify({ public_key: await Bun.file(join(dir, `${name}.pub`)).text(), validity_days: 1 })
      const signed = await handle(new Request(`${origin}/ssh/sign`, { method: 'POST', headers: { cookie }, body }))
      const { certificate, fingerprint: print } = (await signed.json()) as { certificate: string; fingerprint: string }
      writeFileSync(join(dir, `${name}-cert.pub`), `${certificate}\n`)
      if (name === 'one') control.revokeFingerprint({ user: 'dwho', fingerprint: print })
    }
    const shown = run('-L', '-f', 'one-cert.pub')
    expect(shown).toContain('ssh-ed25519-cert-v01@openssh.com user certificate')
    expect(shown).toContain('dwho@llng-1800000000-1800000000')
    const list = await handle(new Request(`${origin}/ssh/revoked`))
    writeFileSync(join(dir, 'krl'), await list.bytes())
    const verdicts = run('-Q', '-f', 'krl', 'one-cert.pub', 'two-cert.pub')
    expect(verdicts).toMatch(/one-cert\.pub.*: REVOKED/)
    expect(verdicts).toMatch(/two-cert\.pub.*: ok/)
  } finally {
    rmSync(dir, { recursive: true })
  }
})
