// sshd, and so everything of ours below it, in processes that make no memory executable: there is no JIT compiler, and
// no function of the C library can be called. Slower, never wrong.
import { beforeEach, expect, test } from 'bun:test'
import { join } from 'node:path'
import { configure, mintAccessToken, mintToken, settleIn } from './enrolled.ts'
import type { Lab } from './lab.ts'
import { hasLab, inLab } from './suite.ts'

let lab: Lab

const launcher = join(import.meta.dir, '../execve.ts')
const isPossible = Bun.spawnSync([process.execPath, launcher, '--no-jit', '/bin/true', '[]']).exitCode === 0
if (!isPossible) console.error('tests without a JIT are skipped: this kernel cannot forbid it (Linux 6.3)')

const settle = async (started: Lab): Promise<void> => {
  lab = started
  await settleIn(lab, 'auth_cache_ttl = 600\n')
}
const lab_test = isPossible ? inLab({ withoutJit: true }, settle) : test.skip

beforeEach(async () => {
  if (!hasLab || !isPossible) return
  await lab.restore()
  await lab.need('rm -rf /var/lib/open-bastion/ratelimit')
  lab.audit()
})

const reasons = (): readonly string[] => lab.audit().map(({ reason }) => reason)
const withKey = async (user: string, name: string): Promise<boolean> =>
  (await lab.ssh({ user, key: `/root/keys/${name}` })).entered

lab_test('a token counts once, and the session below has no JIT either', async () => {
  await lab.setStack('a')
  const token = await mintToken(lab, 'alice')
  const asked = 'import ctypes; print("MDWE", ctypes.CDLL(None).prctl(66, 0, 0, 0, 0))'
  const first = await lab.ssh({ user: 'alice', answers: [token], command: `python3 -c '${asked}'` })
  expect(first.stdout).toContain('MDWE 1')
  expect((await lab.ssh({ user: 'alice', answers: [token] })).entered).toBe(false)
  expect(reasons()).toEqual(['token-accepted', 'portal-allowed', 'session-opened', 'token-replayed'])
})

lab_test('keys: the known one, a stranger’s, and that of a user whom the portal denies', async () => {
  await lab.setStack('c')
  expect(await withKey('alice', 'alice-listed')).toBe(true)
  expect(await withKey('alice', 'stranger')).toBe(false)
  expect(await withKey('dave', 'dave-listed')).toBe(false)
  expect(reasons()).toEqual(['portal-allowed', 'session-opened', 'portal-denied'])
})

lab_test('many logins at once: the lock that flock(1) takes for us keeps every failure', async () => {
  await lab.setStack('a')
  const wrong = Array.from({ length: 4 }, (_, at) => lab.ssh({ user: 'bob', answers: [`INVENTED${at}`] }))
  expect((await Promise.all(wrong)).filter(({ entered }) => entered)).toEqual([])
  expect(reasons()).toEqual(Array.from({ length: 4 }, () => 'token-rejected'))
  // The first number is how many failed.
  expect(await lab.need('cat /var/lib/open-bastion/ratelimit/*.state')).toMatch(/^4 /)
})

lab_test('the portal away: what it said before counts, and what is sealed opens', async () => {
  await lab.setStack('c')
  expect(await withKey('alice', 'alice-listed')).toBe(true)
  await lab.cutNetwork('refused')
  expect(await withKey('alice', 'alice-listed')).toBe(true)
  expect(await withKey('bob', 'bob-listed')).toBe(false)
  expect(reasons()).toEqual([
    ...['portal-allowed', 'session-opened'],
    ...['offline-allowed', 'offline-allowed'],
    'portal-unreachable',
  ])
})

lab_test('a password is kept for when the portal is away, and Argon2id says whether it is the one', async () => {
  await lab.setStack('a')
  const accessTokens = 'oauth2_token_auth = true\noauth2_token_clients = pam-user\noffline_cache_enabled = true\n'
  await configure(lab, `auth_cache_ttl = 600\n${accessTokens}cache_ttl = 0\n`)
  const token = await mintAccessToken(lab, 'alice')
  const enters = async (answer: string) => (await lab.ssh({ user: 'alice', answers: [answer] })).entered
  expect(await enters(token)).toBe(true)
  await lab.cutNetwork('refused')
  lab.audit()
  expect([await enters(token), await enters(`${token}x`)]).toEqual([true, false])
  expect(reasons()).toEqual(['offline-password', 'offline-allowed', 'offline-allowed', 'offline-password-wrong'])
})

lab_test('a program that has to know who calls says why it does not start', async () => {
  await configure(lab, 'serve_userdb = true\n')
  const { code, stderr } = await lab.run([
    lab.space.bun,
    `${lab.space.repository}/test/execve.ts`,
    '--no-jit',
    '/usr/sbin/ob',
    '[]',
    'serve',
  ])
  expect(code).toBe(70)
  expect(stderr).toMatch(
    /^ob: the kernel cannot be asked here who connects to a socket\n {2}hint: lift MemoryDenyWrite/,
  )
})
