// What doctor proves about PAM services: the shipped stacks are sound, and each broken one is named with a path.
import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { nothingKnown, possibleAnswers } from '../../src/health/pam-modules-policy.ts'
import { judgeService, type Service, type ServiceKind } from '../../src/health/pam-policy.ts'
import { stackOf } from '../../src/health/pam-stack-policy.ts'
import { findPath } from '../../src/health/pam-walk-policy.ts'

const common: Readonly<Record<string, string>> = {
  'common-auth': `auth [success=1 default=ignore] pam_unix.so nullok
auth requisite pam_deny.so
auth required pam_permit.so
auth optional pam_cap.so`,
  'common-account': `account [success=1 new_authtok_reqd=done default=ignore] pam_unix.so
account requisite pam_deny.so
account required pam_permit.so`,
  'common-password': 'password required pam_deny.so',
  'common-session': `session [default=1] pam_permit.so
session requisite pam_deny.so
session required pam_permit.so
session required pam_unix.so
session optional pam_systemd.so`,
  'common-session-noninteractive': `session [default=1] pam_permit.so
session requisite pam_deny.so
session required pam_permit.so
session required pam_unix.so`,
  other: '@include common-auth\n@include common-account\n@include common-session\n',
}

type How = Partial<Omit<Service, 'read' | 'name' | 'kind'>>

const judge = (name: string, kind: ServiceKind, text: string, how: How = {}) =>
  judgeService({
    name,
    kind,
    read: (file) => ({ ...common, [name]: text })[file],
    uids: { min: 100_000, max: 600_000 },
    missing: new Set(),
    sshd: { takesSecrets: true, takesKeys: true },
    asksTarget: false,
    ...how,
  })

const kinds: Readonly<Record<string, ServiceKind>> = { sshd: 'ssh', sudo: 'sudo', unlock: 'locker' }
const textOf = (file: string): string => readFileSync(`pam.d/${file}`, 'utf8')
// su asks for what another account of this host proves itself with, and the portal has no say there.
const shipped = [...new Bun.Glob('*').scanSync('pam.d')]
  .filter((file) => textOf(file).includes(' /usr/sbin/ob') && !file.endsWith('.su'))
  .sort()

test.each(shipped)('%s is sound', (file) => {
  const name = file.replace(/^[^.]*\./, '')
  expect(judge(name, kinds[name] ?? 'login', textOf(file))).toEqual([])
})

test.each(['mode-g.sshd', 'mode-f.sshd'])('%s: a line that only shows something is no yes to anybody', (file) => {
  const text = textOf(file).replace(/^.*expose_authtok.*\n/gm, '')
  expect(text).toContain(' ask\n')
  expect(judge('sshd', 'ssh', text).map(({ verdict }) => verdict)).toContain('open')
})

const verdicts = (...[name, kind, text, how]: Parameters<typeof judge>): readonly string[] =>
  judge(name, kind, text, how).map(({ verdict, message }) => `${verdict}: ${message}`)

const accountLine = 'account  requisite   pam_exec.so quiet stdout /usr/sbin/ob'
const sessionLine = 'session  requisite   pam_exec.so quiet stdout type=open_session /usr/sbin/ob'
const sshds = ['mode-a.sshd', 'mode-b.sshd', 'mode-c.sshd', 'mode-d.sshd', 'mode-e.sshd']

type Break = readonly [string, (text: string) => string, RegExp]

