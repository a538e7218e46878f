// The units of this project under a real systemd: they start, keep to their sandboxes, come back, and hold nobody up.
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { configure, enroll, mintToken, setRights } from './enrolled.ts'
import { layOut, startPortal, startRelay } from './lab.ts'
import { type Booted, boot, NotBooted } from './systemd.ts'

const booted = existsSync('dist/ob')
  ? await boot().catch((error: unknown) => error)
  : new NotBooted('dist/ob is not built')
if (booted instanceof NotBooted) console.error(`the tests under systemd are left out: ${booted.message}`)
else if (booted instanceof Error) throw booted
const host = booted as Booted
const systemd_test = booted instanceof NotBooted ? test.skip : test
const inSystemd = (name: string, work: () => Promise<void>, limit = 60_000): void => systemd_test(name, work, limit)

type Portal = Awaited<ReturnType<typeof startPortal>>
let portal: Portal
let control: (verb: string, body?: unknown) => Promise<unknown>

const lab = () => ({
  space: host.space,
  portal: control,
  portalUrl: portal.url,
  portalCa: readFileSync(portal.ca, 'utf8'),
  write: host.write,
  need: host.need,
})

const askpassScript = `#!/bin/sh
cd "$OB_LAB_DIALOGUE" && exec cat 1
`

const install = `set -e
  cd /srv/repository
  install -m 755 -o root dist/ob /usr/sbin/ob
  sed -i -E 's/^((passwd|group|shadow):.*)/\\1 systemd/' /etc/nsswitch.conf
  grep -q '^initgroups:' /etc/nsswitch.conf || echo 'initgroups: files [SUCCESS=return] extrausers [SUCCESS=return] systemd' >> /etc/nsswitch.conf
  install -m 644 -t /etc/systemd/system packaging/systemd/*
  install -m 644 -D -t /usr/lib/sysusers.d packaging/sysusers.d/*
  userdel ob-keys
  systemd-sysusers /usr/lib/sysusers.d/open-bastion.conf
  install -m 644 pam.d/mode-d.sshd /etc/pam.d/sshd
  install -m 644 pam.d/mode-d.sudo /etc/pam.d/sudo
  install -m 644 pam.d/mode-d.sudo /etc/pam.d/sudo-i
  install -m 644 packaging/ssh/mode-d.conf /etc/ssh/sshd_config.d/00-open-bastion.conf
  install -m 440 packaging/sudoers/open-bastion /etc/sudoers.d/open-bastion
  systemctl daemon-reload
  systemctl enable ssh.service
  mkdir -p /run/sshd
  visudo -c && sshd -t && systemctl start ssh`

beforeAll(async () => {
  if (booted instanceof NotBooted) return
  await host.need('mkdir -p /run/lab')
  await layOut(host.space)
  portal = await startPortal(host.beside)
  const relay = await startRelay(host.beside)
  control = async (verb, body = {}) =>
    ((await relay(`http://127.0.0.1:19444/control/${verb}`, body)) as { result: unknown }).result
  host.write('/etc/hosts', '127.0.0.1 localhost lab auth.example.test\n')
  host.write('/etc/hostname', 'lab\n')
  await host.need(install)
  await configure(lab())
  await setRights(lab())
}, 120_000)

afterAll(async () => {
  if (booted instanceof NotBooted) return
  portal?.process.kill('SIGKILL')
  await host.stop()
})

const property = async (unit: string, name: string): Promise<string> =>
  (await host.run(['systemctl', 'show', '-P', name, unit])).stdout.trim()

async function until(what: string, holds: () => Promise<boolean>, seconds = 30): Promise<void> {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await Bun.sleep(50)) if (await holds()) return
  throw new Error(`after ${seconds} s not yet: ${what}`)
}
const isActive = async (unit: string): Promise<boolean> => (await property(unit, 'ActiveState')) === 'active'

