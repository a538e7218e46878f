// What a table cannot hold: first logins, terminals, forwarding, subsystems, and what other files on a host could
// spoil.
import { expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { mintToken, settleIn } from './enrolled.ts'
import { type Lab, localAdmin, type Stack } from './lab.ts'
import { inLab } from './suite.ts'

let lab: Lab

const lab_test = inLab({}, async (started) => {
  lab = started
  await settleIn(lab)
})

const withToken = async (
  user: string,
  more: { readonly command?: string; readonly options?: readonly string[] } = {},
) => lab.ssh({ user, answers: [await mintToken(lab, user)], ...more })

const reasons = (): readonly string[] => lab.audit().map(({ reason }) => reason)

lab_test('a keyboard-interactive login gets a shell on a terminal, as the user and at home', async () => {
  await lab.setStack('a')
  const login = await withToken('alice', { options: ['-tt'], command: 'id -un; pwd; test -t 0 && echo TERMINAL' })
  expect(login.stdout.replaceAll('\r', '').trim().split('\n').slice(-3)).toEqual(['alice', '/home/alice', 'TERMINAL'])
  expect(lab.sshdLog()).not.toContain('Failure setting user credentials')
})

lab_test(
  'a never-seen user is registered by the first attempt and enters with the second, in every stack with tokens',
  async () => {
    const newcomers: readonly (readonly [Stack, string])[] = [
      ['a', 'nora'],
      ['b', 'norb'],
      ['d', 'nord'],
    ]
    for (const [stack, user] of newcomers) {
      await lab.portal('setUser', { user })
      await lab.portal('setRules', { group: 'truth', ssh: ['nora', 'norb', 'nord', 'nina', 'nils', 'alice', 'bob'] })
      await lab.setStack(stack)
      await lab.portal('forgetRequests')
      lab.audit()
      const token = await mintToken(lab, user)
      const first = await lab.ssh({ user, answers: [token] })
      expect([first.entered, ...reasons()]).toEqual([false, 'newcomer-registered'])
      // What was typed never left this host, so it is still good.
      expect(await lab.portal('requests', { path: '/pam/verify' })).toEqual([])
      const second = await lab.ssh({ user, answers: [token] })
      expect([second.entered, ...reasons()]).toEqual([true, 'token-accepted', 'portal-allowed', 'session-opened'])
    }
  },
)

lab_test('the refusal of a never-seen user and of an unknown one read the same', async () => {
  await lab.setStack('a')
  await lab.portal('setUser', { user: 'norm' })
  await lab.portal('setRules', { group: 'truth', ssh: ['norm', 'nina', 'nils', 'alice', 'bob'] })
  const said = async (user: string) => {
    const { stderr } = await lab.ssh({ user, answers: ['0'.repeat(64)] })
    return stderr.replaceAll(user, 'USER').replace(/ref [0-9A-F]+/, 'ref')
  }
  const newcomer = await said('norm')
  expect(newcomer).toContain('Access denied')
  expect(await said('ghost')).toBe(newcomer)
  expect(await said('alice')).toBe(newcomer)
})

lab_test(
  'two users logging in for the first time at once both get an account, a uid and a home of their own',
  async () => {
    await lab.setStack('a')
    const users = ['nina', 'nils']
    const firsts = await Promise.all(users.map((user) => withToken(user)))
    expect(firsts.map(({ entered }) => entered)).toEqual([false, false])
    const seconds = await Promise.all(
      users.map((user) => withToken(user, { command: 'id -u; stat -c "%u %a" ~; pwd' })),
    )
    const [nina, nils] = seconds.map(({ stdout }) => stdout.trim().split('\n'))
    expect(nina?.[1]).toBe(`${nina?.[0]} 700`)
    expect(nils?.[1]).toBe(`${nils?.[0]} 700`)
    expect([nina?.[2], nils?.[2]]).toEqual(['/home/nina', '/home/nils'])
    expect(nina?.[0]).not.toBe(nils?.[0])
    for (const uid of [nina?.[0], nils?.[0]]) expect(Number(uid)).toBeGreaterThanOrEqual(10000)
  },
)

lab_test(
  'one token typed in four connections at once opens one of them, though the portal would accept it twice',
  async () => {
    await lab.setStack('a')
    await lab.portal('nonAtomicTokens', { on: true, delayMs: 200 })
    const token = await mintToken(lab, 'alice')
    const logins = await Promise.all([1, 2, 3, 4].map(() => lab.ssh({ user: 'alice', answers: [token] })))
    await lab.portal('nonAtomicTokens', { on: false })
    await lab.need('rm -rf /var/lib/open-bastion/ratelimit')
    expect(logins.filter(({ entered }) => entered).length).toBe(1)
  },
)

lab_test('a user has the same uid and home at every login', async () => {
  await lab.setStack('a')
  const once = await withToken('nina', { command: 'id; touch ~/kept' })
  const again = await withToken('nina', { command: 'id; ls ~/kept' })
  expect(again.stdout).toBe(`${once.stdout}/home/nina/kept\n`)
})

/** Every way into a host besides a shell, tried with one key: what got through. */
async function waysIn(user: string, key: string): Promise<readonly string[]> {
  const through: string[] = []
  const shell = await lab.ssh({ user, key })
  if (shell.entered) through.push('shell')
  const common = `-F none -i ${key} -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null`
  // Ends with the first bytes, or with ssh.
  const forwarded = await lab.run(
    `mkfifo /run/forwarded; ssh -W 127.0.0.1:22 ${common} ${user}@127.0.0.1 > /run/forwarded & pid=$!
    head -c 7 /run/forwarded; kill $pid 2>/dev/null; wait; rm /run/forwarded`,
  )
  if (forwarded.stdout.includes('SSH-2.0')) through.push('-W')
  const sftp = await lab.run(`echo pwd | sftp -b - ${common} ${user}@127.0.0.1`)
  if (sftp.code === 0) through.push('sftp')
  const tunnel = await lab.run(
    `ssh -N -L 2222:127.0.0.1:22 ${common} ${user}@127.0.0.1 & pid=$!
    until ss -ltnH sport = :2222 | grep -q . || ! kill -0 $pid 2>/dev/null; do sleep 0.05; done
    timeout 10 bash -c 'exec 3<>/dev/tcp/127.0.0.1/2222 && head -c 7 <&3'; kill $pid 2>/dev/null; wait`,
  )
  if (tunnel.stdout.includes('SSH-2.0')) through.push('-L')
  return through
}

lab_test('a refusal in the account phase stops shell, sftp and every forwarding', async () => {
  await lab.setStack('c')
  expect(await waysIn('dave', '/root/keys/dave-listed')).toEqual([])
  expect(await waysIn('alice', '/root/keys/alice-listed')).toEqual(['shell', '-W', 'sftp', '-L'])
})

lab_test('a refusal in the session phase stops shell, sftp and every forwarding', async () => {
  await lab.setStack('e')
  expect(await waysIn('alice', '/root/keys/forgotten')).toEqual([])
  expect(await waysIn('alice', '/root/keys/alice-certified')).toEqual(['shell', '-W', 'sftp', '-L'])
  // The session exists already, so sshd prints the reason where the command's output would have been.
  const { code, stdout } = await lab.ssh({ user: 'alice', key: '/root/keys/forgotten' })
  expect(code).toBe(254)
  expect(stdout).toContain('Your organisation does not allow this access.')
})

lab_test('one connection has one correlation id in every phase, and the person can read it out', async () => {
  await lab.setStack('a')
  lab.audit()
  await withToken('alice')
  const ids = lab.audit().map(({ correlation_id }) => correlation_id)
  expect(ids.length).toBe(3)
  expect(new Set(ids).size).toBe(1)
  const { stderr } = await withToken('dave')
  const [line] = lab.audit()
  expect(stderr).toContain(`[ref ${String(line?.['correlation_id']).slice(0, 8).toUpperCase()}]`)
})

lab_test('too many invented tokens lock user and source out, and a good token does not help then', async () => {
  await lab.setStack('a')
  for (let attempt = 0; attempt < 5; attempt++) await lab.ssh({ user: 'bob', answers: [`${attempt}`.repeat(64)] })
  lab.audit()
  const login = await withToken('bob')
  expect([login.entered, ...reasons()]).toEqual([false, 'locked-out'])
  await lab.need('rm -rf /var/lib/open-bastion/ratelimit')
  expect((await withToken('bob')).entered).toBe(true)
})

lab_test(
  'the portal’s sudo right puts a user into open-bastion-sudo at login, and its loss takes them out',
  async () => {
    await lab.setStack('a')
    const groups = async () => (await withToken('alice', { command: 'id -Gn' })).stdout.trim().split(' ')
    expect(await groups()).toContain('open-bastion-sudo')
    await lab.portal('setRules', { group: 'truth', sudo: [] })
    expect(await groups()).not.toContain('open-bastion-sudo')
    await lab.portal('setRules', { group: 'truth', sudo: ['alice'] })
    expect(await groups()).toContain('open-bastion-sudo')
  },
)

lab_test('sudo asks about the caller and not about the target when sudoers says targetpw', async () => {
  await lab.setStack('e')
  lab.write('/etc/sudoers.d/targetpw', 'Defaults targetpw\n', 0o440)
  const allowed = await lab.sudo('alice', ['id', '-un'], [await mintToken(lab, 'alice')])
  lab.audit()
  const denied = await lab.sudo('bob', ['id', '-un'], [await mintToken(lab, 'bob')])
  const told = lab.audit().map(({ user, reason }) => `${user} ${reason}`)
  await lab.need('rm /etc/sudoers.d/targetpw')
  expect([allowed.code, denied.code]).toEqual([0, 1])
  expect(told).toContain('bob sudo-denied')
})

lab_test('NOPASSWD skips the token and not the portal', async () => {
  await lab.setStack('e')
  lab.write('/etc/sudoers.d/zz-nopasswd', 'alice, bob ALL=(ALL) NOPASSWD: ALL\n', 0o440)
  lab.audit()
  const allowed = await lab.sudo('alice', ['id', '-un'])
  const denied = await lab.sudo('bob', ['id', '-un'])
  const told = reasons()
  await lab.need('rm /etc/sudoers.d/zz-nopasswd')
  expect([allowed.code, denied.code, ...told]).toEqual([0, 1, 'sudo-allowed', 'sudo-denied'])
})

lab_test('sudo keeps no timestamp: a second one wants a second token', async () => {
  await lab.setStack('e')
  const first = await lab.sudo('alice', ['id', '-un'], [await mintToken(lab, 'alice')])
  const second = await lab.sudo('alice', ['-n', 'id', '-un'])
  expect([first.code, second.code]).toEqual([0, 1])
})

lab_test('root logs in with its Unix password when PermitRootLogin allows it, and ob is not asked', async () => {
  lab.write('/etc/ssh/sshd_config.d/01-root.conf', 'PermitRootLogin yes\n')
  await lab.need(`printf 'root:${localAdmin.password}\\n' | chpasswd -c SHA256`)
  const entered: boolean[] = []
  for (const stack of ['a', 'b', 'd'] as const) {
    await lab.setStack(stack)
    lab.audit()
    entered.push((await lab.ssh({ user: 'root', answers: [localAdmin.password] })).entered)
    expect(reasons()).toEqual([])
  }
  await lab.need('rm /etc/ssh/sshd_config.d/01-root.conf')
  expect(entered).toEqual([true, true, true])
})

lab_test('what a user writes into ~/.pam_environment reaches neither ob nor the session', async () => {
  await lab.setStack('a')
  const home = '/home/alice'
  lab.write(`${home}/.pam_environment`, 'PAM_USER DEFAULT=root\nLD_PRELOAD DEFAULT=/nonexistent.so\n')
  lab.audit()
  const login = await withToken('alice', { command: 'env' })
  await lab.need(`rm ${home}/.pam_environment`)
  expect(login.stdout).toContain('USER=alice')
  expect(login.stdout).not.toContain('nonexistent')
  expect(reasons()).toEqual(['token-accepted', 'portal-allowed', 'session-opened'])
})

lab_test('drop-ins that distributions and clouds ship do not win over ours', async () => {
  lab.write(
    '/etc/ssh/sshd_config.d/20-systemd-userdb.conf',
    'AuthorizedKeysCommand /bin/false %u\nAuthorizedKeysCommandUser root\n',
  )
  lab.write(
    '/etc/ssh/sshd_config.d/50-cloud-init.conf',
    'PasswordAuthentication yes\nKbdInteractiveAuthentication yes\n',
  )
  const settings: string[] = []
  for (const stack of ['a', 'c', 'd', 'e'] as const) {
    await lab.setStack(stack)
    const effective = await lab.need('sshd -T -C user=alice,host=localhost,addr=127.0.0.1')
    const value = (name: string) => new RegExp(`^${name} (.*)$`, 'm').exec(effective)?.[1]
    settings.push(
      [
        stack,
        value('passwordauthentication'),
        value('kbdinteractiveauthentication'),
        value('authorizedkeyscommand'),
      ].join(' '),
    )
  }
  await lab.need('rm /etc/ssh/sshd_config.d/20-* /etc/ssh/sshd_config.d/50-*')
  const command = '/usr/sbin/ob keys %u %t %k %f'
  expect(settings).toEqual([
    'a no yes /bin/false %u',
    `c no no ${command}`,
    `d yes yes ${command}`,
    'e no no /usr/bin/true',
  ])
})

lab_test('passwords switched on by mistake let nobody into the stacks without passwords', async () => {
  lab.write(
    '/etc/ssh/sshd_config.d/00-aaa.conf',
    'PasswordAuthentication yes\nKbdInteractiveAuthentication yes\nAuthenticationMethods any\n',
  )
  for (const stack of ['c', 'e'] as const) {
    await lab.setStack(stack).catch(() => undefined)
    const login = await lab.ssh({ user: localAdmin.name, answers: [localAdmin.password] })
    expect([stack, login.entered]).toEqual([stack, false])
  }
  await lab.need('rm /etc/ssh/sshd_config.d/00-aaa.conf')
})

const inWords = (line: string): string => line.replace(/ +/g, ' ')

/** The stacks that ask nobody whether the user may use this host, and the lines that make that harmless. */
const withoutAccountLine: Readonly<Record<string, readonly string[]>> = {
  // The step of sudo from a functional account. sshd's stack has asked about the person before, and nobody can be asked
  // about the account: the portal does not know it, and would refuse everybody. Nothing typed is accepted, and the two
  // commands that sudo starts with this stack decide themselves.
  'open-bastion-switch': [
    'auth requisite pam_deny.so',
    'account required pam_permit.so',
    'password requisite pam_deny.so',
  ],
  // The person is on this host already, and su is about an account of the host, root for one, which the portal does not
  // know. The key of that account is what counts: nobody but root comes past both lines of ob.
  'mode-g.su': [
    'auth sufficient pam_rootok.so',
    'auth requisite pam_exec.so quiet stdout seteuid /usr/sbin/ob gpg ask',
    'auth requisite pam_exec.so quiet stdout seteuid expose_authtok /usr/sbin/ob gpg check',
    'auth required pam_permit.so',
  ],
}

test('the stack of the switch serves two commands of ob, which decide themselves, and nothing else', () => {
  const folder = join(import.meta.dir, '..', '..', 'packaging', 'sudoers')
  for (const name of readdirSync(folder)) {
    const text = readFileSync(join(folder, name), 'utf8')
    expect([name, text.includes('pam_service')]).toEqual([name, name === 'open-bastion-functional'])
  }
  const rules = readFileSync(join(folder, 'open-bastion-functional'), 'utf8').match(/^(?!#|Defaults|User_Alias).+$/gm)
  expect(rules).toEqual([
    'OB_FUNCTIONAL ALL=(root) NOPASSWD: /usr/sbin/ob shell --enter',
    'OB_AUTHORITY ALL=(root) NOPASSWD: /usr/sbin/ob ca sign',
  ])
})

test('every stack but two has its account line, its session line first, and no line that reads the user’s environment', () => {
  const folder = join(import.meta.dir, '..', '..', 'pam.d')
  for (const name of readdirSync(folder)) {
    const lines = readFileSync(join(folder, name), 'utf8')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
    expect([name, lines.some((line) => line.includes('user_readenv'))]).toEqual([name, false])
    const about = withoutAccountLine[name]
    if (about) {
      expect([name, lines.filter((line) => !/^(?:session|@include)/.test(line)).map(inWords)]).toEqual([
        name,
        [...about],
      ])
      continue
    }
    expect([name, lines.some((line) => /^account +requisite +pam_exec\.so .*\/usr\/sbin\/ob$/.test(line))]).toEqual([
      name,
      true,
    ])
    if (!name.endsWith('.sshd')) continue
    const session = lines.filter((line) => line.startsWith('session') || line.startsWith('@include common-session'))
    expect(session[0]).toContain('pam_succeed_if.so quiet user = root')
    expect(session[1]).toContain('pam_exec.so quiet stdout type=open_session /usr/sbin/ob')
  }
})

lab_test(
  'no umask, group or file size limit of the caller hides a sudo from the audit log, or opens the log',
  async () => {
    await lab.setStack('c')
    lab.write('/etc/sudoers.d/zz', 'alice ALL=(ALL) NOPASSWD: ALL\n', 0o440)
    const log = '/var/log/open-bastion'
    for (const inherited of ['umask 777', 'umask 0', 'ulimit -S -f 0', 'ulimit -f 0']) {
      await lab.need(`mv ${log} ${log}.$$`)
      const { stdout } = await lab.run(['bash', '-c', `${inherited}; sudo -n id -u`], { user: 'alice' })
      // Where root may not lift the last one (no CAP_SYS_RESOURCE), the answer is no.
      if (inherited !== 'ulimit -f 0') expect(stdout).toBe('0\n')
      if (stdout !== '0\n') continue
      expect(await lab.need(`tail -n 1 ${log}/audit.json`)).toContain('"reason":"sudo-allowed"')
      expect(await lab.need(`stat -c '%U:%G %a' ${log} ${log}/audit.json`)).toBe('root:root 750\nroot:root 640\n')
    }
    await lab.need('rm /etc/sudoers.d/zz')
  },
)
