// PAM phases that `ob serve` decides: which process decided is read from syslog. The daemon is killed, frozen and
// replaced in the middle; nobody loses a login by it, nothing is spent twice, and nobody gets in who should not.
import { beforeEach, expect } from 'bun:test'
import { mintToken, settleIn } from './enrolled.ts'
import type { Lab } from './lab.ts'
import { hasLab, inLab, listenToSyslog, type Service, startServe, syslog } from './suite.ts'

let lab: Lab
let served: Service

const socket = '/run/open-bastion/phases'

const lab_test = inLab({ stack: 'd' }, async (started) => {
  lab = started
  await listenToSyslog(lab)
  // A user database that is frozen would hold up pam_systemd, until the watchdog of the unit ends it.
  await settleIn(lab, 'serve_userdb = false\n')
  await start()
})

async function start(): Promise<void> {
  await lab.need(`rm -f ${socket}`)
  served = await startServe(lab, socket)
}

beforeEach(async () => {
  if (!hasLab) return
  await lab.portal('fault', { kind: 'none' })
  await lab.need(`rm -rf /var/lib/open-bastion/ratelimit; : > ${syslog}`)
  await lab.portal('forgetRequests')
  lab.audit()
})

/** Who wrote the lines of the audit log: `phase reason decider` of each. */
async function decided(): Promise<readonly string[]> {
  const daemon = await lab.run("pgrep -x -f '/usr/sbin/ob serve'")
  const pids = [...lab.text(syslog).matchAll(/ ob\[(\d+)\]: [A-Z_]+ user=/g)].map(([, pid]) => pid)
  return lab
    .audit()
    .map(({ phase, reason }, at) => `${phase} ${reason} ${pids[at] === daemon.stdout.trim() ? 'daemon' : 'process'}`)
}

const account = (user: string) => ({
  PAM_TYPE: 'account',
  PAM_USER: user,
  PAM_SERVICE: 'sshd',
  PAM_RHOST: '192.0.2.7',
  SSH_CONNECTION: '192.0.2.7 5000 192.0.2.1 22',
})

const byKey = (user: string) => lab.ssh({ user, key: `/root/keys/${user}-listed` })
const byToken = async (user: string) => lab.ssh({ user, answers: [await mintToken(lab, user)] })

/** Waits until the portal was asked. */
async function untilAsked(path: string): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if (((await lab.portal('requests', { path })) as readonly unknown[]).length > 0) return
    await Bun.sleep(20)
  }
  throw new Error(`nobody asked ${path}`)
}

lab_test('a login by key, a login by token and a sudo are decided by the daemon', async () => {
  expect((await byKey('alice')).entered).toBe(true)
  expect(await decided()).toEqual(['account portal-allowed daemon', 'open_session session-opened daemon'])
  await lab.need(`: > ${syslog}`)
  expect((await byToken('alice')).entered).toBe(true)
  expect(await decided()).toEqual([
    'auth token-accepted daemon',
    'account portal-allowed daemon',
    'open_session session-opened daemon',
  ])
  await lab.need(`: > ${syslog}`)
  expect((await lab.sudo('alice', ['id', '-un'], [await mintToken(lab, 'alice')])).output).toMatch(/^root$/m)
  expect(await decided()).toEqual(['auth token-accepted daemon', 'account sudo-allowed daemon'])
})