const askpass = '/run/lab/askpass'
/** ssh into the booted host, from beside it. */
async function ssh(user: string, how: { readonly key?: string; readonly answer?: string; readonly command?: string }) {
  const folder = `/run/lab/dialogue-${crypto.randomUUID()}`
  await host.need(`mkdir -p ${folder}`)
  if (how.answer !== undefined) host.write(`${folder}/1`, `${how.answer}\n`)
  const method = how.key === undefined ? 'keyboard-interactive' : 'publickey'
  const options = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', `PreferredAuthentications=${method}`]
  options.push(
    'NumberOfPasswordPrompts=1',
    'LogLevel=ERROR',
    ...(how.key === undefined ? ['PubkeyAuthentication=no'] : ['IdentitiesOnly=yes']),
  )
  const argv = [
    'ssh',
    '-F',
    'none',
    ...options.flatMap((option) => ['-o', option]),
    ...(how.key === undefined ? [] : ['-i', how.key]),
  ]
  return host.run([...argv, `${user}@127.0.0.1`, how.command ?? 'echo SHELL-OK'], {
    env: { SSH_ASKPASS: askpass, SSH_ASKPASS_REQUIRE: 'force', OB_LAB_DIALOGUE: folder },
  })
}

const units = ['ob-serve', 'ob-monitor', 'ob-heartbeat', 'ob-krl'] as const
const absent = '/var/lib/open-bastion /var/log/open-bastion /var/cache/open-bastion /var/lib/extrausers'

inSystemd('every unit starts where none of its directories is there yet', async () => {
  await host.need(
    `rm -rf ${absent}; mkdir -p /run/open-bastion/offline_sessions; touch /run/open-bastion/offline_sessions/x`,
  )
  for (const unit of units) await host.run(['systemctl', 'start', unit])
  // 226 is systemd's own: the mount namespace could not be set up, and the program was never run.
  for (const unit of units) expect([unit, await property(unit, 'ExecMainStatus')]).not.toEqual([unit, '226'])
  expect(await property('ob-serve', 'ActiveState')).toBe('active')
  expect(await property('ob-monitor', 'Result')).toBe('success')
  await host.need('rm /run/open-bastion/offline_sessions/x; systemctl reset-failed')
})

inSystemd(
  'enrolling arms the timers of the heartbeat and of ob monitor, and the doctor is content at once',
  async () => {
    const { code, output } = await enroll(lab())
    expect([code, output]).toEqual([0, expect.stringContaining('ob-monitor.timer is armed')])
    const { code: found, stdout } = await host.run('ob doctor')
    expect([found, stdout.match(/^(?:OPEN|SHUT|BAD).*$/gm)]).toEqual([0, null])
    for (const timer of ['ob-heartbeat.timer', 'ob-monitor.timer']) {
      expect(await isActive(timer)).toBe(true)
      expect((await host.run(['systemctl', 'is-enabled', timer])).stdout.trim()).toBe('enabled')
    }
  },
)

inSystemd(
  'the agent of the authority is a unit: it signs in its sandbox, and has its keys again after it was killed',
  async () => {
    const unit = 'ob-ca-agent.service'
    // As where no package brought it.
    await host.need(`rm -f /etc/systemd/system/${unit}; systemctl daemon-reload`)
    await configure(lab(), 'ca_user = ca\nca_name = ca.example.test\n')
    await host.need('ob ca init')
    expect([await isActive(unit), (await host.run(['systemctl', 'is-enabled', unit])).stdout]).toEqual([
      true,
      'enabled\n',
    ])
    const keys = () => host.run('SSH_AUTH_SOCK=/run/open-bastion-ca/agent ssh-add -l')
    expect((await keys()).stdout.trim().split('\n')).toHaveLength(2)
    const pid = await property(unit, 'MainPID')
    const status = await host.need(`cat /proc/${pid}/status; stat -c 'agent of %U' /proc/${pid}`)
    expect(status).toMatch(/^NoNewPrivs:\t1$/m)
    expect(status).toMatch(/^CapEff:\t0+$/m)
    expect(status).toMatch(/^Uid:\t([1-9]\d*)\t/m)
    const sign = () => host.run('ob ca host lab.example.test --key /etc/ssh/ssh_host_ed25519_key.pub')
    expect((await sign()).stdout).toStartWith('ssh-ed25519-cert-v01@openssh.com ')
    expect((await host.run('ob ca status')).code).toBe(0)
    await host.need(`kill -KILL ${pid}`)
    await until(
      'the agent is there again',
      async () => (await property(unit, 'MainPID')) !== pid && (await isActive(unit)),
    )
    expect((await keys()).stdout.trim().split('\n')).toHaveLength(2)
    expect((await sign()).code).toBe(0)
    await host.need(`systemctl disable --now ${unit}`)
    const without = await sign()
    expect([without.code, without.stderr]).toEqual([70, expect.stringContaining('systemctl restart ob-ca-agent')])
    expect((await host.run('ob ca status')).code).not.toBe(0)
    await configure(lab())
  },
  120_000,
)

