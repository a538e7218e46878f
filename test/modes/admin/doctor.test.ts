// ob doctor end to end over a fake host: what it prints, in which order, and how it ends.
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { mode } from '../../../modes/admin/doctor.ts'
import { exitCode } from '../../../modes/run/exit.ts'
import { fakeWorld } from '../../fakes/world.ts'

const shipped = (file: string): string => readFileSync(file, 'utf8')

const configuration = `portal_url = https://auth.example.test
client_id = pam-access
client_secret = pamsecret
server_group = default
create_user = true
audit_enabled = false
`
const token = JSON.stringify({
  access_token: 'a',
  refresh_token: 'r',
  expires_at: 1_800_003_000,
  enrolled_at: 1_799_999_000,
  renewed_at: 1_799_999_990,
})

const common: Readonly<Record<string, string>> = {
  '/etc/pam.d/common-auth': 'auth required pam_unix.so\n',
  '/etc/pam.d/common-account': 'account required pam_unix.so\n',
  '/etc/pam.d/common-session': 'session required pam_unix.so\n',
  '/etc/pam.d/common-session-noninteractive': 'session required pam_unix.so\n',
  '/etc/pam.d/common-password': 'password required pam_deny.so\n',
}

const sshdPrints = `usepam yes
logingracetime 120
permitrootlogin without-password
pubkeyauthentication no
kbdinteractiveauthentication yes
passwordauthentication no
authenticationmethods keyboard-interactive:pam
authorizedkeysfile .ssh/authorized_keys
`

type Change = Readonly<Record<string, string | undefined>>

async function doctor(change: Change = {}, args: readonly string[] = [], columns?: number) {
  const files: Record<string, string> = {}
  const given: Change = {
    '/usr/sbin/ob': 'program',
    '/etc/ssl/certs/ca-certificates.crt': '-----BEGIN CERTIFICATE-----\nMAAB\n-----END CERTIFICATE-----\n',
    '/etc/open-bastion/openbastion.conf': configuration,
    '/var/lib/open-bastion/token': token,
    '/etc/passwd': 'root:x:0:0::/root:/bin/sh\n',
    '/etc/nsswitch.conf': 'passwd: files extrausers\ngroup: files extrausers\nshadow: files extrausers\n',
    '/root/.ssh/authorized_keys': 'ssh-ed25519 AAAA root\n',
    '/etc/pam.d/sshd': shipped('pam.d/mode-a.sshd'),
    '/etc/pam.d/sudo': shipped('pam.d/mode-a.sudo'),
    '/etc/pam.d/sudo-i': shipped('pam.d/mode-a.sudo'),
    ...common,
    ...change,
  }
  for (const [path, text] of Object.entries(given)) if (text !== undefined) files[path] = text
  const world = fakeWorld({
    files,
    fetch: () => Response.json({ error: 'no' }, { status: 503, headers: { date: new Date(1.8e12).toUTCString() } }),
    spawn: ([program, , , user]) =>
      program === 'sshd'
        ? {
            code: 0,
            stdout: user?.startsWith('user=root')
              ? sshdPrints.replace('pubkeyauthentication no', 'pubkeyauthentication yes')
              : sshdPrints,
          }
        : { code: 1 },
  })
  for (const path of ['/usr/sbin/ob', '/etc/ssl/certs/ca-certificates.crt']) {
    const file = world.disk.get(path)
    if (file) file.mode = 0o755
  }
  const terminal = columns === undefined ? undefined : { columns, colour: false, redraw: () => undefined }
  const ending = await mode.run(args, { ...world, terminal })
  return { code: exitCode('admin', ending), text: ending.kind === 'outcome' ? (ending.text ?? '') : '' }
}

test('a host whose portal does not answer needs attention, and that comes first', async () => {
  const { code, text } = await doctor()
  expect(code).toBe(1)
  expect(text.split('\n')[0]).toMatch(/^BAD {2}/)
  expect(text).toContain('\nok   pam           sshd, sudo: nobody gets through without a yes of ob, and root does\n')
  expect(text).not.toMatch(/^(OPEN|SHUT)/m)
})

test('a stack that lets everybody in comes before all else, with its proof, and ends with 2', async () => {
  const open = { '/etc/pam.d/sshd': `account sufficient pam_permit.so\n${shipped('pam.d/mode-a.sshd')}` }
  const { code, text } = await doctor(open)
  expect(code).toBe(2)
  const lines = text.split('\n')
  expect(lines[0]).toBe('OPEN pam           sshd, account: every portal user gets through without a yes of ob')
  expect(lines[1]).toMatch(/^ {19}so the portal is not asked/)
  expect(lines[2]).toMatch(/^ {19}→ put the file of your mode back/)
  expect(lines[3]).toContain('/etc/pam.d/sshd line 1: account sufficient pam_permit.so → success')
  expect(text.trimEnd().split('\n').at(-1)).toMatch(/^SOMEBODY GETS IN WHO MUST NOT/)
})

test.each([40, 80])('on a terminal of %d columns no sentence is wider, and the words are the same', async (columns) => {
  const words = (text: string) => text.replace(/\s+/g, ' ')
  const { text } = await doctor({}, [], columns)
  expect(text.split('\n').filter((line) => line.length > columns)).toEqual([])
  expect(words(text)).toBe(words((await doctor()).text))
})

test('--json says the same', async () => {
  const open = { '/etc/pam.d/sshd': `account requisite pam_deny.so\n${shipped('pam.d/mode-a.sshd')}` }
  const { code, text } = await doctor(open, ['--json'])
  const { sound, findings } = JSON.parse(text)
  expect([code, sound]).toEqual([2, false])
  expect(findings[0]).toMatchObject({
    check: 'pam',
    verdict: 'shut',
    proof: expect.stringContaining('nobody'),
    path: expect.any(Array),
  })
})

test('what package managers leave beside a service is none', async () => {
  const left = {
    '/etc/pam.d/sudo.dpkg-old': 'account sufficient pam_permit.so\naccount requisite pam_exec.so /usr/sbin/ob\n',
  }
  const before = await doctor()
  for (const name of ['sudo.dpkg-old', 'sshd.bak', 'sshd~', 'sshd.ucf-dist', '.sshd.swp'])
    expect(await doctor({ [`/etc/pam.d/${name}`]: left['/etc/pam.d/sudo.dpkg-old'] })).toEqual(before)
})

test('no service that calls ob: everybody gets in', async () => {
  const debian = '@include common-auth\n@include common-account\n@include common-session\n'
  const { code, text } = await doctor({
    '/etc/pam.d/sshd': debian,
    '/etc/pam.d/sudo': debian,
    '/etc/pam.d/sudo-i': debian,
  })
  expect([code, text.split('\n')[0]]).toEqual([2, 'OPEN pam           no file in /etc/pam.d calls /usr/sbin/ob'])
})

test('without a configuration nobody gets in, and nothing else is looked at', async () => {
  const { code, text } = await doctor({ '/etc/open-bastion/openbastion.conf': undefined })
  expect(code).toBe(2)
  expect(text).toMatch(/^SHUT configuration/)
  expect(text).not.toContain('sshd')
})

test('without the program nobody gets in', async () => {
  const { code, text } = await doctor({ '/usr/sbin/ob': undefined })
  expect([code, text.split('\n')[0]]).toEqual([2, 'SHUT program       /usr/sbin/ob does not exist'])
})
