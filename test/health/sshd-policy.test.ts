// What doctor makes of `sshd -T`: the shipped drop-ins are sound, and each loosened or overridden one is named.
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import type { Finding } from '../../src/base/finding.ts'
import { judgeRootWay } from '../../src/health/root-way-policy.ts'
import { overridesOf, parseDropIn } from '../../src/health/sshd-drop-in-policy.ts'
import { judgeSshd, takesKeys, takesSecrets } from '../../src/health/sshd-policy.ts'
import { parseSshdSettings, type SshdSettings } from '../../src/health/sshd-settings-format.ts'

/** sshd's own defaults, as -T prints them. */
const defaults = `usepam yes
logingracetime 120
permitrootlogin without-password
pubkeyauthentication yes
kbdinteractiveauthentication yes
passwordauthentication yes
permitemptypasswords no
permituserenvironment no
authenticationmethods any
authorizedkeysfile .ssh/authorized_keys .ssh/authorized_keys2
authorizedkeyscommand none
authorizedkeyscommanduser none
authorizedprincipalscommand none
trustedusercakeys none
revokedkeys none
`
const settings = (...layers: readonly string[]): SshdSettings =>
  new Map([defaults, ...layers].flatMap((layer) => [...parseSshdSettings(layer)]))

const file = '/etc/ssh/sshd_config.d/00-open-bastion.conf'
const dropIn = (mode: string) => parseDropIn(file, readFileSync(`packaging/ssh/mode-${mode}.conf`, 'utf8'))
const lines = (map: ReadonlyMap<string, string>): string => [...map].map(([key, value]) => `${key} ${value}\n`).join('')

/** What sshd does where it reads this drop-in, and then these changes before it. */
function judge(mode: string, changes = '', rootChanges = changes): readonly Finding[] {
  const { everybody, root } = dropIn(mode)
  const portal = settings(lines(everybody), changes)
  const rootSettings = settings(lines(everybody), lines(root), rootChanges)
  return judgeSshd({
    portal,
    root: rootSettings,
    overrides: overridesOf(dropIn(mode), { portal, root: rootSettings }, true),
    isThere: () => true,
    hasUser: (name) => ['ob-keys', 'nobody', 'root'].includes(name),
  })
}

const modes = [...new Bun.Glob('mode-*.conf').scanSync('packaging/ssh')].map((name) => name.slice(5, -5)).sort()

test.each(modes)('mode %s as shipped is sound', (mode) => {
  expect(judge(mode)).toEqual([])
})

const without = (mode: string, portal: SshdSettings, root = portal): readonly Finding[] =>
  judgeSshd({
    portal,
    root,
    overrides: overridesOf(dropIn(mode), { portal, root }, false),
    isThere: () => true,
    hasUser: () => true,
  })

test.each(modes)('mode %s without the Include line: one finding says that keys of users’ own enter', (mode) => {
  const [first, ...rest] = without(mode, settings(''))
  expect(first).toMatchObject({ verdict: 'open', remedy: expect.stringContaining('Include ') })
  expect(first?.message).toContain(`sshd does not do what ${file} says`)
  expect(first?.lets).toContain('nobody approved it')
  expect(rest.filter(({ verdict }) => verdict !== 'bad')).toEqual([])
})

test('AuthenticationMethods any in a file before the drop-in is one finding, with what it leads to', () => {
  const found = judge('c', 'authenticationmethods any\nauthorizedkeysfile .ssh/authorized_keys\n')
  expect(found).toHaveLength(1)
  expect(found[0]).toMatchObject({ verdict: 'open', path: expect.any(Array) })
  expect(found[0]?.remedy).toContain('grep -rin authenticationmethods')
  // Where no key source of the user's own counts, it is a difference and no hole.
  expect(judge('c', 'authenticationmethods any\n').map(({ verdict }) => verdict)).toEqual(['bad'])
})