/** Runs these lines inside the sandbox of a unit; what they print. */
async function inSandbox(unit: string, lines: string): Promise<string> {
  const out = `/run/open-bastion/probe-${unit}`
  host.write(`/run/lab/probe-${unit}`, `exec 2>/dev/null >${out}\n${lines}\n:\n`)
  host.write(
    `/run/systemd/system/${unit}.service.d/probe.conf`,
    `[Unit]\nConditionPathExistsGlob=\n[Service]\nType=oneshot\nRestart=no\nWatchdogSec=0\nExecStart=\nExecStart=/bin/sh /run/lab/probe-${unit}\n`,
  )
  await host.need(`systemctl daemon-reload; systemctl stop ${unit}; systemctl start ${unit}`)
  await host.need(`rm -r /run/systemd/system/${unit}.service.d; systemctl daemon-reload`)
  return host.text(out)
}

const probe = `touch /etc/probe && echo wrote /etc
touch /usr/probe && echo wrote /usr
touch /etc/ssh/probe && echo wrote /etc/ssh && rm /etc/ssh/probe
touch /var/lib/open-bastion/probe && echo wrote state && rm /var/lib/open-bastion/probe
ls /root/.ssh/authorized_keys && echo saw home
unshare --user true && echo made a namespace
ls /tmp/canary && echo saw /tmp
sed -n -E 's/^(CapEff|NoNewPrivs):\\t0*([0-9a-f])/\\1 \\2/p' /proc/self/status`

const sandboxes: readonly (readonly [string, readonly string[]])[] = [
  // CAP_SYS_PTRACE
  ['ob-serve', ['wrote state', 'CapEff 80000', 'NoNewPrivs 1']],
  ['ob-heartbeat', ['wrote state', 'CapEff 0', 'NoNewPrivs 1']],
  ['ob-krl', ['wrote /etc/ssh', 'wrote state', 'CapEff 0', 'NoNewPrivs 1']],
  // CAP_DAC_OVERRIDE, CAP_KILL, CAP_SYS_PTRACE
  ['ob-monitor', ['wrote state', 'CapEff 80022', 'NoNewPrivs 1']],
]
for (const [unit, expected] of sandboxes)
  inSystemd(`the sandbox of ${unit} holds`, async () => {
    await host.need('touch /tmp/canary')
    expect((await inSandbox(unit, probe)).trimEnd().split('\n')).toEqual([...expected])
  })

inSystemd('a service that stands still is killed and started again, and answers', async () => {
  await host.need('systemctl start ob-serve')
  const before = await property('ob-serve', 'MainPID')
  await host.need(`kill -STOP ${before}`)
  await until('another process', async () => !['0', before].includes(await property('ob-serve', 'MainPID')), 40)
  await until('it is active', () => isActive('ob-serve'))
  expect(await property('ob-serve', 'NRestarts')).not.toBe('0')
})

