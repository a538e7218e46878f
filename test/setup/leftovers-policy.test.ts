// What still calls the program: real lines of stacks, of sshd and of sudo, and what only looks like one.
import { expect, test } from 'bun:test'
import { isRead, leftoversIn } from '../../src/setup/leftovers-policy.ts'

test.each([
  'auth [success=done default=die] pam_exec.so expose_authtok quiet /usr/sbin/ob',
  'account required pam_exec.so /usr/bin/ob',
  'AuthorizedKeysCommand /usr/sbin/ob keys %u %t %k %f',
  'PAMServiceName open-bastion-sshd',
  'Defaults:%open-bastion-sudo pam_service=open-bastion-sudo',
  'web ALL=(root) NOPASSWD: /usr/sbin/ob shell',
  '    ForceCommand /usr/sbin/ob-shell',
])('%s is a line that needs the program', (line) => {
  expect(leftoversIn('/etc/x', `# first\n${line}\n`)).toEqual([{ path: '/etc/x', line: 2, text: line.trim() }])
})

test.each([
  '# auth required pam_exec.so /usr/sbin/ob',
  'account required pam_exec.so /usr/sbin/observe',
  'account required pam_unix.so',
  'session optional pam_exec.so /usr/sbin/ob.old',
])('%s is none', (line) => {
  expect(leftoversIn('/etc/x', `${line}\n`)).toEqual([])
})

test('copies that no program reads do not count', () => {
  expect(['sshd', 'sshd.dpkg-dist', 'sshd~', 'sshd.bak', '00-open-bastion.conf'].filter(isRead)).toEqual([
    'sshd',
    '00-open-bastion.conf',
  ])
})
