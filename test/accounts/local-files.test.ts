// Accounts in /etc/passwd: what is ours changes, what is not stays to the byte.
import { expect, test } from 'bun:test'
import { editLocal } from '../../src/accounts/local-files.ts'
import type { RegistryUser } from '../../src/accounts/registry-format.ts'
import { checkConfig } from '../../src/config/load.ts'

const checked = checkConfig('portal_url = https://auth.example.test\nallowed_managed_groups = dev, adm\n')
if (checked.kind === 'refused') throw new Error('the configuration of this test is refused')
const { config } = checked

const alice: RegistryUser = {
  uid: 20001,
  gid: 20001,
  gecos: 'Zoë',
  home: '/home/alice',
  shell: '/bin/bash',
  sudo: true,
  groups: ['dev', 'adm', 'shadow'],
  source: 'portal',
  createdAt: 86_400 * 20_000,
  state: 'active',
}
const groups = new Map([
  ['open-bastion-sudo', 25000],
  ['dev', 25001],
])
const files = {
  passwd: 'root:x:0:0:root:/root:/bin/bash\nodd line\njos\xe9:x:1000:1000::/:/bin/sh\n',
  shadow: 'root:*:1::::::\n',
  group: 'root:x:0:\nadm:x:4:syslog,bob\nshadow:x:42:\n# end\n',
  gshadow: 'root:*::\nadm:*::syslog,bob\n',
}
const edit = (user: RegistryUser, given = files) =>
  editLocal(given, config, { users: new Map([['alice', user]]), groups })

test('a user is added to four files and to the groups that were named, and nothing else changes', () => {
  expect(edit(alice)).toEqual({
    passwd: `${files.passwd}alice:x:20001:20001:Zo\xc3\xab:/home/alice:/bin/bash\n`,
    shadow: `${files.shadow}alice:*:20000:0:99999:7:::\n`,
    group:
      'root:x:0:\nadm:x:4:syslog,bob,alice\nshadow:x:42:\n# end\nalice:x:20001:\nopen-bastion-sudo:x:25000:alice\ndev:x:25001:alice\n',
    gshadow: 'root:*::\nadm:*::syslog,bob,alice\nalice:!::\nopen-bastion-sudo:!::alice\ndev:!::alice\n',
  })
})

test('doing it again changes nothing, and a password that somebody set stays', () => {
  const once = edit(alice)
  expect(edit(alice, once)).toEqual(once)
  const set = { ...once, shadow: once.shadow.replace('alice:*:', 'alice:$y$hash:') }
  expect(edit(alice, set)).toEqual(set)
})

test('who is retired leaves all of them, and other members stay', () => {
  const gone = edit({ ...alice, state: 'retired' }, edit(alice))
  expect(gone.passwd + gone.shadow + gone.group + gone.gshadow).not.toContain('alice')
  expect(gone.group).toContain('adm:x:4:syslog,bob\n')
})

test('a local account of that name with another uid is left alone in every file', () => {
  const local = { ...files, passwd: `${files.passwd}alice:x:1001:1001::/home/a:/bin/sh\n` }
  const after = edit(alice, local)
  expect([after.passwd, after.shadow]).toEqual([local.passwd, local.shadow])
  expect(after.group).not.toContain('alice')
})