const gates: readonly Break[] = [
  ['the account line missing', (text) => text.replace(accountLine, ''), /open: sshd, account: every portal user/],
  ['the session line missing', (text) => text.replace(sessionLine, ''), /open: sshd, session: every portal user/],
  [
    'pam_permit sufficient above the account line',
    (text) => text.replace(accountLine, `account sufficient pam_permit.so\n${accountLine}`),
    /open: sshd, account: every portal user/,
  ],
  [
    'pam_unix sufficient above the account line',
    (text) => text.replace(accountLine, `account sufficient pam_unix.so\n${accountLine}`),
    /open: sshd, account: every portal user/,
  ],
  [
    'an exemption of everybody',
    (text) => text.replaceAll('quiet user = root', 'quiet uid >= 0'),
    /open: sshd, account: every portal user/,
  ],
  [
    'an exemption that asks whom sshd is',
    (text) => text.replaceAll('quiet user = root', 'quiet use_uid uid = 0'),
    /open: sshd, account: every portal user/,
  ],
  [
    'a jump over the account line',
    (text) => text.replace(accountLine, `account [default=1] pam_warn.so\n${accountLine}`),
    /open: sshd, account: every portal user/,
  ],
  [
    'account optional',
    (text) => text.replace(accountLine, accountLine.replace('requisite', 'optional')),
    /open: sshd, account/,
  ],
  [
    'account sufficient',
    (text) => text.replace(accountLine, accountLine.replace('requisite', 'sufficient')),
    /open: sshd, account/,
  ],
  [
    'session optional',
    (text) => text.replace(sessionLine, sessionLine.replace('requisite', 'optional')),
    /open: sshd, session: every portal user/,
  ],
  [
    'an account line that counts in another phase only',
    (text) => text.replace(accountLine, accountLine.replace('stdout', 'type=auth')),
    /open: sshd, account/,
  ],
  [
    'an exemption of people of this host',
    (text) => text.replace(accountLine, `account [success=1 default=ignore] pam_localuser.so\n${accountLine}`),
    /bad: sshd, account: accounts of this host/,
  ],
  [
    'an exemption of system accounts',
    (text) => text.replaceAll('quiet user = root', 'quiet uid < 1000'),
    /bad: sshd, account: system accounts/,
  ],
  [
    'an exemption of a group',
    (text) =>
      text.replace(
        accountLine,
        `account [success=1 default=ignore] pam_succeed_if.so user ingroup staff\n${accountLine}`,
      ),
    /bad: sshd, account: people whom a group/,
  ],
  [
    'an exemption of one account',
    (text) =>
      text.replace(accountLine, `account [success=1 default=ignore] pam_succeed_if.so user = backup\n${accountLine}`),
    /note: sshd, account: backup gets through/,
  ],
  [
    'pam_deny above the account line',
    (text) => text.replace(accountLine, `account requisite pam_deny.so\n${accountLine}`),
    /shut: sshd, account: nobody gets through/,
  ],
  [
    'an include that is not there',
    (text) => `${text}\n@include common-nothing\n`,
    /shut: .* includes a file that is not there/,
  ],
  [
    'no exemption of root',
    (text) => text.replaceAll(/^(account|session) .*user = root$/gm, ''),
    /bad: sshd, account: root does not get through/,
  ],
]

describe.each(sshds)('%s with', (file) => {
  test.each(gates)('%s', (_, spoil, expected) => {
    const text = spoil(textOf(file))
    expect(text).not.toBe(textOf(file))
    const found = verdicts('sshd', 'ssh', text)
    expect(found.join('\n')).toMatch(expected)
    // Nothing else is worse than what was done.
    const worst = expected.source.split(':')[0]!
    if (worst === 'bad' || worst === 'note') expect(found.join('\n')).not.toMatch(/^(open|shut)/m)
  })
})

test('the proof names each line that was reached, and what it said', () => {
  const text = textOf('mode-a.sshd').replace(accountLine, `account sufficient pam_permit.so\n${accountLine}`)
  const [{ path } = {}] = judge('sshd', 'ssh', text)
  expect(path?.map((line) => line.replace(/line \d+/, 'line N'))).toEqual([
    '/etc/pam.d/sshd line N: account requisite pam_nologin.so → ignore: ignored',
    '/etc/pam.d/sshd line N: account [success=1 default=ignore] pam_succeed_if.so quiet user = root → auth_err: ignored',
    '/etc/pam.d/sshd line N: account sufficient pam_permit.so → success: that is enough, the rest is skipped',
    'the stack says yes',
  ])
})

const debianSshd = `@include common-auth
account required pam_nologin.so
@include common-account
session [success=ok ignore=ignore module_unknown=ignore default=bad] pam_selinux.so close
session required pam_loginuid.so
@include common-session
session required pam_env.so user_readenv=1 envfile=/etc/default/locale
`

test('Debian’s own file lets in whoever sshd accepts, and that is one finding', () => {
  expect(verdicts('sshd', 'ssh', debianSshd)).toEqual(['open: /etc/pam.d/sshd never asks ob'])
  expect(verdicts('sudo', 'sudo', '@include common-auth\n@include common-account\n')).toEqual([
    'bad: /etc/pam.d/sudo never asks ob',
  ])
})

