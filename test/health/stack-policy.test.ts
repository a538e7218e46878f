// What doctor judges: one row a trap that a host can fall into, and the sound host beside it.
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { parsePamFile } from '../../src/health/pam-stack-format.ts'
import { parseSshdSettings } from '../../src/health/sshd-settings-format.ts'
import { judgeMapping, judgeSources, judgeSshd, judgeStack, type PlacedLine } from '../../src/health/stack-policy.ts'

const ob = '/usr/sbin/ob'
const lines = (text: string): readonly PlacedLine[] =>
  parsePamFile(text).lines.flatMap((line) => ('module' in line ? [{ ...line, file: '/etc/pam.d/sshd' }] : []))

const sound = `auth requisite pam_exec.so quiet stdout expose_authtok ${ob}
auth required pam_permit.so
account requisite pam_exec.so quiet stdout ${ob}
session requisite pam_exec.so quiet type=open_session ${ob}
session required pam_unix.so
`
const badIn = (service: string, text: string): string[] =>
  judgeStack(service, lines(text)).flatMap(({ verdict, message }) => (verdict === 'bad' ? [message] : []))

test('the sound stack is called sound', () => {
  expect(judgeStack('sshd', lines(sound)).map(({ verdict }) => verdict)).toEqual(['good'])
})

const traps: readonly (readonly [string, string, string, RegExp])[] = [
  ['optional decides nothing', 'sshd', sound.replace('account requisite', 'account optional'), /decides nothing/],
  ['no expose_authtok', 'sshd', sound.replace(' expose_authtok', ''), /no token reaches ob/],
  ['no account line', 'sshd', sound.replace(/^account.*\n/m, ''), /no account line/],
  [
    'a jump that forgets ignore',
    'sshd',
    sound
      .replace('auth requisite', 'auth [success=1 default=ignore]')
      .replace('\nauth', '\nauth requisite pam_deny.so\nauth'),
    /success and ignore differ/,
  ],
  [
    'nothing in auth can say no',
    'sshd',
    sound.replace('auth requisite', 'auth [success=1 ignore=1 default=ignore]'),
    /no auth line can say no/,
  ],
  [
    'a module before ours in the session',
    'sshd',
    sound.replace('session requisite', 'session required pam_env.so\nsession requisite'),
    /runs before ob/,
  ],
  ['user_readenv', 'sshd', `${sound}session required pam_env.so user_readenv=1\n`, /user_readenv=1/],
  ['sudo without seteuid', 'sudo', sound, /without seteuid/],
]
test.each(traps)('%s is found', (_name, service, text, proof) => {
  expect(badIn(service, text).join('\n')).toMatch(proof)
})

test('a line for the end of a session decides nothing and may be optional', () => {
  const close = `session optional pam_exec.so quiet type=close_session ${ob}\n`
  expect(badIn('sshd', sound.replace('session requisite', `${close}session requisite`))).toEqual([])
})

test('every stack that is shipped is called sound', () => {
  for (const name of new Bun.Glob('*').scanSync('pam.d')) {
    const text = readFileSync(`pam.d/${name}`, 'utf8')
    expect([name, badIn(name.replace(/^[^.]*\./, ''), text)]).toEqual([name, []])
  }
})

test('a comment and a continued line are read as PAM reads them', () => {
  expect(badIn('sshd', sound.replace('quiet type', '\\\n  quiet type').replace('\nauth', ' # a remark\nauth'))).toEqual(
    [],
  )
})

const settings = (text: string) =>
  parseSshdSettings(`usepam yes\nlogingracetime 120\nkbdinteractiveauthentication yes\n${text}`)
test.each([
  ['sshd without PAM', 'usepam no', /PAM is never asked/],
  ['users who set their own environment', 'permituserenvironment yes', /LD_PRELOAD/],
  ['a grace time shorter than a portal timeout', 'logingracetime 10', /shorter than/],
])('%s is found', (_name, text, proof) => {
  const wanted = new Map([...settings(''), ...parseSshdSettings(text)])
  const found = judgeSshd(wanted, lines(sound)).filter(({ verdict }) => verdict === 'bad')
  expect(found.map(({ message }) => message).join()).toMatch(proof)
})

test('a sound sshd is called sound', () => {
  expect(judgeSshd(settings(''), lines(sound)).map(({ verdict }) => verdict)).toEqual(['good'])
})

test.each([
  ['files extrausers', false, undefined],
  ['files systemd', true, undefined],
  ['files systemd', false, 'install libnss-extrausers and write: passwd: files extrausers systemd'],
  ['compat', false, 'install libnss-extrausers and write: passwd: files extrausers'],
  ['', false, 'install libnss-extrausers and write: passwd: files extrausers'],
] as const)('nsswitch "passwd: %s", served: %p', (sources, isServed, remedy) => {
  expect(judgeSources('passwd', sources, isServed)?.remedy).toBe(remedy)
})

test('a service that the portal cannot be asked about is a finding, lockers aside when those are answered', () => {
  const judged = (service: string, file: string, ...pairs: [string, string][]) =>
    judgeMapping(
      service,
      new Map(pairs),
      lines(sound).map((line) => ({ ...line, file: `/etc/pam.d/${file}` })),
    ).length
  expect([judged('sshd', 'sshd'), judged('sudo-i', 'sudo-i'), judged('lightdm', 'lightdm')]).toEqual([0, 0, 1])
  expect(judged('lightdm', 'lightdm', ['lightdm', 'ssh'])).toBe(0)
  // It opens sessions, so it is no locker.
  expect(judged('lightdm', 'lightdm', ['unlock', 'ssh'])).toBe(1)
  expect(judged('i3lock', 'login', ['unlock', 'ssh'])).toBe(0)
})
