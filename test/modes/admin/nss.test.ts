// ob nss, as an administrator types it, against the stand-in portal.
import { expect, test } from 'bun:test'
import { mode } from '../../../modes/admin/nss.ts'
import { textOf } from '../../fakes/world.ts'
import { enrolledHost, type Host } from '../host.ts'

async function ob(host: Host, ...args: readonly string[]) {
  const ending = await mode.run(args, host.world)
  if (ending.kind === 'usage') return { outcome: 'usage', text: ending.text }
  return { outcome: ending.outcome.kind, text: ending.text ?? '' }
}

const passwd = (host: Host): string => textOf(host.world, '/var/lib/extrausers/passwd') ?? ''

async function hostWith(...users: readonly string[]): Promise<Host> {
  const host = await enrolledHost()
  for (const user of users) host.portal.control.setUser({ user })
  return host
}

test('a user is added as the portal describes them, shown, and listed', async () => {
  const host = await hostWith('nina')
  expect(await ob(host, 'add', 'nina')).toMatchObject({ outcome: 'allowed' })
  const shown = JSON.parse((await ob(host, 'show', 'nina', '--json')).text)
  expect(shown).toMatchObject({ name: 'nina', home: '/home/nina', state: 'active' })
  expect((await ob(host, 'list')).text).toContain('nina')
  expect(await ob(host, 'verify')).toEqual({ outcome: 'allowed', text: 'registry and export agree\n' })
})

test('whom nobody knows is not added, shown, removed or refreshed', async () => {
  const host = await hostWith()
  for (const verb of ['add', 'show', 'remove', 'refresh'])
    expect([verb, (await ob(host, verb, 'nobody')).outcome]).toEqual([verb, 'denied'])
})

test('a pinned uid is the user’s for ever, and nobody else’s', async () => {
  const host = await hostWith('nina', 'nils')
  expect(await ob(host, 'pin', 'nina', '22222')).toMatchObject({ outcome: 'allowed' })
  expect((await ob(host, 'pin', 'nils', '22222')).outcome).toBe('denied')
  expect((await ob(host, 'pin', 'nina', '22223')).text).toContain('a uid never changes')
  expect((await ob(host, 'pin', 'nils', '999')).outcome).toBe('denied')
  await ob(host, 'add', 'nina')
  expect(passwd(host)).toContain('nina:x:22222:22222:')
  expect(passwd(host)).not.toContain('nils')
})

test('who is removed stays removed, whoever connects with the name, and comes back after a proof', async () => {
  const host = await hostWith('nina')
  await ob(host, 'add', 'nina')
  await ob(host, 'remove', 'nina')
  host.portal.control.setRules({ group: 'backend', ssh: true })
  // sshd's placeholder for a name that it does not know: anybody can cause it.
  const stranger = await host.phase('auth', { PAM_USER: 'nina' }, '\b\n\r\u007fINCORRECT')
  expect([stranger.outcome, passwd(host).includes('nina')]).toEqual(['denied newcomer-registered', false])
  await host.phase('open_session', { PAM_USER: 'nina', SSH_AUTH_INFO_0: 'password\n' })
  expect(passwd(host)).toContain('nina:x:')
})

test('a refresh that began before the removal undoes nothing', async () => {
  const host = await hostWith('nina')
  await ob(host, 'add', 'nina')
  const { fetch } = host.world
  Object.assign(host.world, {
    fetch: async (...asked: Parameters<typeof fetch>) => {
      Object.assign(host.world, { fetch })
      await ob(host, 'remove', 'nina')
      return fetch(...asked)
    },
  })
  expect((await ob(host, 'refresh', 'nina')).outcome).toBe('denied')
  expect(passwd(host)).not.toContain('nina')
})

test('who is removed is exported no more, keeps the uid, and comes back with it', async () => {
  const host = await hostWith('nina')
  await ob(host, 'pin', 'nina', '22222')
  const removed = await ob(host, 'remove', 'nina')
  expect(removed.text).toBe(
    'nina is retired: found by NSS no more; uid 22222 stays taken and /home/nina stays as it is\n',
  )
  expect(passwd(host)).not.toContain('nina')
  expect((await ob(host, 'refresh', 'nina')).outcome).toBe('denied')
  expect((await ob(host, 'pin', 'nils', '22222')).outcome).toBe('denied')
  await ob(host, 'add', 'nina')
  expect(passwd(host)).toContain('nina:x:22222:')
})

test('an export that somebody edited is found by verify and mended by export', async () => {
  const host = await hostWith('nina')
  await ob(host, 'add', 'nina')
  const right = passwd(host)
  host.world.files.writeAtomic('/var/lib/extrausers/passwd', right.replace('nina', 'nino'), { mode: 0o644 })
  const found = await ob(host, 'verify', '--json')
  expect(found.outcome).toBe('denied')
  expect(JSON.parse(found.text).problems[0]).toContain('/var/lib/extrausers/passwd')
  await ob(host, 'export')
  expect(passwd(host)).toContain(right)
})