const auths: readonly (readonly [string, string, (text: string) => string, RegExp])[] = [
  [
    'pam_permit sufficient on top',
    'mode-a.sshd',
    (text) => `auth sufficient pam_permit.so\n${text}`,
    /^open: sshd, auth: everybody/m,
  ],
  [
    'common-auth on top',
    'mode-a.sshd',
    (text) => `@include common-auth\n${text}`,
    /^(shut|bad): sshd, auth: nobody gets in with a token/m,
  ],
  [
    'no pam_deny after the jump',
    'mode-d.sshd',
    (text) => text.replace(/^auth +requisite +pam_deny.so$/m, ''),
    /^open: sshd, auth: everybody/m,
  ],
  [
    'a jump that forgets pam_setcred',
    'mode-d.sshd',
    (text) => text.replace('success=1 ignore=1', 'success=1').replace(/^auth +required +pam_permit.so$/m, ''),
    /answers "ignore" to pam_setcred|nobody gets in with a token/,
  ],
  [
    'a token line that counts in another phase only',
    'mode-d.sshd',
    (text) => text.replace('stdout expose_authtok', 'type=account expose_authtok'),
    /nobody gets in with a token|open: sshd, auth/,
  ],
  [
    'ob before pam_unix',
    'mode-d.sshd',
    () => `auth [success=2 ignore=2 default=ignore] pam_exec.so expose_authtok /usr/sbin/ob
auth [success=1 default=ignore] pam_unix.so
auth requisite pam_deny.so
auth required pam_permit.so
${textOf('mode-d.sshd').replaceAll(/^auth .*$/gm, '')}`,
    /^bad: sshd, auth: ob is asked about Unix passwords/m,
  ],
]
test.each(auths)('auth with %s', (_, file, spoil, expected) => {
  expect(verdicts('sshd', 'ssh', spoil(textOf(file))).join('\n')).toMatch(expected)
})

test('where sshd takes neither keys nor another way, a token that gets nobody in shuts the host', () => {
  const text = `@include common-auth\n${textOf('mode-a.sshd')}`
  expect(verdicts('sshd', 'ssh', text, { sshd: { takesSecrets: true, takesKeys: false } }).join('\n')).toMatch(/^shut/m)
})

test('where sshd takes no typed secret, the auth lines say nothing', () => {
  const text = `auth sufficient pam_permit.so\n${textOf('mode-e.sshd')}`
  expect(verdicts('sshd', 'ssh', text, { sshd: { takesSecrets: false, takesKeys: true } })).toEqual([])
})

test('a pam_setcred that would end the login is found', () => {
  const text = textOf('mode-a.sshd').replace(
    /^auth[\s\S]*?(?=^# --- account)/m,
    'auth [success=done ignore=done default=die] pam_exec.so expose_authtok /usr/sbin/ob\n',
  )
  expect(verdicts('sshd', 'ssh', text).join('\n')).toMatch(/pam_setcred/)
})

test('sudo: the account line is the gate, also under targetpw', () => {
  const text = textOf('mode-c.sudo')
  expect(verdicts('sudo', 'sudo', text.replace(/^account +requisite.*$/m, '')).join('\n')).toBe(
    'open: /etc/pam.d/sudo never asks ob',
  )
  expect(verdicts('sudo', 'sudo', textOf('mode-d.sudo').replace(/^account +requisite.*$/m, '')).join('\n')).toMatch(
    /^open: sudo, account/m,
  )
  const byName = text.replace('use_uid uid = 0', 'uid = 0')
  expect(verdicts('sudo', 'sudo', byName)).toEqual([])
  expect(verdicts('sudo', 'sudo', byName, { asksTarget: true }).join('\n')).toMatch(/^open: .*targetpw/m)
  expect(verdicts('sudo', 'sudo', text, { asksTarget: true })).toEqual([])
})

test('a module that is not installed refuses', () => {
  const text = textOf('mode-a.sshd').replace(
    '@include common-account',
    'account required pam_sss.so\n@include common-account',
  )
  expect(verdicts('sshd', 'ssh', text)).toEqual([])
  expect(verdicts('sshd', 'ssh', text, { missing: new Set(['pam_sss.so']) }).join('\n')).toMatch(
    /^shut: sshd, account/m,
  )
})

test('sudo -i opens the session of a login, sudo one without', () => {
  for (const file of shipped.filter((name) => name.endsWith('.sudo')))
    for (const [service, others, own] of [
      ['sudo', 'common-session', 'common-session-noninteractive'],
      ['sudo-i', 'common-session-noninteractive', 'common-session'],
    ] as const) {
      const read = (name: string): string | undefined => ({ ...common, [service]: textOf(file) })[name]
      const subject = { name: 'root', uid: 0, isLocal: true, hasPassword: true, programUid: 1000 }
      const path = findPath(stackOf(service, 'session', read)!, {
        known: nothingKnown,
        possible: (line) => possibleAnswers(line, { type: 'session', service, subject, ob: 'yes', mayBeChosen: false }),
        accept: ({ phase }) => phase === 'success',
      })
      const files = new Set(path?.map(({ line }) => line.file))
      expect([file, service, files.has(own), files.has(others)]).toEqual([file, service, true, false])
    }
})
