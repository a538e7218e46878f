// The user database on a host as it is: nss-systemd, sshd and PAM of the distribution, and `ob serve`.
import { expect } from 'bun:test'
import { type UidRange, uidCandidates } from '../../src/accounts/uid.ts'
import { configure, enroll, mintToken, setRights } from './enrolled.ts'
import type { Lab } from './lab.ts'
import { inLab, type Service, startServe } from './suite.ts'

let lab: Lab
let served: Service | undefined

const socket = '/run/systemd/userdb/io.openbastion'
const newcomers = ['una', 'ulf', 'uma', 'ugo', 'uta', 'uwe', 'urs', 'udo', 'ursa', 'uri', 'ula', 'ute']

async function serve(): Promise<void> {
  served = await startServe(lab, socket)
}

const pid = async (): Promise<string> => (await served?.pid()) ?? ''

async function stopServing(signal?: string): Promise<void> {
  await served?.stop(signal)
  served = undefined
}

const lab_test = inLab(
  {},
  async (started) => {
    lab = started
    await lab.need(
      "ldconfig -p | grep libnss_systemd || { echo 'libnss_systemd.so.2 is missing: npm test fetches it'; exit 1; }",
    )
    await lab.need("sed -i -E 's/^(passwd|group|shadow):.*/\\1: files extrausers systemd/' /etc/nsswitch.conf")
    await configure(lab)
    await setRights(lab)
    for (const user of newcomers) await lab.portal('setUser', { user })
    await lab.portal('setRules', { group: 'truth', ssh: ['alice', ...newcomers], sudo: ['una'] })
    const enrolled = await enroll(lab)
    if (enrolled.code !== 0) throw new Error(enrolled.output)
    await lab.need('ob nss add alice')
    await serve()
  },
  120_000,
)

const login = async (user: string, command?: string) =>
  lab.ssh({ user, answers: [await mintToken(lab, user)], ...(command === undefined ? {} : { command }) })

const reasons = (): readonly string[] => lab.audit().map(({ reason }) => reason)

/** Everything that an account could be left in. */
const leftovers = (user: string) =>
  lab.need(
    `grep -rl -w ${user} /etc/passwd /etc/group /etc/shadow /var/lib/extrausers /var/lib/open-bastion || :; ls -d /home/${user} 2>/dev/null || :`,
  )

lab_test('a never-seen user logs in at the first connection, with a one-time token and a home', async () => {
  expect((await lab.run('getent passwd una')).code).toBe(2)
  lab.audit()
  const first = await login('una', 'id -un; id -u; id -Gn; pwd; stat -c %u .')
  expect([first.entered, ...reasons()]).toEqual([true, 'token-accepted', 'portal-allowed', 'session-opened'])
  const [name, uid, groups, home, owner] = first.stdout.trim().split('\n')
  expect([name, groups, home]).toEqual(['una', 'una open-bastion-sudo', '/home/una'])
  expect(owner).toBe(uid ?? '')
  expect((await lab.need('getent passwd una')).split(':')[2]).toBe(uid ?? '')
  const second = await login('una', 'id -u')
  expect(second.stdout.trim()).toBe(uid ?? '')
  // Other accounts were left as they were.
  expect((await lab.run('getent passwd alice')).code).toBe(0)
})

lab_test('before that, nobody but sshd sees the name: neither root nor a user', async () => {
  await lab.ssh({ user: 'ulf', answers: ['0'.repeat(64)] })
  expect((await lab.need(`ls ${'/run/open-bastion/promises'}`)).includes('.ulf')).toBe(true)
  expect((await lab.run('getent passwd ulf')).code).toBe(2)
  expect((await lab.run('getent passwd ulf', { user: 'localadm' })).code).toBe(2)
  expect((await lab.run('getent group ulf', { user: 'localadm' })).code).toBe(2)
  expect(await leftovers('ulf')).toBe('')
})

