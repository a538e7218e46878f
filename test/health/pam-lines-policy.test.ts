// Traps in single lines: one row a trap, and the sound stack beside it.
import { expect, test } from 'bun:test'
import { judgeLines, judgeMapping, type Stacks } from '../../src/health/pam-lines-policy.ts'
import { stackOf } from '../../src/health/pam-stack-policy.ts'

const ob = '/usr/sbin/ob'
const stacksOf = (service: string, text: string): Stacks => {
  const read = (file: string): string | undefined => (file === service ? text : undefined)
  const of = (type: 'auth' | 'account' | 'session') => stackOf(service, type, read) ?? []
  return { auth: of('auth'), account: of('account'), session: of('session') }
}

const sound = `auth requisite pam_exec.so quiet stdout expose_authtok ${ob}
auth required pam_permit.so
account requisite pam_exec.so quiet stdout ${ob}
session requisite pam_exec.so quiet type=open_session ${ob}
session required pam_unix.so
`
const found = (service: string, text: string): string =>
  judgeLines(service, stacksOf(service, text))
    .map(({ verdict, message }) => `${verdict}: ${message}`)
    .join('\n')

test('the sound stack has no trap', () => {
  expect(found('sshd', sound)).toBe('')
})

test('a stack that does not call ob is none of this', () => {
  expect(found('sshd', 'session required pam_env.so user_readenv=1\n')).toBe('')
})

test.each([
  ['no expose_authtok', 'sshd', sound.replace(' expose_authtok', ''), /^bad: .*line 1: without expose_authtok/m],
  [
    'a module before ours in the session',
    'sshd',
    sound.replace('session requisite', 'session required pam_env.so\nsession requisite'),
    /^bad: .*line 5: pam_env.so .*line 4\) runs before ob/m,
  ],
  ['user_readenv', 'sshd', `${sound}session required pam_env.so user_readenv=1\n`, /^open: .*user_readenv=1/m],
  ['sudo without seteuid', 'sudo', sound, /^bad: .*without seteuid/m],
  ['log=', 'sshd', sound.replace('quiet type', 'log=/tmp/x type'), /^bad: .*log=/m],
] as const)('%s is found', (_name, service, text, expected) => {
  expect(found(service, text)).toMatch(expected)
})

test('a line for the end of a session decides nothing and may be optional', () => {
  const close = `session optional pam_exec.so quiet type=close_session ${ob}\n`
  expect(found('sshd', sound.replace('session requisite', `${close}session requisite`))).toBe('')
})

test('a service that the portal cannot be asked about is a finding, lockers aside when those are answered', () => {
  const judged = (service: string, file: string, ...pairs: [string, string][]): number => {
    const stacks = stacksOf(file, sound)
    return judgeMapping(service, new Map(pairs), stacks).length
  }
  expect([judged('sshd', 'sshd'), judged('sudo-i', 'sudo-i'), judged('lightdm', 'lightdm')]).toEqual([0, 0, 1])
  expect(judged('lightdm', 'lightdm', ['lightdm', 'ssh'])).toBe(0)
  // It opens sessions, so it is no locker.
  expect(judged('lightdm', 'lightdm', ['unlock', 'ssh'])).toBe(1)
  expect(judged('i3lock', 'login', ['unlock', 'ssh'])).toBe(0)
})
