// Accounts that turn into a person: what works as in a direct login, and what every attack ends with.
import { expect } from 'bun:test'
import { admit, certify, logIn, newKey, settings, settleAuthority } from './authority.ts'
import { configure, group, mintToken, rules } from './enrolled.ts'
import type { Lab } from './lab.ts'
import { openShell } from './shell-session.ts'
import { inLab, startServe } from './suite.ts'

let lab: Lab

const lab_test = inLab(
  {},
  async (started) => {
    lab = started
    await settleAuthority(lab)
    await admit(lab, 'erin')
    for (const user of ['alice', 'bob', 'erin']) {
      await newKey(lab, user)
      const ran = await certify(lab, user, user)
      if (ran.code !== 0) throw new Error(`no certificate for ${user}: ${ran.stderr}`)
    }
  },
  120_000,
)

const quiet =
  '-F none -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o BatchMode=yes'
const as = (user: string): string => `${quiet} -i /root/keys/${user}`
const enter = (user: string, command?: string) => logIn(lab, 'login', user, command)
const reasons = (): readonly string[] => lab.audit().map(({ reason }) => reason)

lab_test(
  'commands run as the person, in the home, with the person’s environment and their own exit status',
  async () => {
    lab.audit()
    const ran = await enter('alice', 'id -un; pwd; echo $HOME $USER $LOGNAME $SHELL; exit 7')
    expect([ran.code, ran.stdout, ran.stderr]).toEqual([
      7,
      'alice\n/home/alice\n/home/alice alice alice /bin/bash\n',
      '',
    ])
    const lines = lab.audit()
    expect(lines.map(({ reason }) => reason)).toEqual(['functional-account', 'person-identified', 'switched'])
    expect(new Set(lines.map(({ correlation_id }) => correlation_id)).size).toBe(1)
    expect(lines.at(-1)).toMatchObject({ user: 'alice', client_ip: '127.0.0.1' })
    const direct = await logIn(lab, 'alice', 'alice', 'ulimit -n; umask; grep SigIgn /proc/self/status; kill -TERM $$')
    const turned = await enter('alice', 'ulimit -n; umask; grep SigIgn /proc/self/status; kill -TERM $$')
    expect(turned.stdout).toBe(direct.stdout)
    // sshd tells the client of a signal; runuser says it as a shell does.
    expect([direct.code, turned.code]).toEqual([255, 128 + 15])
  },
)

lab_test('standard input, output and error arrive as they are, bytes and all', async () => {
  const sum = await lab.need(
    `head -c 3000000 /dev/urandom > /tmp/bytes; ssh ${as('alice')} login@127.0.0.1 'cat; echo oops >&2' < /tmp/bytes 2>/tmp/oops | cmp - /tmp/bytes && cat /tmp/oops`,
  )
  expect(sum).toBe('oops\n')
  const script = await lab.run(`echo 'id -un; pwd' | ssh ${as('alice')} -T login@127.0.0.1`)
  expect(script.stdout).toEndWith('alice\n/home/alice\n')
})

lab_test('scp, sftp and rsync work, and the files are the person’s', async () => {
  await lab.need(`echo one > /tmp/one; scp -q ${as('alice')} /tmp/one login@127.0.0.1:scp-new`)
  await lab.need(`scp -q -O ${as('alice')} /tmp/one login@127.0.0.1:scp-old`)
  await lab.need(`echo 'put /tmp/one sftp-put' | sftp -q -b - ${as('alice')} login@127.0.0.1`)
  const files = ['scp-new', 'scp-old', 'sftp-put']
  if ((await lab.run('command -v rsync')).code === 0) {
    await lab.need(`rsync -e "ssh ${as('alice')}" /tmp/one login@127.0.0.1:rsynced`)
    files.push('rsynced')
  }
  for (const file of files)
    expect(await lab.need(`stat -c %U /home/alice/${file}; cat /home/alice/${file}`)).toBe('alice\none\n')
})

