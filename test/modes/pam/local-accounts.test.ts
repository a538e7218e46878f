// A portal user may be called as an account of this host: the same rule in every phase.
import { expect, test } from 'bun:test'
import { enrolledHost } from '../host.ts'

const passwd = [
  'root:x:0:0:root:/root:/bin/bash',
  'daemon:x:1:1::/usr/sbin:/usr/sbin/nologin',
  'postgres:x:110:110::/var/lib/postgresql:/bin/bash',
  'toor:x:0:0::/root:/bin/bash',
  'admin:x:1000:1000::/home/admin:/bin/bash',
  '',
].join('\n')

const host = async (config = '') => {
  const made = await enrolledHost({ config, files: { '/etc/passwd': passwd } })
  for (const user of ['daemon', 'postgres', 'toor', 'admin']) made.portal.control.setUser({ user, groups: ['ops'] })
  made.portal.control.setRules({ group: 'backend', ssh: true, sudo: true })
  return made
}

const phases = async (made: Awaited<ReturnType<typeof host>>, user: string): Promise<readonly string[]> => {
  const token = made.portal.control.mintToken({ user })
  const env = { PAM_USER: user, SSH_AUTH_INFO_0: 'password\n' }
  const outcomes = [
    await made.phase('auth', env, token),
    await made.phase('account', env),
    await made.phase('open_session', env),
    await made.phase('account', { PAM_SERVICE: 'sudo', PAM_USER: user, PAM_RUSER: user, PAM_RHOST: '' }),
  ]
  return [...new Set(outcomes.map(({ outcome }) => outcome))]
}

test.each(['daemon', 'postgres', 'toor'])('%s is never for the portal, and nobody asks it', async (user) => {
  const made = await host()
  made.portal.control.forgetRequests()
  expect(await phases(made, user)).toEqual(['denied local-account'])
  expect(made.portal.control.requests()).toEqual([])
})

test('people of this host are, unless local_accounts says otherwise', async () => {
  const people = ['allowed token-accepted', 'allowed portal-allowed', 'allowed session-opened', 'allowed sudo-allowed']
  expect(await phases(await host(), 'admin')).toEqual(people)
  expect(await phases(await host('local_accounts = none'), 'admin')).toEqual(['denied local-account'])
  expect(await phases(await host('local_accounts = postgres'), 'admin')).toEqual(['denied local-account'])
})

test('an account of the system counts when local_accounts names it, and a second name of root never', async () => {
  expect(await phases(await host('local_accounts = people, postgres'), 'postgres')).toContain('allowed portal-allowed')
  expect(await phases(await host('local_accounts = toor'), 'toor')).toEqual(['denied local-account'])
})

test('the words of local_accounts', async () => {
  for (const value of ['none, admin', 'root', 'UPPER'])
    expect(
      (await host(`local_accounts = ${value}`).then((made) => made.phase('account', { PAM_USER: 'x' }))).outcome,
    ).toBe('unavailable fault')
})

test('a user whom Open Bastion made is adopted by a login, but not with local_accounts = none', async () => {
  const files = {
    '/etc/passwd': `${passwd}alice:x:45475:100::/home/alice:/bin/bash\n`,
    '/etc/shadow': 'alice:!:20590:0:99999:7:::\n',
  }
  for (const [config, adopted] of [
    ['', true],
    ['local_accounts = none', false],
  ] as const) {
    const made = await enrolledHost({ config, files })
    made.portal.control.setUser({ user: 'alice' })
    made.portal.control.setRules({ group: 'backend', ssh: true, sudo: true })
    const outcomes = await phases(made, 'alice')
    expect([config, outcomes.includes('denied local-account')]).toEqual([config, !adopted])
    const registry = made.world.disk.get('/var/lib/open-bastion/users.json')?.data ?? new Uint8Array()
    expect([config, new TextDecoder().decode(registry).includes('"source":"adopted"')]).toEqual([config, adopted])
  }
})