lab_test('a denied login of a never-seen user leaves nothing behind', async () => {
  lab.audit()
  // The portal knows dave and does not let him use this host.
  const denied = await login('dave')
  expect([denied.entered, ...reasons()]).toEqual([false, 'token-accepted', 'portal-denied'])
  const ghost = await lab.ssh({ user: 'ghost', answers: ['0'.repeat(64)] })
  expect([ghost.entered, ...reasons()]).toEqual([false, 'token-rejected'])
  for (const user of ['dave', 'ghost']) {
    expect((await lab.run(`getent passwd ${user}`)).code).toBe(2)
    expect(await leftovers(user)).toBe('')
  }
})

/** Two people who were never here and whose names hash alike in this range. */
function pairWithOneCandidate(range: UidRange): readonly [string, string] {
  const people = ['uma', 'ugo', 'urs', 'udo', 'ursa', 'uri', 'ula']
  for (const [at, one] of people.entries())
    for (const other of people.slice(at + 1))
      if (uidCandidates(one, range)[0] === uidCandidates(other, range)[0]) return [one, other]
  throw new Error('no two of these names collide; add one')
}

lab_test('two names with one uid candidate each get their own, the one that NSS told sshd', async () => {
  await configure(lab, 'min_uid = 30000\nmax_uid = 30005\n')
  await stopServing()
  await serve()
  const range = { min: 30000, max: 30005 }
  const [first, second] = pairWithOneCandidate(range)
  const logins = await Promise.all(
    [first, second].map((user) => login(user, 'id -u; stat -c %u .; getent passwd $(id -un)')),
  )
  const uids = logins.map(({ stdout }) => stdout.trim().split('\n'))
  for (const [uid, owner, line] of uids) expect([owner, line?.split(':')[2]]).toEqual([uid, uid])
  expect(new Set(uids.map(([uid]) => uid)).size).toBe(2)
  expect(uids.every(([uid]) => Number(uid) >= range.min && Number(uid) < range.max)).toBe(true)
  await configure(lab)
  await stopServing()
  await serve()
})

lab_test('a uid of the portal wins, and the first session, which has another, does not begin', async () => {
  await lab.portal('setUser', { user: 'uta', attributes: { uid: 23456 } })
  lab.audit()
  const first = await login('uta')
  expect([first.entered, ...reasons().slice(-1)]).toEqual([false, 'newcomer-registered'])
  const second = await login('uta', 'id -u')
  expect(second.stdout).toBe('23456\n')
})

lab_test('the service is killed between the lookup and the session: the uid that sshd has, or no session', async () => {
  // The portal answers slowly, so that there is time.
  const token = await mintToken(lab, 'uwe')
  await lab.cutNetwork('silent')
  const going = lab.ssh({
    user: 'uwe',
    answers: [token],
    command: 'id -u; getent passwd uwe | cut -d: -f3; stat -c %u .',
  })
  for (let tries = 0; tries < 200; tries++) {
    if ((await lab.run('ls /run/open-bastion/promises | grep -q uwe')).code === 0) break
    await Bun.sleep(10)
  }
  await Bun.sleep(300)
  await stopServing('KILL')
  await lab.restore()
  const went = await going
  if (went.entered) expect(new Set(went.stdout.trim().split('\n')).size).toBe(1)
  else expect((await lab.run('getent passwd uwe')).code).toBe(2)
  // A dead service costs known users nothing, and its socket is in nobody's way.
  expect((await login('una')).entered).toBe(true)
  await serve()
  expect((await login('uwe', 'id -u')).entered).toBe(true)
})

lab_test('nobody can list the users, and shadow says what pam_unix needs', async () => {
  await lab.need('cp /etc/nsswitch.conf /root/nsswitch; sed -i "s/ extrausers//" /etc/nsswitch.conf')
  const listed = await lab.need('getent passwd')
  const shadow = await lab.need('getent shadow una')
  const found = await lab.need('id -Gn una; getent passwd una; getent group una; getent group open-bastion-sudo')
  await lab.need('cp /root/nsswitch /etc/nsswitch.conf')
  expect(listed).not.toContain('una')
  expect(shadow).toContain('una:!*:')
  expect(found.split('\n')[0]?.split(' ').sort()).toEqual(['open-bastion-sudo', 'una'])
  expect(found).toContain('una:/home/una:/bin/bash')
})