/** Says whether a process can be traced: 16 is PTRACE_ATTACH (ptrace(2)). */
const attach = (pid: string) =>
  `python3 -c 'import ctypes; print("attached" if ctypes.CDLL(None).ptrace(16, ${pid}, 0, 0) == 0 else "kept out")'`

const shellOn = (user: string) => openShell(lab, ['ssh', ...as(user).split(' '), '-tt', 'login@127.0.0.1'])

// The machine's own list of sessions is not in the lab.
const startUtmp = () =>
  lab.need('test -e /run/utmp || { touch /run/utmp && chgrp utmp /run/utmp && chmod 0664 /run/utmp; }')

lab_test('a shell on a terminal says who the person became, and who(1) and the tty say so too', async () => {
  await startUtmp()
  const shell = await shellOn('alice')
  expect(shell.shown()).toContain('You are alice now; login was only the way in.')
  expect(await shell.type('id -un')).toContain('\nalice\n')
  expect(await shell.type('who | grep pts')).toMatch(/\nalice +pts\/\d+ .*\(127\.0\.0\.1\)\n/)
  expect(await shell.type('stat -c %U "$(tty)"')).toContain('\nalice\n')
  expect(await shell.type('shopt -q login_shell && echo $SSH_TTY')).toMatch(/\n\/dev\/pts\/\d+\n/)
  await shell.leave()
})

lab_test(
  'three people in the account at once, on a terminal each, are themselves: id, who, files, sudo, the log',
  async () => {
    await startUtmp()
    await lab.portal('setRules', { group, ...rules, ssh: [...rules.ssh, 'erin'] })
    lab.audit()
    const users = ['alice', 'bob', 'erin'] as const
    const shells = await Promise.all(users.map(shellOn))
    const each = (line: string) => Promise.all(shells.map((shell) => shell.type(line)))
    const ids = await each('id -un; touch mine && stat -c %U:%n ~/mine; ps -o user= -p $$')
    for (const [at, user] of users.entries())
      expect(ids[at]).toContain(`\n${user}\n${user}:/home/${user}/mine\n${user}\n`)
    // All three are there at the same time, for every one of them, each on the terminal that is their own.
    const ttys = (await each('tty')).map((text) => /\/dev\/(pts\/\d+)/.exec(text)?.[1] ?? '')
    expect(new Set(ttys).size).toBe(3)
    for (const text of await each('who'))
      for (const [at, user] of users.entries())
        expect(text).toMatch(new RegExp(`\\n${user} +${ttys[at]} .*\\(127\\.0\\.0\\.1\\)`))
    expect(await lab.need('who')).not.toMatch(/^login /m)
    // sudo is asked about the person, who types an own token: alice may, bob and erin may not.
    const tokens = await Promise.all(users.map((user) => mintToken(lab, user)))
    const asRoot = await Promise.all(shells.map((shell, at) => shell.type('sudo id -un', [tokens[at]!])))
    expect(asRoot.map((text) => /\nroot\n/.test(text))).toEqual([true, false, false])
    // Nobody reads or traces another's session.
    const pids = (await each('echo $$')).map((text) => /\n(\d+)\n/.exec(text)?.[1] ?? '')
    for (const [at, shell] of shells.entries()) {
      const other = pids[(at + 1) % 3]!
      const tried = await shell.type(
        `cat /proc/${other}/environ; kill -0 ${other}; ls ~${users[(at + 1) % 3]}; ${attach(other)}`,
      )
      expect(tried.match(/Permission denied|not permitted/g)?.length).toBe(3)
      expect(tried).toContain('\nkept out\n')
    }
    await Promise.all(shells.map((shell) => shell.leave()))
    const lines = lab.audit()
    const switched = lines.filter(({ reason }) => reason === 'switched')
    expect(switched.map(({ user }) => user).sort()).toEqual([...users])
    expect(new Set(switched.map(({ correlation_id }) => correlation_id)).size).toBe(3)
    const sudo = lines.filter(({ service }) => service === 'sudo').map(({ user, reason }) => `${user} ${reason}`)
    expect(sudo).toContain('alice sudo-allowed')
    expect(sudo).toContain('bob sudo-denied')
    expect(sudo).toContain('erin sudo-denied')
    // sshd takes the lines away when the last process has ended.
    await lab.need('for i in $(seq 100); do who | grep -q 127.0.0.1 || exit 0; sleep 0.1; done; exit 1')
  },
)

