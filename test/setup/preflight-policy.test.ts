// Who loses access by a set-up, said before it happens.
import { expect, test } from 'bun:test'
import { localPeople, type PreflightFacts, warningsOf } from '../../src/setup/preflight-policy.ts'

const passwd = `root:x:0:0:root:/root:/bin/bash
daemon:x:1:1::/usr/sbin:/usr/sbin/nologin
debian:x:1000:1000::/home/debian:/bin/bash
anna:x:1001:1001::/home/anna:/bin/bash
locked:x:1002:1002::/home/locked:/bin/bash
robot:x:1003:1003::/home/robot:/usr/sbin/nologin
nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin
`
const shadow =
  'root:$y$x:1::::::\ndebian:!$y$x:1::::::\nanna:$y$j9T$abc:1::::::\nlocked:!:1::::::\nrobot:$6$x:1::::::\n'
const people = localPeople({ passwd, shadow, hasKeys: (home) => home === '/home/debian' || home === '/root' })

test('people who can log in: by a key of their own, or by a password that is not locked', () => {
  expect(people).toEqual([
    { name: 'debian', hasKeys: true, hasPassword: false },
    { name: 'anna', hasKeys: false, hasPassword: true },
  ])
})

const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 admin\n'
const sound: PreflightFacts = { mode: 'a', people: [], rootKeys: key, hasNscd: false, hasExtrausers: true }
const said = (differs: Partial<PreflightFacts>): string => warningsOf({ ...sound, ...differs }).join('\n')

test('nothing is said where nobody loses anything', () => {
  expect(said({})).toBe('')
})

test('in a mode without passwords both lose their way, in one with them the keys alone do', () => {
  expect(said({ people })).toContain('of their own: debian, anna;')
  expect(said({ people, mode: 'c' })).toContain('of their own: debian, anna;')
  expect(said({ people, mode: 'd' })).toContain('of their own: debian;')
})

test.each([
  ['', true],
  ['# nobody yet\n\n', true],
  [`no-port-forwarding,command="echo 'Please login as debian'" ${key}`, true],
  [`no-port-forwarding,no-agent-forwarding,command="echo 'Please login as the user'" ${key}`, true],
  [key, false],
  [`from="192.0.2.0/24" ${key}`, false],
  [`no-pty,command="x" ${key}${key}`, false],
])('root with %j is warned about: %p', (rootKeys, isWarned) => {
  expect(said({ rootKeys }).includes('root has no key')).toBe(isWarned)
})

test('nscd and a missing module are named with the command that mends it', () => {
  expect(said({ hasNscd: true })).toContain('apt-get remove nscd')
  expect(said({ hasExtrausers: false })).toContain('apt-get install libnss-extrausers')
})