lab_test('a refusal is the same sentence, and an answer that was typed wrong is counted once', async () => {
  const wrong = await lab.ssh({ user: 'alice', answers: ['f'.repeat(64)] })
  expect(wrong.entered).toBe(false)
  const [line] = lab.audit()
  expect(await lab.need('cat /var/lib/open-bastion/ratelimit/*')).toMatch(/^1\b|"?failures"?\D+1\b|\b1\b/)
  await served.stop()
  await lab.need(`rm -rf /var/lib/open-bastion/ratelimit; : > ${syslog}`)
  const alone = await lab.ssh({ user: 'alice', answers: ['f'.repeat(64)] })
  await start()
  const [same] = lab.audit()
  expect([line?.reason, line?.['details'], line?.event_type]).toEqual([
    same?.reason,
    same?.['details'],
    same?.event_type,
  ])
  const sentence = (text: string) => /Access denied[^[]*/.exec(text)?.[0]
  expect(sentence(wrong.stderr)).toBe(sentence(alone.stderr)!)
})

lab_test('one connection to the portal serves many logins', async () => {
  const connections = async () => (await lab.need("ss -Htn state established '( dport = :19443 )' | wc -l")).trim()
  for (let login = 0; login < 3; login++) expect((await lab.run('ob', { env: account('alice') })).code).toBe(0)
  expect(await connections()).toBe('1')
})

lab_test('a home that is missing is made by the process, which may do that', async () => {
  await lab.need('rm -rf "$(getent passwd bob | cut -d: -f6)"')
  expect((await byKey('bob')).entered).toBe(true)
  expect(await decided()).toEqual(['account portal-allowed daemon', 'open_session session-opened process'])
  await lab.need('test -d "$(getent passwd bob | cut -d: -f6)"')
})

lab_test('a home of somebody else, or behind a link, is refused as the process refuses it', async () => {
  const home = (await lab.need('getent passwd bob | cut -d: -f6')).trim()
  await lab.need(`chown -h root: ${home}`)
  expect((await byKey('bob')).entered).toBe(false)
  expect(await decided()).toEqual(['account portal-allowed daemon', 'open_session fault process'])
  await lab.need(`: > ${syslog}; chown bob: ${home} && mv ${home} ${home}.away && ln -s ${home}.away ${home}`)
  expect((await byKey('bob')).entered).toBe(false)
  expect(await decided()).toEqual(['account portal-allowed daemon', 'open_session fault process'])
  await lab.need(`rm ${home} && mv ${home}.away ${home}`)
})

lab_test('a caller with a configuration of its own, behind a mount, decides by itself', async () => {
  const own = `cp -r /etc/open-bastion /run/own && sed -i 's/^server_group = .*/server_group = other/' /run/own/*.conf
    mount --bind /run/own /etc/open-bastion && exec /usr/sbin/ob`
  expect((await lab.run(['unshare', '-m', 'sh', '-c', own], { env: account('alice') })).code).toBe(1)
  expect(await decided()).toEqual(['account portal-denied process'])
})

lab_test('a daemon that is told to read its configuration again while /run is full decides as before', async () => {
  const full = 'mount -t tmpfs -o nr_inodes=3 none /run/open-bastion && cd /run/open-bastion && touch 1 2'
  await lab.need(`${full}; kill -HUP ${await served.pid()}`)
  await lab.need(`timeout 30 sh -c "until grep -q 'decided as before' ${syslog}; do sleep 0.05; done"`)
  await lab.need('umount /run/open-bastion')
  await lab.need(`: > ${syslog}`)
  expect((await byKey('alice')).entered).toBe(true)
  expect(await decided()).toEqual(['account portal-allowed daemon', 'open_session session-opened daemon'])
})

lab_test('with a daemon that is frozen, gone or of another file, each phase decides by itself', async () => {
  await lab.need(`kill -STOP ${await served.pid()}`)
  expect([(await byKey('alice')).entered, (await byToken('alice')).entered]).toEqual([true, true])
  expect((await byKey('dave')).entered).toBe(false)
  expect((await decided()).filter((line) => line.endsWith('daemon'))).toEqual([])
  await served.resume()
  await lab.need(`: > ${syslog}`)
  // As an upgrade does.
  await lab.need('cp /usr/sbin/ob /run/ob.next && mount --bind /run/ob.next /usr/sbin/ob')
  expect((await byToken('alice')).entered).toBe(true)
  expect((await decided()).filter((line) => line.endsWith('daemon'))).toEqual([])
  await lab.need('umount --lazy /usr/sbin/ob')
  await served.stop('KILL')
  await lab.need(`test -S ${socket} && : > ${syslog}`)
  expect([(await byKey('alice')).entered, (await byToken('alice')).entered]).toEqual([true, true])
  await start()
})

lab_test('a daemon that ends in the middle costs a login by key nothing', async () => {
  await lab.portal('fault', { kind: 'slow', path: '/pam/authorize', seconds: 2, times: 1 })
  const login = byKey('alice')
  await untilAsked('/pam/authorize')
  await served.stop('KILL')
  expect((await login).entered).toBe(true)
  await start()
})

lab_test('a daemon that freezes in the middle costs a login by key nothing', async () => {
  await lab.portal('fault', { kind: 'slow', path: '/pam/authorize', seconds: 2, times: 1 })
  const login = byKey('alice')
  await untilAsked('/pam/authorize')
  await lab.need(`kill -STOP ${await served.pid()}`)
  expect((await login).entered).toBe(true)
  // What it decided when it ran again is its own line in the log.
  await served.stop()
  await start()
})

lab_test('a daemon that ends when a token may be used up is a refusal, and the token stays used', async () => {
  await lab.portal('fault', { kind: 'slow', path: '/pam/verify', seconds: 2, times: 1 })
  const token = await mintToken(lab, 'alice')
  const login = lab.ssh({ user: 'alice', answers: [token] })
  await untilAsked('/pam/verify')
  await served.stop('KILL')
  expect((await login).entered).toBe(false)
  expect(lab.audit().map(({ reason }) => reason)).toEqual(['decision-lost'])
  expect((await lab.ssh({ user: 'alice', answers: [token] })).entered).toBe(false)
  expect(lab.audit().map(({ reason }) => reason)).toEqual(['token-replayed'])
  await start()
})

lab_test('a daemon that is told to end finishes what it decides', async () => {
  await lab.portal('fault', { kind: 'slow', path: '/pam/verify', seconds: 1, times: 1 })
  const login = byToken('alice')
  await untilAsked('/pam/verify')
  await served.stop()
  expect((await login).entered).toBe(true)
  await start()
})

lab_test('a slow question of one holds up nobody else', async () => {
  await lab.portal('fault', { kind: 'slow', path: '/pam/verify', seconds: 2, times: 1 })
  let isOver = false
  const slow = byToken('alice').finally(() => {
    isOver = true
  })
  await untilAsked('/pam/verify')
  expect((await lab.run('ob', { env: account('bob') })).code).toBe(0)
  expect(isOver).toBe(false)
  expect((await slow).entered).toBe(true)
})

// A user may freeze root's process below sudo (a cgroup of the user's own). The refusal waits for it.
lab_test('a caller that is frozen until its time is over still hears the refusal of the daemon', async () => {
  await lab.portal('fault', { kind: 'slow', path: '/pam/authorize', seconds: 1, times: 1 })
  const frozen = lab.run(
    `/usr/sbin/ob & caller=$!
     sleep 0.4; kill -STOP $caller; sleep 6; kill -CONT $caller; wait $caller`,
    { env: account('dave') },
  )
  await untilAsked('/pam/authorize')
  expect((await frozen).code).toBe(1)
  expect(await decided()).toEqual(['account portal-denied daemon'])
})

lab_test('a caller that holds what was typed leaves no core file, however it dies', async () => {
  const waiting = async (signal: string, before: string): Promise<string> => {
    await lab.portal('forgetRequests')
    await lab.portal('fault', { kind: 'slow', path: '/pam/verify', seconds: 1, times: 1 })
    const command = `mkdir -p /run/cores && cd /run/cores && ulimit -c unlimited
      exec 3<&0; env --default-signal=QUIT ${before} <&3 & caller=$!; sleep 0.6; kill -${signal} $caller; wait $caller; ls /run/cores; rm -f /run/cores/*`
    const env = { ...account('alice'), PAM_TYPE: 'auth' }
    return (await lab.run(command, { env, stdin: await mintToken(lab, 'alice') })).stdout.trim()
  }
  if ((await waiting('SEGV', 'sleep 9')) === '') console.error('this machine writes no core files: nothing is proven')
  for (const signal of ['SEGV', 'ABRT', 'QUIT']) {
    expect(await waiting(signal, '/usr/sbin/ob')).toBe('')
    await untilAsked('/pam/verify')
  }
})

const knock = `import socket,sys
s = socket.socket(socket.AF_UNIX); s.settimeout(5)
try: s.connect('${socket}')
except PermissionError: print('refused'); sys.exit()
try: s.sendall(b'\\0\\0\\0\\0'); print(s.recv(100).decode())
except ConnectionError: print('closed')`

lab_test('neither users nor other programs of root are answered', async () => {
  lab.write('/root/knock.py', knock)
  expect((await lab.need(`stat -c '%a %U' ${socket}`)).trim()).toBe('600 root')
  const asUser = await lab.run(['python3', '-c', knock], { user: 'alice' })
  expect(asUser.stdout.trim()).toBe('refused')
  const other = await lab.run('exec python3 /root/knock.py', { env: account('alice') })
  expect(['y', 'closed']).toContain(other.stdout.trim())
  expect(lab.audit()).toEqual([])
})

lab_test('200 decisions while the daemon is killed, frozen and started again: all of them right', async () => {
  const one = async (user: string) => (await lab.run('exec /usr/sbin/ob', { env: account(user), limit: 30_000 })).code
  const codes: Record<string, number[]> = { alice: [], dave: [] }
  let left = 200
  const lane = async () => {
    while (left-- > 0) {
      const user = left % 4 === 0 ? 'dave' : 'alice'
      codes[user]!.push(await one(user))
    }
  }
  const trouble = async () => {
    for (let round = 0; left > 0 && round < 20; round++) {
      await Bun.sleep(150)
      if (round % 2 === 0) {
        await served.stop('KILL')
        await start()
      } else {
        const pid = await served.pid()
        await lab.need(`kill -STOP ${pid}`)
        await Bun.sleep(300)
        await served.resume()
      }
    }
  }
  await Promise.all([trouble(), ...Array.from({ length: 6 }, lane)])
  expect(codes['alice']).toEqual(Array.from({ length: codes['alice']!.length }, () => 0))
  expect(codes['dave']).toEqual(Array.from({ length: codes['dave']!.length }, () => 1))
  expect(codes['alice']!.length + codes['dave']!.length).toBe(200)
})