lab_test('the certificates of an authority that is not trusted, plain keys and what is typed are refused', async () => {
  await lab.need(
    'cd /root/keys && ssh-keygen -q -t ed25519 -N "" -f strange && ssh-keygen -q -s other-authority -I x -n alice strange.pub',
  )
  expect((await enter('strange', 'id')).code).toBe(255)
  await newKey(lab, 'plain')
  expect((await enter('plain', 'id')).code).toBe(255)
  const typed = await lab.ssh({ user: 'login', answers: [await mintToken(lab, 'alice')], command: 'id' })
  expect(typed.code).toBe(255)
})

lab_test(
  'a certificate that names root, an account of the host or another functional account becomes nobody',
  async () => {
    const sign = (name: string, principals: string) =>
      lab.need(
        `cd /root/keys && ssh-keygen -q -t ed25519 -N '' -f ${name} && ssh-keygen -q -s /root/authority -I x -n ${principals} ${name}.pub`,
      )
    await admit(lab, 'login', 'ca', 'sshd', 'root', 'toor')
    await lab.need("cp /etc/passwd /root/ && echo 'toor:x:0:0::/root:/bin/bash' >> /etc/passwd")
    for (const [name, principals] of [
      ['as-toor', 'toor'],
      ['as-root', 'root'],
      ['as-login', 'login'],
      ['as-ca', 'ca'],
      ['as-local', 'localadm'],
      ['as-daemon', 'sshd'],
    ] as const) {
      await sign(name, principals)
      await configure(lab, `${settings}local_accounts = ${name === 'as-toor' ? 'toor' : 'none'}\n`)
      const ran = await enter(name, 'id')
      expect([name, ran.code === 0, ran.stdout.includes('uid=')]).toEqual([name, false, false])
    }
    await lab.need('cat /root/passwd > /etc/passwd')
    await configure(lab, settings)
  },
)

lab_test('a typed token names the person too, where the configuration and sshd want it', async () => {
  const file = '/etc/ssh/sshd_config.d/02-open-bastion-functional.conf'
  const own = lab.text(file)
  const typing = own.replace(
    /^( *)AuthenticationMethods publickey$/m,
    '$1AuthenticationMethods publickey keyboard-interactive',
  )
  expect(typing).not.toBe(own)
  lab.write(
    file,
    typing.replace(
      'Match User login',
      'Match User login\n    KbdInteractiveAuthentication yes\n    PubkeyAuthentication yes',
    ),
  )
  await lab.setStack('a')
  await configure(lab, settings)
  const type = (answer: string, command = 'id -un') => lab.ssh({ user: 'login', answers: [answer], command })
  expect((await type(await mintToken(lab, 'alice'))).entered).toBe(false)
  await configure(lab, `${settings}functional_logins = true\n`)
  lab.audit()
  const both = await Promise.all(
    ['alice', 'bob'].map(async (user) => type(await mintToken(lab, user), 'id -un; sleep 1; id -un')),
  )
  expect(both.map(({ code, stdout }) => [code, stdout])).toEqual([
    [0, 'alice\nalice\n'],
    [0, 'bob\nbob\n'],
  ])
  const lines = lab.audit().filter(({ reason }) => reason === 'switched')
  expect(lines.map(({ user }) => user).sort()).toEqual(['alice', 'bob'])
  const used = await mintToken(lab, 'alice')
  expect((await type(used)).stdout).toBe('alice\n')
  expect((await type(used)).entered).toBe(false)
  // Known to the portal, and not allowed here; an invented token; a person of the host itself.
  const denied = await type(await mintToken(lab, 'dave'))
  expect([denied.code, denied.stdout]).toEqual([254, expect.stringContaining('does not allow this access')])
  expect((await type('0123456789abcdef'.repeat(4))).entered).toBe(false)
  await admit(lab, 'root', 'login')
  for (const user of ['root', 'login']) expect((await type(await mintToken(lab, user))).entered).toBe(false)
  // Where ob serve decides, too, and while a record lies there that no session took: it goes on the way.
  const served = await startServe(lab, '/run/open-bastion/phases')
  await lab.need("cd /run/open-bastion/proven && echo '{}' > old.json && touch -d '-2 hours' old.json .swept")
  expect((await type(await mintToken(lab, 'alice'))).stdout).toBe('alice\n')
  expect((await lab.run(['test', '-e', '/run/open-bastion/proven/old.json'])).code).toBe(1)
  await served.stop()
  // A certificate works as before.
  expect((await enter('bob', 'id -un')).stdout).toBe('bob\n')
  await lab.need('rm -rf /var/lib/open-bastion/ratelimit')
  lab.write(file, own)
  await configure(lab, settings)
  await lab.setStack('e')
})

