// Where NSS looks, and second names of root.
import { expect, test } from 'bun:test'
import { judgeSecondRoots, judgeSources } from '../../src/health/accounts-policy.ts'

test.each([
  ['files extrausers', false, undefined],
  ['files systemd', true, undefined],
  ['files systemd', false, 'install libnss-extrausers and write: passwd: files extrausers systemd'],
  ['compat', false, 'install libnss-extrausers and write: passwd: files extrausers'],
  ['', false, 'install libnss-extrausers and write: passwd: files extrausers'],
  ['extrausers files systemd', false, 'write: passwd: files extrausers systemd'],
  ['extrausers [NOTFOUND=return] files', true, 'write: passwd: files extrausers'],
] as const)('nsswitch "passwd: %s", served: %p', (sources, isServed, remedy) => {
  const answering = { isServed, isExported: true }
  expect(judgeSources('passwd', sources, answering).map((finding) => finding.remedy)).toEqual(remedy ? [remedy] : [])
})

test.each([
  ['files systemd', true, undefined],
  ['files systemd', false, undefined],
  ['files', true, 'install libnss-systemd and write: passwd: files systemd'],
  ['files extrausers', true, 'install libnss-systemd and write: passwd: files extrausers systemd'],
] as const)('with create_user_target = userdb, nsswitch "passwd: %s", served: %p', (sources, isServed, remedy) => {
  const answering = { isServed, isExported: false }
  expect(judgeSources('passwd', sources, answering).map((finding) => finding.remedy)).toEqual(remedy ? [remedy] : [])
})

test('a second name for uid 0 is named', () => {
  const passwd = 'root:x:0:0::/root:/bin/sh\ntoor:x:00:0::/root:/bin/sh\ndaemon:x:1:1::/:/bin/false\n'
  expect(judgeSecondRoots(passwd).map(({ verdict, message }) => `${verdict}: ${message}`)).toEqual([
    'open: /etc/passwd: toor is a second name for root (uid 0)',
  ])
})