inSystemd(
  'after many quick failures it comes back by itself when the cause is mended',
  async () => {
    const good = host.text('/etc/open-bastion/openbastion.conf')
    host.write('/etc/open-bastion/openbastion.conf', 'nonsense\n', 0o600)
    await host.need('systemctl kill -s KILL ob-serve')
    const restarts = async () => Number(await property('ob-serve', 'NRestarts'))
    const from = await restarts()
    await until('seven failures', async () => (await restarts()) >= from + 7, 60)
    host.write('/etc/open-bastion/openbastion.conf', good, 0o600)
    await until('it is active', () => isActive('ob-serve'), 20)
  },
  90_000,
)

inSystemd('with nothing to serve it ends, is not started again and has not failed', async () => {
  const good = host.text('/etc/open-bastion/openbastion.conf')
  host.write('/etc/open-bastion/openbastion.conf', `${good}serve_userdb = false\nserve_logins = false\n`, 0o600)
  await host.run('systemctl restart ob-serve')
  await until('it has ended', async () => (await property('ob-serve', 'ActiveState')) === 'inactive')
  const result = await property('ob-serve', 'Result')
  const journal = await host.need('journalctl -q --no-pager -o cat -n 3 -u ob-serve')
  host.write('/etc/open-bastion/openbastion.conf', good, 0o600)
  await host.need('systemctl restart ob-serve')
  // A restart that is due would have been "activating".
  expect([result, journal]).toEqual(['success', expect.stringContaining('there is nothing to serve')])
})

inSystemd('what does not run and should is found', async () => {
  await host.need('systemctl enable ob-serve; systemctl stop ob-serve ob-monitor.timer')
  const stopped = await host.run('ob doctor')
  expect(stopped.stdout).toMatch(/^BAD +units +ob serve does not run/m)
  expect(stopped.stdout).toMatch(/^BAD +units +ob-monitor.timer does not run/m)
  expect(stopped.code).toBe(1)
  await host.need('systemctl start ob-serve ob-monitor.timer')
  expect((await host.run('ob doctor')).code).toBe(0)
})

inSystemd('who asks for JSON gets JSON, also when the mode cannot start', async () => {
  await host.need('mv /etc/open-bastion/openbastion.conf /run/lab/away')
  const ran = []
  for (const argv of ['ob status --json', 'ob cache list --json', 'ob doctor --json']) ran.push(await host.run(argv))
  await host.need('mv /run/lab/away /etc/open-bastion/openbastion.conf')
  for (const { code, stdout } of ran)
    expect([code === 0, JSON.stringify(JSON.parse(stdout))]).toEqual([
      false,
      expect.stringContaining('openbastion.conf'),
    ])
})

inSystemd('a first-time user gets in at the first attempt, and logind knows the session', async () => {
  const login = await ssh('nora', {
    answer: await mintToken(lab(), 'nora'),
    command: 'echo $XDG_SESSION_ID; loginctl list-sessions --no-legend; cat /proc/self/cgroup',
  })
  expect([login.code, login.stderr]).toEqual([0, expect.any(String)])
  // Where the kernel gives sessions no number of their own, logind's begin with c.
  expect(login.stdout).toMatch(/^c?\d+$/m)
  expect(login.stdout).toMatch(/^ *c?\d+ +\d+ nora/m)
  expect(login.stdout).toContain('session-')
})

// As a user's own sudo would be: systemd gives parts of user.slice to users, who may freeze what is in them.
const inUsersGroup = `set -e
  group=/sys/fs/cgroup/user.slice/user-4242.slice/mine
  mkdir -p $group; mkfifo /run/lab/typed
  stay() { echo $BASHPID > $group/cgroup.procs; exec sleep 60; }
  decide() { echo $BASHPID > $group/cgroup.procs; exec env -i PAM_TYPE=auth PAM_SERVICE=sudo PAM_USER=nora PAM_RUSER=nora \\
    /usr/sbin/ob < /run/lab/typed > /dev/null; }
  stay & frozen=$!
  decide & decides=$!
  exec 3> /run/lab/typed
  for try in $(seq 200); do grep -q mine /proc/$decides/cgroup || break; sleep 0.05; done
  grep ^0: /proc/$frozen/cgroup /proc/$decides/cgroup | sed 's/.*://'
  echo 1 > $group/cgroup.freeze
  exec 3>&-
  code=0; wait $decides || code=$?
  echo "ended with $code"
  grep frozen $group/cgroup.events
  echo 0 > $group/cgroup.freeze; kill $frozen; rm /run/lab/typed`