const traps: readonly (readonly [string, string, string, Finding['verdict'], RegExp])[] = [
  ['sshd without PAM', 'd', 'usepam no\n', 'open', /PAM is never asked/],
  ['users who set their own environment', 'd', 'permituserenvironment yes\n', 'bad', /LD_PRELOAD/],
  ['a grace time shorter than a portal timeout', 'd', 'logingracetime 10\n', 'bad', /gives up before/],
  ['empty passwords', 'b', 'permitemptypasswords yes\n', 'bad', /needs none/],
  ['no way in', 'a', 'kbdinteractiveauthentication no\n', 'shut', /no portal user can log in/],
  [
    'another key command',
    'c',
    'authorizedkeyscommand /usr/bin/userdbctl ssh-authorized-keys %u\n',
    'bad',
    /another program/,
  ],
  ['ob keys as root', 'c', 'authorizedkeyscommanduser root\n', 'bad', /more rights/],
  ['ob keys as nobody', 'c', 'authorizedkeyscommanduser nobody\n', 'bad', /can trace ob/],
  ['ob keys as somebody who is not there', 'c', 'authorizedkeyscommanduser gone\n', 'shut', /refuses every key/],
  ['AllowUsers', 'a', 'allowusers admin\n', 'bad', /before the portal is asked/],
  ['AllowGroups', 'a', 'allowgroups wheel\n', 'bad', /before the portal is asked/],
]
test.each(traps)('%s', (_name, mode, changes, verdict, lets) => {
  const found = judge(mode, changes)
  expect(found.map((finding) => finding.verdict)).toContain(verdict)
  expect(found.map((finding) => finding.lets).join('\n')).toMatch(lets)
})

test('the portal’s authority counts for root: that is a root shell', () => {
  const [found] = judge('e', '', 'trustedusercakeys /etc/ssh/open-bastion_ca.pub\n')
  expect(found?.verdict).toBe('open')
  expect([found?.lets, ...(found?.path ?? [])].join()).toMatch(/root/)
})

test('a file that is missing shuts out keys, and where people type it is one thing to mend', () => {
  const missing = (mode: string): readonly Finding[] => {
    const { everybody, root } = dropIn(mode)
    const portal = settings(lines(everybody), 'revokedkeys /etc/ssh/revoked_keys\n')
    const rootSettings = settings(lines(everybody), lines(root))
    return judgeSshd({ portal, root: rootSettings, overrides: [], isThere: () => false, hasUser: () => true })
  }
  expect(missing('e').map(({ verdict }) => verdict)).toEqual(['shut', 'shut'])
  expect(missing('d').map(({ verdict }) => verdict)).toEqual(['bad'])
})

test.each([
  ['a', true, false],
  ['c', false, true],
  ['d', true, true],
] as const)('mode %s: secrets %p, keys %p', (mode, secrets, keys) => {
  const portal = settings(lines(dropIn(mode).everybody))
  expect([takesSecrets(portal), takesKeys(portal)]).toEqual([secrets, keys])
})

test('a key and a secret together are no way for a key alone', () => {
  const both = settings('authenticationmethods publickey,keyboard-interactive:pam\n')
  expect([takesSecrets(both), takesKeys(both)]).toEqual([true, false])
})

const key = 'ssh-ed25519 AAAA root'
test.each([
  ['a key', '', [key], false, undefined],
  ['no key', '', ['# none'], false, /no key/],
  [
    'a forced command, as on cloud images',
    '',
    [`no-pty,command="echo 'log in as debian'" ${key}`],
    false,
    /forced command/,
  ],
  ['a forced command and a key', '', [`command="x" ${key}`, key], false, undefined],
  ['PermitRootLogin no', 'permitrootlogin no\n', [key], false, /permitrootlogin no/],
  ['forced commands only', 'permitrootlogin forced-commands-only\n', [key], false, /forced-commands-only/],
  ['a password that counts', 'permitrootlogin yes\n', [], true, undefined],
  ['a password that does not count', '', [], true, /no key/],
  ['AllowGroups without root', 'allowgroups users\n', [key], false, /allowgroups/],
  ['AllowUsers with root', 'allowusers root@10.*\n', [key], false, undefined],
  ['DenyUsers', 'denyusers root\n', [key], false, /denyusers/],
  ['keys switched off', 'pubkeyauthentication no\n', [key], false, /neither/],
] as const)('root: %s', (_name, changes, keys, hasPassword, expected) => {
  const found = judgeRootWay({ settings: settings(changes), keys, hasPassword })
  if (expected === undefined) expect(found).toEqual([])
  else expect(found.map(({ verdict, message }) => `${verdict}: ${message}`).join()).toMatch(expected)
})

test('a drop-in is read up to its Match lines, and those of root beside', () => {
  const read = parseDropIn(
    'x',
    'UsePAM yes\n # no\nusepam no\nMatch User root\n  RevokedKeys /dev/null\nMatch Group x\nUsePAM no\n',
  )
  expect([[...read.everybody], [...read.root]]).toEqual([[['usepam', 'yes']], [['revokedkeys', '/dev/null']]])
})