lab_test('a flood of names makes no account, fills no disk, and hides nobody', async () => {
  const script =
    'for i in $(seq 1 1500); do getent passwd flood$i; done; for i in $(seq 1 300); do getent group flood$i; done'
  const flood = await lab.run(script, { user: 'localadm' })
  expect(flood.stdout).toBe('')
  await lab.need(
    `seq 1 40 | xargs -P 4 -I{} ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=5 flood{}@127.0.0.1 true 2>/dev/null || :`,
  )
  expect(Number(await lab.need('ls /run/open-bastion/promises | grep -c flood'))).toBeLessThanOrEqual(40)
  expect(await lab.need('grep -rl flood /var/lib/open-bastion /var/lib/extrausers || :')).toBe('')
  expect((await login('una')).entered).toBe(true)
})

lab_test('garbage, half a message and silence cost their sender the connection and nobody else anything', async () => {
  const script = `
    python3 - <<'EOF'
import socket, os
def ask(data, end=True):
    s = socket.socket(socket.AF_UNIX); s.settimeout(5); s.connect("${socket}"); s.sendall(data)
    try: r = s.recv(65536)
    except Exception as e: r = repr(e).encode()
    return r
print(ask(b"hello\\0"))
print(ask(b"x" * 40000))
print(ask(b'{"method":"io.systemd.UserDatabase.GetUserRecord","parameters":{"userName":"una","service":"x"}}\\0'))
print(ask(b'{"method":"no.Such","parameters":{"service":"io.openbastion"}}\\0'))
print(ask(b'{"method":"io.systemd.UserDatabase.GetUserRecord","parameters":{"userName":"root","service":"io.openbastion"}}\\0'))
print(ask(b'{"method":"io.systemd.UserDatabase.GetUserRecord","parameters":{"uid":0,"service":"io.openbastion"}}\\0'))
stuck = []
for i in range(200):
    s = socket.socket(socket.AF_UNIX); stuck.append(s)
    # One user gets 64 connections; more are closed at once, before or after the bytes.
    try: s.connect("${socket}"); s.sendall(b'{"method":')
    except OSError: pass
import time, pwd
t = time.time()
os.system("getent passwd nosuchname")
print("miss", time.time() - t < 1)
EOF`
  const { stdout, stderr } = await lab.run(script, { user: 'localadm' })
  const [garbage, long, service, method, root, zero, miss] = stdout.trim().split('\n')
  expect([garbage, long]).toEqual(["b''", expect.stringMatching(/^b''|Reset|Broken/)])
  expect(service).toContain('io.systemd.UserDatabase.BadService')
  expect(method).toContain('org.varlink.service.MethodNotFound')
  expect([root, zero].every((one) => one?.includes('NoRecordFound'))).toBe(true)
  expect([miss, stderr]).toEqual(['miss True', ''])
  expect((await login('una')).entered).toBe(true)
})

lab_test('a service that hangs costs root nothing and local users no lookup by name', async () => {
  await lab.need(`kill -STOP ${await pid()}`)
  const took = async (command: string, user?: string) =>
    (await lab.run(`timeout 8 ${command}`, user === undefined ? {} : { user })).tookMs
  const times = { root: await took('id root'), byName: await took('getent passwd localadm') }
  await lab.need(
    "sed -i '/^initgroups/d' /etc/nsswitch.conf; echo 'initgroups: files [SUCCESS=return] extrausers [SUCCESS=return] systemd' >> /etc/nsswitch.conf",
  )
  const remedied = await took('id localadm')
  await lab.need("sed -i '/^initgroups/d' /etc/nsswitch.conf")
  const without = await took('id localadm')
  await served?.resume()
  console.error(
    `hung service: root ${times.root | 0} ms, getpwnam ${times.byName | 0} ms, id with the initgroups line ${remedied | 0} ms, without ${without | 0} ms (cut at 8 s)`,
  )
  expect(Math.max(times.root, times.byName, remedied)).toBeLessThan(2000)
})