const root = '/sys/fs/cgroup/cgroup.procs'
const groups = [
  ['in the root of the tree', ':', '/'],
  // As in a container whose root passes controllers on.
  ['in one of its own, where the root takes nobody', `mount --bind -o ro /etc/hostname ${root}`, '/open-bastion.scope'],
] as const
for (const [where, before, group] of groups)
  inSystemd(
    `root’s process below sudo is not in the cgroup of its user, who may freeze that one: ${where}`,
    async () => {
      await host.need(`systemctl stop ob-serve; ${before}`)
      try {
        const said = await host.need(['bash', '-c', inUsersGroup])
        expect(said.trim().split('\n')).toEqual(['/user.slice/user-4242.slice/mine', group, 'ended with 1', 'frozen 1'])
      } finally {
        await host.need(`umount ${root} 2> /dev/null; systemctl start ob-serve`)
      }
    },
  )

inSystemd('in its sandbox, ob serve decides every phase of a known user', async () => {
  const token = await mintToken(lab(), 'nora')
  const since = (await host.need('date +%s.%N')).trim()
  expect(await ssh('nora', { answer: token })).toMatchObject({ code: 0, stdout: 'SHELL-OK\n' })
  await host.need('journalctl --sync')
  const lines = await host.need(`journalctl -q --no-pager --since @${since} -t ob -o short | grep -F reason=`)
  const deciders = [...lines.matchAll(/ ob\[(\d+)\]: \w+ .*reason=([a-z-]+)/g)].map(([, pid, reason]) => [reason, pid])
  const daemon = await property('ob-serve', 'MainPID')
  expect(deciders).toEqual([
    ['token-accepted', daemon],
    ['portal-allowed', daemon],
    ['session-opened', daemon],
  ])
})

inSystemd('where its sandbox does not let it write what a phase writes, it leaves the phases alone', async () => {
  const good = host.text('/etc/open-bastion/openbastion.conf')
  await host.need('mkdir -m 0750 /srv/audit')
  host.write('/etc/open-bastion/openbastion.conf', `${good}audit_log_file = /srv/audit/audit.json\n`, 0o600)
  await host.need('systemctl reload ob-serve')
  await until('it says so', async () =>
    (await host.need('journalctl -q --no-pager -o cat -u ob-serve')).includes('ReadWritePaths=/srv/audit'),
  )
  expect(await ssh('nora', { answer: await mintToken(lab(), 'nora') })).toMatchObject({ code: 0 })
  expect(host.text('/srv/audit/audit.json').trim().split('\n').length).toBe(3)
  host.write('/etc/open-bastion/openbastion.conf', good, 0o600)
  await host.need('systemctl reload ob-serve')
  await until('it decides again', async () => (await host.run('test -S /run/open-bastion/phases')).code === 0)
})

inSystemd('the timer of ob monitor leaves no line in the journal while there is nothing to do', async () => {
  const lines = async () => (await host.need('journalctl -q --no-pager -o cat -u ob-monitor.service | wc -l')).trim()
  await host.need('journalctl --sync')
  const before = await lines()
  for (let round = 0; round < 3; round++) await host.need('systemctl start ob-monitor')
  await host.need('journalctl --sync')
  expect(await lines()).toBe(before)
})

