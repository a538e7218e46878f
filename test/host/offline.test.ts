// The portal away, on a real sshd: each way of being away, who still gets in, and what becomes of them afterwards.
import { beforeEach, expect } from 'bun:test'
import { mintToken, settleIn } from './enrolled.ts'
import type { Cut, Lab } from './lab.ts'
import { hasLab, inLab } from './suite.ts'

let lab: Lab

const lab_test = inLab({}, async (started) => {
  lab = started
  await settleIn(lab, 'auth_cache_ttl = 600\n')
  await lab.setStack('c')
})

beforeEach(async () => {
  if (!hasLab) return
  await lab.restore()
  await lab.portal('fault', { kind: 'none' })
  await lab.portal('setRules', { group: 'truth', ssh: ['alice', 'bob'], sudo: ['alice'] })
  await lab.portal('setUser', { user: 'alice' })
  // Online once, so that there is something to go by.
  await withKey('alice')
  lab.audit()
})

const withKey = (user: string, command?: string) =>
  lab.ssh({ user, key: `/root/keys/${user}-listed`, ...(command === undefined ? {} : { command }) })
const reasons = (): readonly string[] => lab.audit().map(({ reason }) => reason)

const cuts: readonly (readonly [string, Cut])[] = [
  ['nobody listens', 'refused'],
  ['no route leads there', 'unreachable'],
  ['it accepts and never answers', 'silent'],
]
for (const [how, cut] of cuts)
  lab_test(`away because ${how}: a known user gets in and reads how old the word is`, async () => {
    await lab.cutNetwork(cut)
    const login = await withKey('alice')
    expect([login.entered, reasons()]).toEqual([true, ['offline-allowed', 'offline-allowed']])
    expect(`${login.stdout}${login.stderr}`).toContain('cannot be reached; using its authorization of 1 min ago')
  })

lab_test('away: somebody the portal never allowed here stays out', async () => {
  await lab.cutNetwork('refused')
  const login = await withKey('dave')
  expect([login.entered, reasons()]).toEqual([false, ['portal-unreachable']])
})

lab_test('denied a moment ago, then away: stays out', async () => {
  await lab.portal('setRules', { group: 'truth', ssh: ['bob'] })
  expect((await withKey('alice')).entered).toBe(false)
  await lab.cutNetwork('refused')
  expect((await withKey('alice')).entered).toBe(false)
  expect(reasons()).toEqual(['portal-denied', 'portal-unreachable'])
})

lab_test('cut in the middle of a login with a token: the token counts, the authorization is of before', async () => {
  await lab.setStack('a')
  const token = await mintToken(lab, 'alice')
  await lab.portal('fault', { kind: 'reset', path: '/pam/authorize' })
  const login = await lab.ssh({ user: 'alice', answers: [token] })
  await lab.setStack('c')
  expect([login.entered, reasons()]).toEqual([true, ['token-accepted', 'offline-allowed', 'offline-allowed']])
})

lab_test('a portal that refuses this host is not away: nobody gets in', async () => {
  const body = { error: 'Server not enrolled.' }
  await lab.portal('fault', { kind: 'down', status: 403, path: '/pam/authorize', body })
  expect((await withKey('alice')).entered).toBe(false)
  expect(reasons()).toEqual(['portal-refuses-host'])
})

lab_test('refused by the portal, then away: nobody gets in, and nobody gets root', async () => {
  const body = { error: 'Server not enrolled.' }
  await lab.portal('fault', { kind: 'down', status: 403, path: '/pam/authorize', body })
  await withKey('alice')
  await lab.cutNetwork('refused')
  expect((await withKey('alice')).entered).toBe(false)
  expect((await lab.sudo('alice', ['id', '-un'])).code).not.toBe(0)
  expect(reasons()).toEqual(['portal-refuses-host', 'portal-refuses-host', 'portal-refuses-host'])
})

lab_test('somebody else’s page in place of the portal: as when it is away', async () => {
  await lab.portal('fault', { kind: 'html', path: '/pam/authorize' })
  expect([(await withKey('alice')).entered, reasons()]).toEqual([true, ['offline-allowed', 'offline-allowed']])
})

lab_test('away: sudo goes by what was allowed a moment ago', async () => {
  await lab.cutNetwork('refused')
  const { code, output } = await lab.sudo('alice', ['id', '-un'])
  expect([code, output.trim().split('\n').at(-1), reasons()]).toEqual([0, 'root', ['offline-sudo-allowed']])
})