lab_test('a second service refuses to start, and a stopped one leaves no socket', async () => {
  const second = await lab.run('timeout 5 ob serve')
  expect([second.code, second.stderr]).toEqual([70, expect.stringContaining('runs already')])
  await stopServing()
  expect((await lab.run(`test -e ${socket}`)).code).toBe(1)
  await serve()
})

lab_test('with userdb as the target nothing is written for NSS, and the login works all the same', async () => {
  await configure(lab, 'create_user_target = userdb\nallowed_managed_groups = games\n')
  await stopServing()
  await serve()
  await lab.portal('setUser', { user: 'ute', groups: ['games', 'sudo', 'shadow'] })
  const first = await login('ute', 'id -u; id -Gn')
  expect([first.entered, first.stdout.trim().split('\n')[1]]).toEqual([true, 'ute games'])
  expect(await lab.need('grep -l ute /var/lib/extrausers/passwd || :')).toBe('')
  expect((await lab.run('getent passwd ute')).stdout).toContain('/home/ute')
  expect((await login('ute', 'id -Gn')).stdout).toBe('ute games\n')
})

lab_test('a known user is refreshed from the portal behind the answer', async () => {
  await lab.portal('setUser', { user: 'ute', attributes: { gecos: 'Ute Two', shell: '/bin/dash' } })
  await stopServing()
  await serve()
  let line = ''
  for (let tries = 0; tries < 200 && !line.includes('Ute Two'); tries++) {
    line = (await lab.run('getent passwd ute')).stdout
    await Bun.sleep(50)
  }
  expect(line).toMatch(/:Ute Two:\/home\/ute:\/bin\/dash$/m)
})

lab_test('systemd is told when the service is ready, that it lives, and when it stops', async () => {
  await stopServing()
  const listener = `
import socket, subprocess, os
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind("/run/notify"); s.settimeout(20)
p = subprocess.Popen(["/usr/sbin/ob", "serve"], env={"NOTIFY_SOCKET": "/run/notify"})
print(s.recv(100).decode(), s.recv(100).decode()); p.terminate(); print(s.recv(100).decode(), p.wait())
`
  const told = await lab.run(['python3', '-c', listener])
  expect(told.stdout).toBe('READY=1 WATCHDOG=1\nSTOPPING=1 0\n')
  await serve()
})

lab_test('create_user is taken back while the service runs: nobody gets a session without an account', async () => {
  await lab.portal('setUser', { user: 'umo' })
  await lab.portal('setRules', { group: 'truth', ssh: ['alice', 'umo', ...newcomers], sudo: ['una'] })
  await configure(lab)
  await stopServing()
  await serve()
  await lab.need("sed -i 's/^create_user = .*/create_user = false/' /etc/open-bastion/openbastion.conf")
  lab.audit()
  const first = await login('umo', 'id')
  expect([first.entered, reasons().at(-1)]).toEqual([false, 'no-account'])
  expect((await lab.run('ob status')).stdout).toContain('systemctl reload ob-serve')
  // A broken file changes nothing; the right one is read at once.
  await lab.need(
    'cp /etc/open-bastion/openbastion.conf /root/conf; echo nonsense >> /etc/open-bastion/openbastion.conf',
  )
  await lab.need(`kill -HUP ${await pid()}`)
  await lab.need('cp /root/conf /etc/open-bastion/openbastion.conf')
  await lab.need(`kill -HUP ${await pid()}`)
  let status = 'systemctl reload'
  for (let tries = 0; tries < 100 && status.includes('systemctl reload'); tries++)
    status = (await lab.run('ob status')).stdout
  expect(status).not.toContain('systemctl reload')
  lab.audit()
  expect((await lab.ssh({ user: 'umo', answers: ['0'.repeat(64)] })).entered).toBe(false)
  expect(reasons()).toEqual(['unknown-to-sshd'])
  await configure(lab)
  await lab.need(`kill -HUP ${await pid()}`)
})
