// ob setup on a host as Debian leaves it: a real sshd, sudo and NSS, and always a way back.
import { expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { enrolling, group, mintToken, setRights, settleIn } from './enrolled.ts'
import type { Lab } from './lab.ts'
import { onTerminal } from './person.ts'
import { inLab } from './suite.ts'

let lab: Lab

const stock = ['/etc/pam.d/sshd', '/etc/pam.d/sudo', '/etc/pam.d/sudo-i']

const labTest = inLab({}, async (started) => {
  lab = started
  await settleIn(lab)
})

/** sshd listens. A second SIGHUP while it starts anew would end it. */
const untilListening = () =>
  lab.need(
    `timeout 20 sh -c 'sleep 0.3; until [ -s /run/sshd.pid ] && ss -Hltn "sport = :22" | grep -q .; do sleep 0.05; done'`,
  )

/** The files of this host as Debian's packages bring them; the identity at the portal stays. */
async function asDebian(): Promise<void> {
  for (const path of stock) if (existsSync(path)) lab.write(path, readFileSync(path, 'utf8'))
  lab.write('/etc/nsswitch.conf', 'passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n')
  const ours = [
    '/etc/ssh/sshd_config.d/00-open-bastion.conf /etc/sudoers.d/open-bastion',
    '/etc/pam.d/open-bastion-* /var/lib/open-bastion/setup',
  ]
  await untilListening()
  // A new sshd: what the last test left running reads nothing of what follows.
  await lab.setStack('a')
  for (const path of stock) if (existsSync(path)) lab.write(path, readFileSync(path, 'utf8'))
  await lab.need(`rm -rf ${ours.join(' ')}`)
}

/** Every file that setup may change, with mode and content. */
const etc = () =>
  lab.need(
    'cd /etc && find pam.d ssh sudoers.d nsswitch.conf open-bastion -type f | sort | xargs stat -c "%n %a %u:%g" && find pam.d ssh sudoers.d nsswitch.conf open-bastion -type f | sort | xargs sha256sum',
  )

const setup = (args: string) => lab.run(`ob setup ${args}`)
const state = async () => JSON.parse((await setup('status --json')).stdout).state

/** sshd takes a moment to read its configuration again. */
async function untilEntered(user: string): Promise<boolean> {
  for (let tries = 0; tries < 20; tries++) {
    if ((await lab.ssh({ user, answers: [await mintToken(lab, user)] })).entered) return true
    await Bun.sleep(100)
  }
  return false
}

labTest('set up, log in, sudo, confirm, and back: /etc is as before to the byte', async () => {
  await asDebian()
  const before = await etc()
  const planned = await setup('--mode a --dry-run')
  expect([planned.code, await etc()]).toEqual([0, before])
  expect(planned.stdout).toContain('+passwd: files extrausers')
  const done = await setup('--mode a --yes')
  expect([done.code, done.stderr]).toEqual([0, ''])
  expect(done.stdout).toContain('mode a is in place')
  expect(await state()).toBe('applied')
  expect(await untilEntered('alice')).toBe(true)
  const sudo = await lab.sudo('alice', ['id', '-un'], [await mintToken(lab, 'alice')])
  expect(sudo.output).toMatch(/\nroot\n/)
  // Debian's own stacks of sudo stay as they are for local administrators.
  for (const path of ['/etc/pam.d/sudo', '/etc/pam.d/sudo-i'])
    if (existsSync(path)) expect(lab.text(path)).toBe(readFileSync(path, 'utf8'))
  expect((await setup('--mode a --yes')).stdout).toContain('set up for mode a already')
  expect((await setup('confirm')).code).toBe(0)
  expect((await setup('undo --unless-confirmed')).stdout).toContain('it stays')
  expect((await setup('undo')).code).toBe(0)
  expect(await etc()).toBe(before)
  expect(await state()).toBe('undone')
})

labTest(
  '"sudo -n", as Ansible runs it, is the portal’s to decide in mode c, and asks nobody anything in mode a',
  async () => {
    const unasked = async (user: string) => {
      lab.audit()
      const { code, output } = await lab.sudo(user, ['-n', 'id', '-un'])
      return [code === 0 && /^root$/m.test(output), lab.audit().map(({ reason }) => reason)]
    }
    await asDebian()
    await setup('--mode c --yes')
    expect(await unasked('alice')).toEqual([true, ['sudo-allowed']])
    // Whoever may no longer is refused at once, although sudoers would let them.
    await lab.portal('setRules', { group, ssh: ['alice'], sudo: [] })
    expect(await unasked('alice')).toEqual([false, ['sudo-denied']])
    await setRights(lab)
    await setup('undo')
    await setup('--mode a --yes')
    expect(await unasked('alice')).toEqual([false, []])
    await setup('undo')
  },
)

labTest('one command takes a bare host to a first login: configuration, identity, stacks', async () => {
  await asDebian()
  await lab.need(
    'mv /etc/open-bastion/openbastion.conf /root/openbastion.conf; rm -f /var/lib/open-bastion/token /run/open-bastion/heartbeat.json; printf pamsecret > /root/client-secret',
  )
  const argv = ['--mode', 'a', '--portal', lab.portalUrl, '--client-id', 'pam-access', '--server-group', group, '--yes']
  argv.push('--client-secret-file', '/root/client-secret', '--ca-cert', '/etc/open-bastion/portal-ca.pem')
  const started = performance.now()
  const done = await enrolling(lab, ['/usr/sbin/ob', 'setup', ...argv])
  const seconds = (performance.now() - started) / 1000
  expect([done.code, done.output]).toEqual([0, expect.stringContaining('mode a is in place')])
  // The secret of the client is in no terminal.
  expect(done.output).not.toContain('pamsecret')
  expect(await untilEntered('alice')).toBe(true)
  expect(seconds).toBeLessThan(60)
  expect((await lab.run('stat -c %a /etc/open-bastion/openbastion.conf')).stdout).toBe('600\n')
  await setup('undo')
  // The host had no configuration before, so it has none now.
  await lab.need('! test -e /etc/open-bastion/openbastion.conf && mv /root/openbastion.conf /etc/open-bastion/')
})

labTest('a host that the portal does not take is as before', async () => {
  await asDebian()
  await lab.need('mv /var/lib/open-bastion/token /root/token')
  const before = await etc()
  await lab.cutNetwork()
  const refused = await setup('--mode a --yes')
  await lab.restore()
  expect([refused.code, refused.stdout]).toEqual([1, expect.stringContaining('got no identity at the portal')])
  expect([await etc(), await state()]).toEqual([before, 'undone'])
  await lab.need('mv /root/token /var/lib/open-bastion/token')
})

labTest('a file of others that would let people in past ob is found before sshd reads it', async () => {
  await asDebian()
  const other = '/etc/ssh/sshd_config.d/00-a.conf'
  lab.write(other, 'PubkeyAuthentication yes\nAuthenticationMethods any\nAuthorizedKeysFile .ssh/authorized_keys\n')
  const before = await etc()
  const refused = await setup('--mode a --yes')
  expect([refused.code, refused.stdout]).toEqual([1, expect.stringContaining('every file is as before')])
  expect([await etc(), await state()]).toEqual([before, 'undone'])
  await lab.need(`rm ${other}`)
})

labTest('a result that sshd or sudo refuses is taken back before anything is reloaded', async () => {
  for (const [path, line] of [
    ['/etc/ssh/sshd_config.d/50-broken.conf', 'NoSuchKeyword yes\n'],
    ['/etc/sudoers.d/broken', 'this is no rule\n'],
  ] as const) {
    await asDebian()
    lab.write(path, line, 0o440)
    const before = await etc()
    const refused = await setup('--mode a --yes')
    expect(refused.code).toBe(1)
    expect(refused.stdout).toMatch(/(sshd|sudo) refuses its configuration/)
    expect([await etc(), await state()]).toEqual([before, 'undone'])
    await lab.need(`rm ${path}`)
  }
})

labTest('without a login the host goes back by itself; a login confirms', async () => {
  await asDebian()
  const before = await etc()
  await setup('--mode a --yes')
  const reverted = await setup('undo --unless-confirmed')
  expect(reverted.stdout).toContain('files are as before')
  expect(await etc()).toBe(before)
  await setup('--mode a --yes')
  expect((await setup('status')).stdout).toContain('waits for a login')
  expect(await untilEntered('alice')).toBe(true)
  expect((await setup('status')).stdout).toContain('stays: alice logged in')
  const kept = await setup('undo --unless-confirmed')
  expect([kept.stdout.trim(), await state()]).toEqual(['confirmed by the login of alice', 'confirmed'])
  await setup('undo')
})

labTest('a login while the new files are still being tested, by the sshd of before, confirms nothing', async () => {
  await asDebian()
  await setup('--mode a --yes')
  await setup('confirm')
  const slow = '#!/bin/sh\nuntil [ -e /run/go-on ]; do sleep 0.05; done\nexec /run/visudo "$@"\n'
  lab.write('/run/slow', slow, 0o755)
  await lab.need('cp -p /usr/sbin/visudo /run/visudo && mount --bind /run/slow /usr/sbin/visudo')
  const changing = setup('--mode d --yes')
  for (let tries = 0; tries < 200 && (await state()) !== 'applying'; tries++) await Bun.sleep(50)
  expect(await untilEntered('alice')).toBe(true)
  await lab.need('touch /run/go-on')
  expect((await changing).stdout).toContain('mode d is in place')
  const back = await setup('undo --unless-confirmed')
  expect(back.stdout).toContain('mode a is in place again')
  await lab.need('umount /usr/sbin/visudo')
  await setup('undo')
})

labTest('the switch itself puts the host back, also when the one who set it up is gone', async () => {
  await asDebian()
  const before = await etc()
  // The shortest time is a minute; the waiting process is the one that counts, so its sleep is ended early.
  const applied = await setup('--mode a --yes --revert-after 1')
  expect(applied.stdout).toContain('goes back in 1 minutes unless a login confirms')
  await lab.need('pkill -x sleep')
  for (let tries = 0; tries < 100 && (await state()) !== 'undone'; tries++) await Bun.sleep(100)
  expect([await state(), await etc()]).toEqual(['undone', before])
})

labTest('killed at any moment, the host is in the old or the new state, and status knows which', async () => {
  for (let round = 0; round < 8; round++) {
    await asDebian()
    const before = await etc()
    await lab.run(`timeout -s KILL 0.${String(20 + round * 7).padStart(3, '0')} ob setup --mode a --yes`)
    const found = await state()
    expect(['none', 'applying', 'applied']).toContain(found)
    if (found === 'applying') expect((await setup('--mode a --yes')).stdout).toContain('ob setup undo')
    await setup('undo')
    expect([round, found, await etc()]).toEqual([round, found, before])
  }
})

labTest(
  'ob alone at a terminal says where the host is and what comes next, on 40 columns and in the C locale',
  async () => {
    await asDebian()
    const alone = async (user = 'root') =>
      (await onTerminal(lab, ['env', 'LC_ALL=C', 'ob'], { user, columns: 40 })).output
    expect(await alone()).toMatch(/^set-up {3}by hand.*\nportal {3}enrolled at auth/m)
    await setup('--mode a --yes')
    const waiting = await alone()
    expect(waiting).toContain('next     ob setup confirm\n')
    expect(waiting).toMatch(/^[ -~\n]+$/)
    expect(waiting.split('\n').filter((line) => line.length > 40)).toEqual([])
    expect(await alone('localadm')).toContain('next     sudo ob\n')
    // A pipe is no person, and a phase of PAM is one whatever reads its output.
    const piped = await lab.run('ob')
    expect([piped.code, piped.stderr]).toEqual([64, expect.stringContaining('usage: ob MODE')])
    const phase = await onTerminal(lab, ['env', 'PAM_TYPE=account', 'PAM_USER=nobody', 'PAM_SERVICE=sshd', 'ob'], {})
    expect(phase.code).not.toBe(0)
    expect(phase.output).not.toContain('set-up')
    await setup('undo')
  },
)

labTest('a second set-up is told that one is at work', async () => {
  await asDebian()
  const before = await etc()
  // It waits for an approval that never comes.
  await lab.need('mv /var/lib/open-bastion/token /root/token')
  const first = lab.run("setsid --wait sh -c 'echo $$ > /run/group; exec ob setup --mode a --yes'")
  for (let tries = 0; tries < 100 && (await state()) !== 'applying'; tries++) await Bun.sleep(50)
  const second = await setup('--mode b --yes')
  expect([second.code, second.stderr]).toEqual([70, expect.stringContaining('another ob setup is at work')])
  // ^C reaches the first one and its child: everything is taken back.
  await lab.need('kill -INT -$(cat /run/group)')
  const ended = await first
  expect([ended.stdout, await state()]).toEqual([expect.stringContaining('every file is as before'), 'undone'])
  await lab.need('mv /root/token /var/lib/open-bastion/token')
  expect(await etc()).toBe(before)
})

labTest('a full disk, and an /etc that may not be written: nothing is left behind', async () => {
  await asDebian()
  const before = await etc()
  await lab.need('mount -t tmpfs -o size=4k tmpfs /etc/sudoers.d')
  await lab.need('head -c 8192 /dev/zero > /etc/sudoers.d/full~ || :')
  const full = await setup('--mode a --yes')
  await lab.need('umount /etc/sudoers.d')
  expect([full.code, full.stderr]).toEqual([70, expect.stringMatching(/no space left.*every file is as before/is)])
  expect([await etc(), await state()]).toEqual([before, 'undone'])
  await lab.need('mount --bind /etc /etc && mount -o remount,bind,ro /etc')
  const readOnly = await setup('--mode a --yes')
  await lab.need('umount /etc')
  expect([readOnly.code, readOnly.stderr]).toEqual([70, expect.stringMatching(/read-only/i)])
  expect([await etc(), await state()]).toEqual([before, 'undone'])
})

labTest('a file that others changed after the set-up is left alone by the way back, and named', async () => {
  await asDebian()
  await setup('--mode a --yes')
  const path = '/etc/nsswitch.conf'
  lab.write(path, `${lab.text(path)}# somebody was here\n`)
  const back = await setup('undo')
  expect([back.code, back.stdout]).toEqual([1, expect.stringContaining(`! ${path} was changed since`)])
  expect(lab.text(path)).toContain('# somebody was here')
})

labTest(
  'an sshd that does not come up again is said while the terminal is open, and every file is as before',
  async () => {
    await asDebian()
    // sshd -t does not try to listen; somebody wrote this since sshd was started.
    const other = '/etc/ssh/sshd_config.d/90-address.conf'
    lab.write(other, 'ListenAddress 192.0.2.99\n')
    const before = await etc()
    const lost = await setup('--mode a --yes')
    expect([lost.code, lost.stdout]).toEqual([1, expect.stringContaining('sshd did not come up again')])
    expect([await etc(), await state()]).toEqual([before, 'undone'])
    await lab.need(`rm ${other}`)
    await lab.restartSshd()
  },
)

labTest('who loses access is named before anybody agrees', async () => {
  await asDebian()
  const planned = await setup('--mode a --dry-run')
  expect(planned.stdout).toMatch(/^! no longer in over ssh by a key or password of their own: localadm; /m)
  expect(JSON.parse((await setup('--mode b --dry-run --json')).stdout).warnings).toEqual([])
  await lab.need('mv /root/.ssh/authorized_keys /root/away')
  expect((await setup('--mode a --dry-run')).stdout).toContain('! root has no key that opens a shell')
  await lab.need('mv /root/away /root/.ssh/authorized_keys')
})

labTest('a portal that goes away, or refuses the secret, in the middle: every file is as before', async () => {
  await asDebian()
  await lab.need('mv /var/lib/open-bastion/token /root/token; cp /etc/open-bastion/openbastion.conf /root/good.conf')
  lab.write('/root/wrong', 'not-the-secret')
  const before = await etc()
  const refused = await setup('--mode a --yes --client-secret-file /root/wrong')
  expect([refused.code, refused.stdout]).toEqual([1, expect.stringContaining('got no identity at the portal')])
  expect(`${refused.stdout}${refused.stderr}`).not.toContain('not-the-secret')
  expect([await etc(), await state()]).toEqual([before, 'undone'])
  await lab.need('mv /root/token /var/lib/open-bastion/token')
})

labTest('the entry point of a container sets up without systemd, confirms, and becomes what it is told', async () => {
  await asDebian()
  await lab.need('printf pamsecret > /root/client-secret')
  const env = `OB_PORTAL=${lab.portalUrl} OB_CLIENT_ID=pam-access OB_SERVER_GROUP=${group} OB_CA_CERT=/etc/open-bastion/portal-ca.pem`
  const entry = `${env} OB_CLIENT_SECRET_FILE=/root/client-secret sh ${lab.space.repository}/packaging/container/entrypoint`
  const started = await lab.run(`${entry} echo this is sshd`)
  expect([started.code, started.stdout]).toEqual([0, expect.stringMatching(/"state":"confirmed".*\nthis is sshd\n$/s)])
  expect(await untilEntered('alice')).toBe(true)
  // A second start finds everything in place.
  const again = await lab.run(`${entry} echo this is sshd`)
  expect([again.code, again.stdout]).toEqual([0, expect.stringMatching(/"state":"unchanged".*\nthis is sshd\n$/s)])
  await setup('undo')
  await lab.need('rm -r /etc/ssh/keys /etc/ssh/sshd_config.d/50-keys.conf')
})

labTest('bad input is named, and nothing is written', async () => {
  await asDebian()
  const before = await etc()
  const cases: readonly (readonly [string, number, RegExp])[] = [
    ['', 64, /name a mode with --mode/],
    ['--mode z', 64, /"z" is no mode; the modes are a, b, c/],
    ['--mode a --revert-after 0', 64, /whole minutes/],
    ['--mode a --client-secret-file /nowhere', 64, /\/nowhere is empty or does not exist/],
    ['--mode a --portal ftp://x --yes', 1, /portal_url/],
    ['--mode a', 1, /nothing was changed/],
    ['frobnicate', 64, /no verb of setup/],
    ['confirm', 1, /nothing waits/],
    ['undo', 0, /nothing to undo/],
  ]
  for (const [args, code, text] of cases) {
    const ran = await setup(args)
    expect([args, ran.code, text.test(ran.stdout + ran.stderr)]).toEqual([args, code, true])
  }
  await lab.need('ln -s /etc/hosts /etc/pam.d/open-bastion-sudo')
  const link = await setup('--mode a --yes')
  expect([link.code, link.stderr]).toEqual([70, expect.stringContaining('is not a regular file')])
  await lab.need('rm /etc/pam.d/open-bastion-sudo')
  expect(await etc()).toBe(before)
})

test('the stacks that come with the program are the files of the repository', () => {
  expect(readFileSync('modes/admin/stock.ts', 'utf8')).toContain('../../pam.d/mode-a.sshd')
})