lab_test('forwarding of every kind is off', async () => {
  const forwarded = await lab.run(`timeout 10 ssh ${as('alice')} -W 127.0.0.1:22 login@127.0.0.1 </dev/null`)
  expect(forwarded.stdout).not.toContain('SSH-2.0')
  const remote = await lab.run(
    `ssh ${as('alice')} -o ExitOnForwardFailure=yes -R 2224:127.0.0.1:22 login@127.0.0.1 true`,
  )
  expect(remote.code).toBe(255)
})

const noRecord = async (command: string) => {
  lab.audit()
  const ran = await lab.run(command)
  expect([command, ran.code === 0, ran.stdout.includes('uid=')]).toEqual([command, false, false])
  return reasons()
}

lab_test('the step to root does nothing without a fresh login of its own connection', async () => {
  const step = 'sudo -n /usr/sbin/ob shell --enter'
  const asLogin = 'setpriv --reuid=login --regid=login --init-groups'
  // As cron or any other process of the account would call it.
  expect(await noRecord(`OB_SHELL_COMMAND=id ${asLogin} ${step}`)).toEqual(['switch-not-possible'])
  expect(await noRecord(`OB_SHELL_COMMAND=id setsid -w ${asLogin} ${step}`)).toEqual(['switch-not-possible'])
  // From a shell of root, with sudo and without.
  expect(await noRecord('OB_SHELL_COMMAND=id ob shell --enter')).toEqual(['switch-not-possible'])
  expect(await noRecord(`OB_SHELL_COMMAND=id SUDO_USER=login ob shell --enter`)).toEqual(['switch-not-possible'])
  // From a connection of somebody else while another person’s record lies there.
  const other = await logIn(lab, 'alice', 'alice', `OB_SHELL_COMMAND=id ${step}`)
  expect([other.code === 0, other.stdout]).toEqual([false, ''])
})

lab_test('nothing but the one line is allowed to the account', async () => {
  const asLogin = 'setpriv --reuid=login --regid=login --init-groups'
  for (const command of [
    'sudo -n id',
    'sudo -n /usr/sbin/ob shell',
    'sudo -n /usr/sbin/ob shell --enter root',
    'sudo -n /usr/sbin/ob status',
    'sudo -n -u alice id',
    'sudo -n -s',
    'sudo -n LD_PRELOAD=/tmp/x.so /usr/sbin/ob shell --enter',
    'sudo -n OB_SHELL_COMMAND=id SUDO_USER=root /usr/sbin/ob ca sign',
  ]) {
    const ran = await lab.run(`${asLogin} ${command}`)
    expect([command, ran.code === 0, ran.stdout]).toEqual([command, false, ''])
  }
  const byAlice = await logIn(lab, 'alice', 'alice', 'sudo -n /usr/sbin/ob shell --enter')
  expect(byAlice.code).not.toBe(0)
})