/** A session that began while the portal was away and is still there. */
async function offlineSession(): Promise<{ readonly ended: () => Promise<boolean>; readonly stop: () => void }> {
  await lab.cutNetwork('refused')
  const argv = ['ssh', '-F', 'none', '-i', '/root/keys/alice-listed', '-o', 'StrictHostKeyChecking=no']
  const quiet = ['-o', 'UserKnownHostsFile=/dev/null', '-o', 'BatchMode=yes']
  const child = Bun.spawn(lab.space.command([...argv, ...quiet, 'alice@127.0.0.1', 'sleep 300']), {
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: 'ignore',
  })
  for (let tries = 0; tries < 100 && lab.text('/run/open-bastion/offline_sessions/alice') === ''; tries++)
    await Bun.sleep(50)
  // The mark is written just before sshd starts the command.
  for (let tries = 0; tries < 100 && (await lab.run('pgrep -u alice -x sleep')).code !== 0; tries++) await Bun.sleep(50)
  return {
    ended: async () => Promise.race([child.exited.then(() => true), Bun.sleep(4_000).then(() => false)]),
    stop: () => child.kill(),
  }
}
const marked = (): boolean => lab.text('/run/open-bastion/offline_sessions/alice') !== ''

lab_test('the portal is back and allows: the session stays, the mark goes', async () => {
  const session = await offlineSession()
  expect(marked()).toBe(true)
  await lab.restore()
  await lab.need('ob monitor --once')
  expect([marked(), (await lab.run('pgrep -u alice -x sleep')).code]).toEqual([false, 0])
  session.stop()
  await lab.run('pkill -KILL -u alice')
})

lab_test('the portal is back and does not know the user any more: the session ends', async () => {
  const session = await offlineSession()
  await lab.restore()
  await lab.portal('removeUser', { user: 'alice' })
  await lab.need('ob monitor --once')
  expect([await session.ended(), marked()]).toEqual([true, false])
})

// A cable to nowhere: a default route, and nobody at its end.
const plugIn = `ip link add out0 type veth peer name out1
  ip addr add 198.51.100.1/24 dev out0 && ip link set out0 up && ip link set out1 up
  ip route add default via 198.51.100.2`

lab_test('an hour of silence while there is a way out: the session ends', async () => {
  const session = await offlineSession()
  await lab.need(plugIn)
  const before = { roundAt: Date.now() / 1000 - 60, silentSeconds: 3_500, downSeconds: 0 }
  lab.write('/run/open-bastion/silence.json', JSON.stringify(before), 0o600)
  await lab.need('ob monitor --once')
  expect(marked()).toBe(true)
  lab.write('/run/open-bastion/silence.json', JSON.stringify({ ...before, silentSeconds: 3_550 }), 0o600)
  await lab.need('ob monitor --once')
  await lab.need('ip link del out0')
  expect([await session.ended(), reasons().at(-1)]).toEqual([true, 'silent-too-long'])
})

lab_test('an hour without any network: the session stays', async () => {
  const session = await offlineSession()
  await lab.cutNetwork('unreachable')
  const before = { roundAt: Date.now() / 1000 - 60, silentSeconds: 3_590, downSeconds: 0 }
  lab.write('/run/open-bastion/silence.json', JSON.stringify(before), 0o600)
  await lab.need('ob monitor --once')
  expect(marked()).toBe(true)
  session.stop()
  await lab.run('pkill -KILL -u alice')
})

lab_test('sudo is asked about with the key of the connection, also from a program that left it', async () => {
  await lab.need(
    "sed -i '/^fingerprint_binding/d' /etc/open-bastion/openbastion.conf; echo 'fingerprint_binding = always' >> /etc/open-bastion/openbastion.conf",
  )
  const fingerprint = (await lab.need('ssh-keygen -lf /root/keys/alice-listed.pub')).split(' ')[1] ?? ''
  await lab.portal('addFingerprint', { user: 'alice', fingerprint })
  await lab.portal('forgetRequests')
  const left =
    'setsid -f sh -c "sleep 0.2; sudo id -un > $HOME/left 2>&1"; while [ ! -s $HOME/left ]; do sleep 0.1; done; cat $HOME/left'
  const login = await withKey('alice', `sudo id -un; ${left}`)
  expect(login.stdout).toBe('root\nroot\n')
  const asked = (await lab.portal('requests', { path: '/pam/authorize' })) as readonly { readonly body: string }[]
  const sudos = asked.map(({ body }) => JSON.parse(body)).filter(({ service }) => service === 'sudo')
  expect(sudos.map((body) => body.fingerprint)).toEqual([fingerprint, fingerprint])
  await lab.portal('revokeFingerprint', { user: 'alice', fingerprint })
  expect((await lab.sudo('alice', ['id', '-un'])).code).not.toBe(0)
  await lab.need("sed -i '/^fingerprint_binding/d' /etc/open-bastion/openbastion.conf")
})
