// sshd, and so everything of ours below it, in processes that make no memory executable: there is no JIT compiler, and
// no function of the C library can be called. Slower, never wrong.
import { beforeEach, expect, test } from 'bun:test'
import { join } from 'node:path'
import { configure, mintAccessToken, mintToken, settleIn } from './enrolled.ts'
import type { Lab } from './lab.ts'
import { hasLab, inLab, listenToSyslog, syslog } from './suite.ts'

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
  const wrong = Array.from({ length: 4 }, (_, at) => lab.ssh({ user: 'bob', answers: [`${at}`.repeat(64)] }))
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

const withoutJit = (user: string, ...argv: readonly string[]): readonly string[] => [
  ...['setpriv', '--reuid', user, '--regid', user === 'root' ? 'root' : 'nogroup', '--clear-groups'],
  ...[lab.space.bun, `${lab.space.repository}/test/execve.ts`, '--no-jit', '/usr/sbin/ob', '[]', ...argv],
]

/** Holds the socket and reads nothing. */
const sleeper =
  'import socket, os, time; os.unlink("/dev/log"); s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind("/dev/log"); os.chmod("/dev/log", 0o666); time.sleep(60)'

lab_test('syslog is reached through logger(1), and nobody waits for a reader that sleeps', async () => {
  await listenToSyslog(lab)
  const listed = (await lab.need('cut -d" " -f1,2 /root/keys/alice-listed.pub')).trim()
  const damaged = '/etc/open-bastion/service-accounts.d/alice.pub'
  await lab.need(`install -d /etc/open-bastion/service-accounts.d; echo x > ${damaged}; chown nobody ${damaged}`)
  const words = withoutJit('nobody', 'keys', 'alice')
  const keysAsNobody = words.map((word) => `'${word}'`).join(' ')
  const keys = () => lab.run(words)
  expect(await keys()).toMatchObject({ code: 0, stdout: `${listed}\n`, stderr: '' })
  await lab.need(`for i in $(seq 100); do test -s ${syslog} && break; sleep 0.01; done`)
  expect(lab.text(syslog)).toContain(`${damaged} belongs to uid 65534`)
  const full = `python3 -c '${sleeper}' > /dev/null 2>&1 & reader=$!; sleep 0.3; for i in $(seq 20); do timeout 0.05 logger x || :; done`
  const now = 'date +%s%3N'
  const ran = await lab.run(`${full}; ${now}; ${keysAsNobody}; code=$?; ${now}; kill $reader; exit $code`)
  const [began = '', line, ended = ''] = ran.stdout.split('\n')
  expect([ran.code, line, ran.stderr]).toEqual([0, listed, ''])
  // Nothing can be started that is no program.
  const without = await lab.run(
    `mount --bind /dev/null /usr/bin/logger; ${keysAsNobody}; code=$?; umount /usr/bin/logger; exit $code`,
  )
  expect(without).toMatchObject({ code: 0, stdout: `${listed}\n`, stderr: '' })
  await lab.need(`rm ${damaged}`)
  // The limit on logger(1) is half a second.
  expect(Number(ended) - Number(began)).toBeWithin(1, 3000)
})

lab_test('a core dump holds no memory', async () => {
  const waiting = Bun.spawn(lab.space.command(withoutJit('root', 'secret', 'set', 'waiting')), {
    stdin: 'pipe',
    stdout: 'ignore',
    stderr: 'ignore',
  })
  const filter = 'cat /proc/$(pgrep -x -f "/usr/sbin/ob secret set waiting")/coredump_filter'
  const read = await lab.need(
    `for i in $(seq 200); do ${filter} 2>/dev/null | grep -x 00000000 && break; sleep 0.01; done`,
  )
  waiting.kill()
  await waiting.exited
  expect(read).toBe('00000000\n')
})

lab_test('a program that has to know who calls says why it does not start', async () => {
  await configure(lab, 'serve_userdb = true\n')
  const { code, stderr } = await lab.run(withoutJit('root', 'serve'))
  expect(code).toBe(70)
  expect(stderr).toMatch(
    /^ob: the kernel cannot be asked here who connects to a socket\n {2}hint: lift MemoryDenyWrite/,
  )
})
