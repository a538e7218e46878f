// Renewal by real processes on a real disk: many logins at once, the unit's own confinement, a full disk, a kill.
import { expect } from 'bun:test'
import { configure, enroll, setRights } from './enrolled.ts'
import type { Lab } from './lab.ts'
import { inLab } from './suite.ts'

let lab: Lab

const lab_test = inLab({}, async (started) => {
  lab = started
  await configure(lab)
  await setRights(lab)
})

const token = () => JSON.parse(lab.text('/var/lib/open-bastion/token'))
const renewals = async () => ((await lab.portal('requests', { path: '/pam/heartbeat' })) as readonly unknown[]).length
const account =
  'env -i PAM_TYPE=account PAM_SERVICE=sshd PAM_USER=alice SSH_CONNECTION="192.0.2.7 1 192.0.2.1 22" /usr/sbin/ob'

lab_test('enrolling without systemd says the one command that sends heartbeats', async () => {
  const { code, output } = await enroll(lab)
  expect(code).toBe(0)
  expect(output).toContain(
    "run: echo '*/5 * * * * root /usr/sbin/ob heartbeat >/dev/null' > /etc/cron.d/ob-heartbeat\n",
  )
  expect(token()).toMatchObject({ enrolled_at: expect.any(Number), renewed_at: expect.any(Number) })
})

lab_test('twenty logins at once with an expired token: one heartbeat, twenty successes', async () => {
  const before = token()
  await lab.portal('expireAccessTokens')
  await lab.portal('forgetRequests')
  const ran = await lab.run(`for i in $(seq 20); do ( ${account} > /dev/null; echo $? ) & done; wait`)
  expect(ran.stdout.trim().split('\n')).toEqual(Array.from({ length: 20 }, () => '0'))
  expect(await renewals()).toBe(1)
  expect(token().refresh_token).toBe(before.refresh_token)
  expect(token().access_token).not.toBe(before.access_token)
})

lab_test('five heartbeats at once are one request', async () => {
  await lab.portal('forgetRequests')
  const ran = await lab.run('for i in 1 2 3 4 5; do ( /usr/sbin/ob heartbeat --once; echo $? ) & done; wait')
  expect(ran.stdout.split('\n').filter((line) => line === '0')).toHaveLength(5)
  const sent = ran.stdout.match(/heartbeat sent/g) ?? []
  expect(await renewals()).toBe(sent.length)
  // A process that starts after another has ended is not "at once".
  expect(sent.length).toBeLessThan(5)
})

lab_test('a heartbeat works with no capability at all, as the unit gives it none', async () => {
  const ran = await lab.run('setpriv --bounding-set=-all --inh-caps=-all --no-new-privs /usr/sbin/ob heartbeat --once')
  expect([ran.code, ran.stderr]).toEqual([0, ''])
})

lab_test('on a full disk a login goes on with the renewed token, and the old file stays', async () => {
  const before = lab.text('/var/lib/open-bastion/token')
  await lab.need(`mount -t tmpfs -o size=16k,mode=0711 small /mnt && cp -a /var/lib/open-bastion/token /mnt/
    sed -i '$a server_token_file = /mnt/token' /etc/open-bastion/openbastion.conf
    dd if=/dev/zero of=/mnt/fill bs=4k 2>/dev/null || :`)
  await lab.portal('expireAccessTokens')
  expect((await lab.run(account)).code).toBe(0)
  expect(await lab.need('cat /mnt/token; ls /mnt')).toBe(`${before}fill\ntoken\n`)
  const beat = await lab.run('/usr/sbin/ob heartbeat --once')
  expect([beat.code, beat.stdout]).toEqual([
    70,
    'the server token was renewed but could not be saved: cannot write /mnt/token: there is no space left on this file system; free some\n',
  ])
  await lab.need(`sed -i '$d' /etc/open-bastion/openbastion.conf; umount /mnt`)
})

lab_test('killed at any instant of a renewal, the host keeps its identity and the next login succeeds', async () => {
  const { refresh_token } = token()
  for (const milliseconds of [10, 15, 20, 25, 30, 35, 40, 45, 50, 60]) {
    await lab.portal('expireAccessTokens')
    await lab.run(`${account} & pid=$!; sleep 0.0${milliseconds}; kill -9 $pid; wait`)
    expect((await lab.run(account)).code).toBe(0)
    expect(token().refresh_token).toBe(refresh_token)
  }
  // Nothing is left lying about but what a kill between writing and renaming leaves, and that is root's alone.
  const left = await lab.need(
    'find /var/lib/open-bastion -name "token.tmp.*" ! -perm 600 -o -name "token.tmp.*" ! -user root',
  )
  expect(left).toBe('')
})

lab_test('status and doctor say what stands, on a screen of 80 columns', async () => {
  await lab.need('/usr/sbin/ob heartbeat --once')
  const status = await lab.run('/usr/sbin/ob status')
  expect(status.stdout).toMatch(/^heartbeat +ok, \d+ s ago; next due in \d+ (s|min)$/m)
  expect(status.stdout.split('\n').filter((line) => line.length > 80)).toEqual([])
  expect(status.stderr).toBe('')
  const doctor = await lab.run('/usr/sbin/ob doctor')
  expect(doctor.stdout).toMatch(/^ok +heartbeat +the last heartbeat was \d+ s ago$/m)
  expect(doctor.stdout).toMatch(/^note heartbeat +no systemd runs here/m)
})

lab_test('an enrollment that the portal dropped is said to be one', async () => {
  await lab.portal('dropEnrollment')
  const beat = await lab.run('/usr/sbin/ob heartbeat --once')
  expect([beat.code, beat.stdout]).toEqual([
    70,
    '/pam/heartbeat: the portal refuses this host (HTTP 401): Invalid refresh_token\n→ ob enroll --force\n',
  ])
  const again = await enroll(lab)
  expect(again.code).toBe(0)
  expect((await lab.run('/usr/sbin/ob heartbeat --once')).code).toBe(0)
})

lab_test('after a change of the machine-id: remove the token file, enroll, and all is well', async () => {
  expect(token().refresh_token).toBe('sealed:refresh_token')
  await lab.need('tr -d - < /proc/sys/kernel/random/uuid > /etc/machine-id')
  const beat = await lab.run('/usr/sbin/ob heartbeat --once')
  expect([beat.code, beat.stderr]).toEqual([70, expect.stringContaining('was sealed under another /etc/machine-id')])
  await lab.need('rm /var/lib/open-bastion/token')
  const again = await enroll(lab)
  expect([again.code, again.output]).toEqual([0, expect.stringContaining('the sealed store was begun anew')])
  await lab.portal('expireAccessTokens')
  expect((await lab.run('/usr/sbin/ob heartbeat --once')).code).toBe(0)
  expect(token().refresh_token).toBe('sealed:refresh_token')
})