lab_test('a record is of one connection and good once, also for a client that shares connections', async () => {
  lab.write(
    '/etc/ssh/sshd_config.d/02-open-bastion-functional.conf',
    `${lab.text('/etc/ssh/sshd_config.d/02-open-bastion-functional.conf').replace('MaxSessions 1', 'MaxSessions 10')}`,
  )
  await lab.setStack('e')
  const shared = `-o ControlPath=/tmp/shared-%C -o ControlMaster=auto -o ControlPersist=20`
  const first = await lab.run(`ssh ${as('alice')} ${shared} login@127.0.0.1 id -un`)
  expect(first.stdout).toBe('alice\n')
  lab.audit()
  const second = await lab.run(`ssh ${as('alice')} ${shared} login@127.0.0.1 id -un`)
  expect([second.code, second.stdout, reasons()]).toEqual([77, '', ['switch-not-possible']])
  await lab.run(`ssh ${as('alice')} ${shared} -O exit login@127.0.0.1`)
  await lab.need(
    `cd ${lab.space.repository} && install -m 0644 packaging/ssh/functional.conf /etc/ssh/sshd_config.d/02-open-bastion-functional.conf`,
  )
  await lab.setStack('e')
})

lab_test(
  'a login that is killed before the switch leaves a record that nobody else can use, and that ends',
  async () => {
    // The client asks for no session, so nobody takes the record.
    const idle = lab.run(`timeout -s KILL 12 ssh ${as('alice')} -N login@127.0.0.1`)
    const left =
      'for i in $(seq 100); do ls /run/open-bastion/proven/*.json 2>/dev/null && exit; sleep 0.1; done; exit 1'
    const file = (await lab.need(left)).trim().split('\n')[0]
    expect(await lab.need(`stat -c "%U %a" ${file} /run/open-bastion/proven`)).toBe('root 600\nroot 700\n')
    const asLogin = 'setpriv --reuid=login --regid=login --init-groups'
    expect(await noRecord(`OB_SHELL_COMMAND=id ${asLogin} sudo -n /usr/sbin/ob shell --enter`)).toEqual([
      'switch-not-possible',
    ])
    // Nor from another connection, though it is root's and runs the very line as the account.
    lab.audit()
    const other = await lab.ssh({
      user: 'root',
      key: '/root/.ssh/id_root',
      command: `OB_SHELL_COMMAND=id ${asLogin} sudo -n /usr/sbin/ob shell --enter`,
    })
    expect([other.code, other.stdout]).toEqual([77, ''])
    // The login that still runs may write its own lines meanwhile.
    const told = reasons()
    expect([told.includes('switch-not-possible'), told.includes('switched')]).toEqual([true, false])
    // It is still there, and its own connection could have used it.
    expect(await lab.need(`ls ${file}`)).toBe(`${file}\n`)
    expect((await enter('bob', 'id -un')).stdout).toBe('bob\n')
    await idle
  },
)

lab_test('nothing of a session can be read or traced by another, nor by a process of the account itself', async () => {
  const running = enter('alice', 'echo SECRET=$$ > /dev/null; exec sleep 6')
  const pid = (
    await lab.need('for i in $(seq 100); do pgrep -u alice -x sleep && exit; sleep 0.1; done; exit 1')
  ).trim()
  const asLogin = 'setpriv --reuid=login --regid=login --init-groups'
  for (const who of [asLogin, 'setpriv --reuid=bob --regid=bob --init-groups']) {
    for (const file of ['environ', 'mem', 'maps', 'fd/0'])
      expect((await lab.run(`${who} head -c 1 /proc/${pid}/${file}`)).code).not.toBe(0)
    expect((await lab.run(`${who} kill -0 ${pid}`)).code).not.toBe(0)
    expect(await lab.need(`${who} ${attach(pid)}`)).toBe('kept out\n')
  }
  // What still runs as the account is sshd's own process, which is not dumpable.
  const ofAccount = (await lab.need('pgrep -u login')).trim().split('\n')
  for (const one of ofAccount) {
    expect((await lab.run(`${asLogin} cat /proc/${one}/environ`)).code).not.toBe(0)
    expect(await lab.need(`${asLogin} ${attach(one)}`)).toBe('kept out\n')
  }
  await running
})