inSystemd('ob monitor ends a session that began offline, once the portal says no', async () => {
  await host.need(`set -e
    cd /run/lab && ssh-keygen -q -t ed25519 -N '' -f alice
    install -m 644 alice.pub /etc/open-bastion/authorized_keys.d/alice
    ob nss add alice
    echo 'auth_cache_ttl = 600' >> /etc/open-bastion/openbastion.conf`)
  const online = await ssh('alice', { key: '/run/lab/alice' })
  expect([online.code, online.stdout]).toEqual([0, expect.stringContaining('SHELL-OK')])
  await control('halt')
  const session = ssh('alice', { key: '/run/lab/alice', command: 'echo in; touch /tmp/in; sleep 50' })
  await until('the session has begun', async () => (await host.run(['test', '-e', '/tmp/in'])).code === 0)
  expect((await host.need('ls /run/open-bastion/offline_sessions')).trim()).not.toBe('')
  await host.need('systemctl start ob-monitor')
  // Still away: nothing ends.
  expect((await host.need('loginctl list-sessions --no-legend')).includes('alice')).toBe(true)
  await control('setRules', { group: 'truth', ssh: ['bob'], sudo: [] })
  await control('start')
  await host.need('rm -f /run/open-bastion/*-portal; systemctl start ob-monitor')
  const ended = await session
  expect(ended.code).not.toBe(0)
  expect(ended.tookMs).toBeLessThan(45_000)
  await until(
    'logind forgot it',
    async () => !(await host.need('loginctl list-sessions --no-legend')).includes('alice'),
  )
  await setRights(lab())
})

inSystemd(
  'accounts in /etc/passwd: under the unit the cause is named, and with the line it names they are refreshed',
  async () => {
    const good = host.text('/etc/open-bastion/openbastion.conf')
    host.write('/etc/open-bastion/openbastion.conf', `${good}create_user_target = passwd\n`, 0o600)
    await host.need('ob nss add bob')
    await control('setUser', { user: 'bob', attributes: { gecos: 'Bob, renamed' } })
    const refresh = 'ob nss refresh bob 2>&1; echo "ended with $?"'
    expect(await inSandbox('ob-serve', refresh)).toMatch(/\.pwd\.lock: .*read-only/i)
    host.write('/run/systemd/system/ob-serve.service.d/passwd.conf', '[Service]\nReadWritePaths=/etc\n')
    expect(await inSandbox('ob-serve', refresh)).toContain('ended with 0')
    host.write('/etc/open-bastion/openbastion.conf', good, 0o600)
    await host.need('systemctl restart ob-serve')
  },
)

inSystemd(
  'after a reboot it serves before sshd listens, the timers are armed, and the doctor finds nothing',
  async () => {
    await host.need('systemctl enable ob-serve')
    await host.reboot()
    await host.need(`mkdir -p /run/lab; install -m 755 /dev/stdin ${askpass}`, { stdin: askpassScript })
    await until('sshd is up', () => isActive('ssh'))
    const [serves, listens] = [
      Number(await property('ob-serve', 'ActiveEnterTimestampMonotonic')),
      Number(await property('ssh', 'ExecMainStartTimestampMonotonic')),
    ]
    expect(serves).toBeGreaterThan(0)
    expect(listens).toBeGreaterThanOrEqual(serves)
    expect(await property('nss-user-lookup.target', 'ActiveState')).toBe('active')
    const { code, stdout } = await host.run('ob doctor')
    expect([code, stdout.match(/^(?:OPEN|SHUT|BAD).*$/gm)]).toEqual([0, null])
    const login = await ssh('nils', { answer: await mintToken(lab(), 'nils') })
    expect([login.code, login.stdout]).toEqual([0, expect.stringContaining('SHELL-OK')])
  },
)

inSystemd(
  'a service that hangs at boot holds sshd up for ten seconds and no longer',
  async () => {
    host.write('/etc/systemd/system/ob-serve.service.d/hang.conf', '[Service]\nExecStart=\nExecStart=/bin/sleep 300\n')
    await host.reboot('systemctl is-active ssh')
    const waited =
      Number(await property('ssh', 'ExecMainStartTimestampMonotonic')) -
      Number(await property('basic.target', 'ActiveEnterTimestampMonotonic'))
    expect(waited / 1e6).toBeLessThan(15)
    expect(waited / 1e6).toBeGreaterThan(5)
  },
  90_000,
)