test.each([
  [['frobnicate'], 'is not list, show'],
  [['show'], 'needs a user'],
  [['pin', 'nina'], 'a user and a uid'],
  [['pin', 'nina', '0'], 'a user and a uid'],
  [['pin', 'nina', '1e4'], 'a user and a uid'],
  [['add', 'root'], 'is not a user name'],
  [['add', '../x'], 'is not a user name'],
  [['list', 'nina'], 'does not take'],
  [['remove', 'nina', '7'], 'does not take'],
  [['__proto__'], 'is not list, show'],
])('%p is a mistake that is explained', async (args, part) => {
  const { outcome, text } = await ob(await hostWith(), ...args)
  expect([outcome, text.includes(part) || text]).toEqual(['usage', true])
})

test('a refresh of who is gone at the portal is an answer, and no outage', async () => {
  const host = await hostWith('nina')
  await ob(host, 'add', 'nina')
  host.portal.control.removeUser({ user: 'nina' })
  expect(await ob(host, 'refresh', 'nina')).toEqual({
    outcome: 'denied',
    text: 'the portal knows nina no more; the account stays until: ob nss remove nina\n',
  })
  await ob(host, 'remove', 'nina')
  expect((await ob(host, 'refresh', 'nina')).text).toMatch(/^nina was removed here; ob nss add nina brings/)
})

test('a portal that refuses this host, or is away, is told apart, with what helps', async () => {
  const host = await hostWith('nina')
  await ob(host, 'add', 'nina')
  host.portal.control.fault({ kind: 'down' })
  expect(await ob(host, 'refresh', 'nina')).toMatchObject({ outcome: 'unavailable' })
  host.portal.control.fault({ kind: 'none' })
  host.portal.control.dropEnrollment()
  for (const verb of ['add', 'refresh'])
    expect((await ob(host, verb, 'nina')).text).toContain('Invalid refresh_token\n→ ob enroll --force')
})

test.each([
  ['extrausers', 'the export files were right already'],
  ['passwd', '/etc/passwd and its like were right already'],
  ['userdb', 'nobody is exported (create_user_target = userdb): ob serve answers for them'],
])('with create_user_target = %s, export says what it did', async (target, text) => {
  const host = await enrolledHost({
    config: `create_user_target = ${target}`,
    files: { '/etc/shadow': 'root:*:1::::::\n', '/etc/gshadow': 'root:*::\n' },
  })
  host.portal.control.setUser({ user: 'nina' })
  await ob(host, 'add', 'nina')
  await ob(host, 'export')
  expect((await ob(host, 'export')).text).toBe(`${text}\n`)
})

test('accounts that Open Bastion made are adopted by name or all at once, and said first', async () => {
  const lines = 'alice:x:45475:100:Alice A:/home/alice:/bin/bash\ncarol:x:20000:20000::/home/carol:/bin/bash\n'
  const host = await enrolledHost({
    files: {
      '/etc/passwd': `root:x:0:0:root:/root:/bin/bash\n${lines}`,
      '/etc/shadow': 'alice:!:20000:0:99999:7:::\ncarol:$y$x:1::::::\n',
      '/etc/group': 'root:x:0:\nopen-bastion-sudo:x:1201:alice\n',
    },
  })
  const dry = await ob(host, 'adopt', '--dry-run')
  expect(dry.text.split('\n').slice(0, 2)).toEqual([
    'alice: would be adopted, uid 45475',
    'carol: left alone, the account has a password of its own, or had one, so it is a local one',
  ])
  expect((await ob(host, 'list')).text).toContain('no portal user')
  expect(await ob(host, 'adopt', 'carol')).toMatchObject({ outcome: 'denied' })
  expect(await ob(host, 'adopt', 'nobody')).toMatchObject({ outcome: 'denied' })
  expect((await ob(host, 'adopt')).outcome).toBe('allowed')
  expect(JSON.parse((await ob(host, 'show', 'alice', '--json')).text)).toMatchObject({ uid: 45475, sudo: true })
  expect((await ob(host, 'adopt', '--json')).text).not.toContain('alice')
  expect(await ob(host, 'verify')).toMatchObject({ outcome: 'allowed' })
  expect((await ob(host, 'list', '--dry-run')).outcome).toBe('usage')
  // NSS goes on finding the line of /etc/passwd, and only an administrator takes that away.
  Object.assign(host.world, { spawn: async () => ({ code: 0, stdout: lines, stderr: '' }) })
  expect((await ob(host, 'remove', 'alice')).text).toContain('still in /etc/passwd, so: userdel alice')
})