lab_test('what the client sends in its environment changes nothing', async () => {
  lab.write('/etc/ssh/sshd_config.d/04-env.conf', 'AcceptEnv *\n')
  await lab.setStack('e')
  const sent =
    'PAM_USER=root SUDO_USER=root USER=root LOGNAME=root HOME=/root SSH_USER_AUTH=/x OB_SHELL_COMMAND=reboot BUN_OPTIONS=--version PATH=/tmp ENV=/tmp/rc BASH_ENV=/tmp/rc LD_PRELOAD=/tmp/x.so'
  await lab.need('echo "echo EVIL" > /tmp/rc; chmod 0644 /tmp/rc')
  const flags = `-o "SetEnv=${sent}"`
  const ran = await lab.run(`ssh ${as('alice')} ${flags} login@127.0.0.1 'id -un; echo $HOME $USER'`)
  expect(ran.stdout).toBe('alice\n/home/alice alice\n')
  await lab.need('rm /etc/ssh/sshd_config.d/04-env.conf')
  await lab.setStack('e')
})

/** Another page in the portal's place, half an answer, an answer whose verdict is no yes or no, and nothing at all. */
const nonsense = [
  [{ kind: 'html' }, 'portal-out-of-order', 'cannot be reached'],
  [{ kind: 'truncated-json' }, 'portal-garbled', 'cannot be reached'],
  [{ kind: 'wrong-member' }, 'portal-garbled', 'cannot be reached'],
  [{ kind: 'empty' }, 'portal-garbled', 'cannot be reached'],
] as const

lab_test(
  'a portal that denies, is away or answers nonsense lets nobody become anybody, and the person reads why',
  async () => {
    await lab.portal('setRules', { group, ...rules, ssh: ['bob'] })
    const denied = await enter('alice', 'id -un')
    expect([denied.code, denied.stdout]).toEqual([254, expect.stringContaining('does not allow this access')])
    await lab.portal('setRules', { group, ...rules, ssh: [...rules.ssh, 'erin'] })
    await lab.cutNetwork()
    const away = await enter('alice', 'id -un')
    expect([away.code, away.stdout]).toEqual([254, expect.stringContaining('cannot be reached')])
    await lab.restore()
    await lab.need('rm -f /run/open-bastion/absent-portal /run/open-bastion/silent-portal')
    // Logins of other tests may have left theirs, which live for seconds.
    const before = (await lab.need('ls /run/open-bastion/proven')).split('\n')
    for (const [fault, reason, text] of nonsense) {
      lab.audit()
      await lab.portal('fault', { ...fault, path: '/pam/authorize' })
      const ran = await enter('alice', 'id -un')
      await lab.portal('fault', { kind: 'none' })
      const told = [fault.kind, ran.code, ran.stdout, reasons()]
      expect(told).toEqual([fault.kind, 254, expect.stringContaining(text), ['functional-account', reason]])
      // Neither the command nor a record of the person is left behind.
      expect(ran.stdout).not.toContain('alice\n')
      const left = (await lab.need('ls /run/open-bastion/proven')).split('\n')
      expect(left.filter((name) => !before.includes(name))).toEqual([])
    }
    expect((await enter('alice', 'id -un')).stdout).toBe('alice\n')
  },
)

lab_test('ob why explains a refused switch', async () => {
  await lab.run(
    'OB_SHELL_COMMAND=id setpriv --reuid=login --regid=login --init-groups sudo -n /usr/sbin/ob shell --enter',
  )
  const why = await lab.run('ob why login --last')
  expect(why.stdout).toContain('switch-not-possible')
  expect(why.stdout).toContain('remedy')
})

lab_test('the account is nobody without the configuration: the portal is asked about it, and says no', async () => {
  await configure(lab, settings.replace('functional_accounts = login\n', ''))
  expect((await enter('alice', 'id')).code).not.toBe(0)
  await configure(lab, settings)
})
