// bastion_jwt_required on the stacks and drop-ins that this project ships, and on ones that somebody loosened.
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { judgeHopWays, otherWays } from '../../src/health/hops-policy.ts'
import { stackOf } from '../../src/health/pam-stack-policy.ts'
import { parseSshdSettings, type SshdSettings } from '../../src/health/sshd-settings-format.ts'

const defaults = `usepam yes
pubkeyauthentication yes
kbdinteractiveauthentication no
passwordauthentication no
authenticationmethods publickey
authorizedkeysfile none
authorizedkeyscommand /usr/sbin/ob keys %u %t %k %f
trustedusercakeys none
`
const settings = (change = ''): SshdSettings =>
  new Map([defaults, change].flatMap((layer) => [...parseSshdSettings(layer)]))

const shipped = readFileSync('pam.d/mode-c.sshd', 'utf8')
const session = (change: (text: string) => string = (text) => text) =>
  stackOf('sshd', 'session', (file) => (file === 'sshd' ? change(shipped) : 'session required pam_unix.so\n'))

const verdicts = (change?: string, stack = session()): readonly string[] =>
  judgeHopWays({ settings: settings(change), session: stack }).map(({ verdict }) => verdict)

test('the shipped stack refuses what ob refuses, whatever sshd took', () => {
  expect(verdicts()).toEqual(['good'])
  expect(verdicts('authorizedkeysfile .ssh/authorized_keys')).toEqual(['good', 'note'])
})

test.each([
  ['AuthorizedKeysFile', 'authorizedkeysfile .ssh/authorized_keys'],
  ['AuthorizedKeysFile', 'authorizedkeysfile /etc/keys/%u'],
  ['AuthorizedKeysCommand', 'authorizedkeyscommand /usr/bin/other %u'],
  ['TrustedUserCAKeys', 'trustedusercakeys /etc/ssh/ca.pub'],
  ['typed', 'kbdinteractiveauthentication yes\nauthenticationmethods any'],
])('another way is named: %s', (name, change) => {
  expect(otherWays(settings(change)).join()).toContain(name)
  expect(otherWays(settings())).toEqual([])
})

test('without PAM, or without the session line, every other way gets around it', () => {
  expect(verdicts('usepam no')).toEqual(['open'])
  const without = (text: string) => text.replaceAll(/^session .*\/usr\/sbin\/ob$/gm, '')
  expect(verdicts('', session(without))).toEqual(['open'])
  const optional = (text: string) => text.replaceAll(/^session {2}requisite/gm, 'session  optional')
  expect(verdicts('', session(optional))).toEqual(['open'])
  const skipped = (text: string) => text.replaceAll('quiet user = root', 'quiet uid >= 0')
  expect(verdicts('', session(skipped))).toEqual(['open'])
})
