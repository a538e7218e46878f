import { expect, test } from 'bun:test'
import { parseLoginName } from '../../src/base/names.ts'
import { attributesIn, completed, decideFunctional, personOf } from '../../src/shell/policy.ts'
import { functionalRole } from '../../src/shell/role-policy.ts'
import { parseAccount, type SwitchFacts, switchTo } from '../../src/shell/switch-policy.ts'
import type { PublicKey } from '../../src/ssh/wire.ts'
import { certificateLine, keyOf, publicKeyLine } from '../fakes/ssh-keys.ts'

const certificate = (...options: readonly string[]) => keyOf(certificateLine('ed25519', ['-I', 'id', ...options]))

const people: readonly (readonly [string, PublicKey | undefined, string])[] = [
  ['one name', certificate('-n', 'alice'), 'alice'],
  ['the first of several names', certificate('-n', 'alice,group:dev'), 'alice'],
  ['root', certificate('-n', 'root'), 'denied person-refused'],
  ['the functional account itself', certificate('-n', 'login'), 'denied person-refused'],
  ['the account of the authority', certificate('-n', 'ca'), 'denied person-refused'],
  ['no name', certificate(), 'denied bad-login-name'],
  ['a name that is none', certificate('-n', '../etc'), 'denied bad-login-name'],
  ['a host’s certificate', certificate('-h', '-n', 'alice'), 'denied certificate-needed'],
  ['a plain key', keyOf(publicKeyLine('ed25519')), 'denied certificate-needed'],
  ['nothing that was proven', undefined, 'denied no-proof'],
]
test.each(people)('a certificate with %s', (_, key, expected) => {
  const person = personOf(key, ['login', 'web', 'ca'])
  expect(person.kind === 'person' ? String(person.name) : `denied ${person.outcome.reason}`).toBe(expected)
})

test('nothing but ssh comes to such an account, and nothing that is typed unless tokens may be', () => {
  const decided = (phase: Parameters<typeof decideFunctional>[0]['phase'], ssh: boolean, tokens = false) =>
    decideFunctional({ phase, ssh, tokens })?.reason
  expect([decided('auth', true, true), decided('auth', false, true)]).toEqual([undefined, 'certificate-needed'])
  expect([decided('auth', true), decided('auth', false)]).toEqual(['certificate-needed', 'certificate-needed'])
  expect([decided('account', true), decided('account', false)]).toEqual(['functional-account', 'functional-ssh-only'])
  expect([decided('open_session', true), decided('open_session', false)]).toEqual([undefined, 'functional-ssh-only'])
})

test('an account is functional when the configuration says so, and nobody is by default', () => {
  const config = { ca_user: 'ca', functional_accounts: ['login'] }
  expect(['ca', 'login', 'alice', undefined].map((user) => functionalRole(user, config))).toEqual([
    'authority',
    'person',
    undefined,
    undefined,
  ])
  expect(functionalRole(undefined, { ca_user: undefined, functional_accounts: [] })).toBeUndefined()
})

const alice = parseLoginName('alice')!

test.each([
  ['a person', 'alice:x:10001:10001:Alice:/home/alice:/bin/bash', 10001],
  ['a system account', 'alice:x:999:999::/:/bin/sh', undefined],
  ['root under another name', 'alice:x:0:0::/root:/bin/bash', undefined],
  ['a padded zero', 'alice:x:0000:0::/root:/bin/bash', undefined],
  ['nobody', 'alice:x:65534:65534::/:/bin/sh', undefined],
  ['somebody else', 'bob:x:10002:10002::/home/bob:/bin/bash', undefined],
  ['a home that is no path', 'alice:x:10001:10001::home:/bin/bash', undefined],
  ['a line with more fields', 'alice:x:10001:10001::/home/alice:/bin/bash:x', undefined],
  ['nothing', '', undefined],
])('the account of %s', (_, line, uid) => expect(parseAccount(line, alice)?.uid).toBe(uid as number))

const facts: SwitchFacts = {
  account: parseAccount('alice:x:10001:10001::/home/alice:/bin/zsh', alice)!,
  command: undefined,
  terminal: undefined,
  sshConnection: '192.0.2.7 50000 192.0.2.1 22',
  language: { LANG: 'de_DE.UTF-8' },
}

test('a shell is a login shell with the variables of the connection, a command runs in the home', () => {
  const argv = (more: Partial<SwitchFacts>) => switchTo({ ...facts, ...more }).argv.join(' ')
  const kept = 'LANG,SSH_CONNECTION,SSH_CLIENT'
  expect(argv({})).toBe(`/usr/sbin/runuser -w ${kept} -l alice`)
  expect(argv({ terminal: '/dev/pts/3' })).toBe(`/usr/sbin/runuser -w ${kept},SSH_TTY -l alice`)
  expect(argv({ language: {}, sshConnection: '' })).toBe('/usr/sbin/runuser -l alice')
  expect(argv({ command: 'id; $(x)' })).toBe('/usr/sbin/runuser -u alice -- /bin/zsh -c id; $(x)')
  expect(argv({ command: 'id', terminal: '/dev/pts/3' })).toBe('/usr/sbin/runuser -u alice -- /bin/zsh -c id')
  expect(switchTo({ ...facts, command: 'id' }).directory).toBe('/home/alice')
  expect(switchTo({ ...facts, command: 'id', terminal: '/dev/pts/3' }).env).toEqual({
    LANG: 'de_DE.UTF-8',
    SSH_CONNECTION: '192.0.2.7 50000 192.0.2.1 22',
    SSH_CLIENT: '192.0.2.7 50000 22',
    SSH_TTY: '/dev/pts/3',
    USER: 'alice',
    LOGNAME: 'alice',
    HOME: '/home/alice',
    SHELL: '/bin/zsh',
    PATH: '/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games',
    MAIL: '/var/mail/alice',
  })
})

test('a certificate adds what the portal does not say, when this host wants to hear it', () => {
  const key = certificate(
    ...['-n', 'alice', '-O', 'extension:gecos@openbastion=Alice L.'],
    ...['-O', 'extension:groups@openbastion=dev,ops'],
  )
  expect(attributesIn(key, [])).toEqual({})
  expect(attributesIn(key, ['gecos'])).toEqual({ gecos: 'Alice L.' })
  const said = attributesIn(key, ['gecos', 'groups'])
  expect(said).toEqual({ gecos: 'Alice L.', groups: ['dev', 'ops'] })
  expect(completed<{ groups: readonly string[]; gecos?: string }>({ groups: [] }, said)).toEqual({
    gecos: 'Alice L.',
    groups: ['dev', 'ops'],
  })
  expect(completed<{ gecos?: string; groups: readonly string[] }>({ gecos: 'A', groups: ['hr'] }, said)).toEqual({
    gecos: 'A',
    groups: ['hr'],
  })
  expect(completed({ groups: ['hr'] })).toEqual({ groups: ['hr'] })
  expect(attributesIn(certificate('-n', 'alice'), ['gecos', 'groups'])).toEqual({})
})
