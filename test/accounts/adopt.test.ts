// Accounts and groups of a host on which the C implementation ran: they are adopted where they are.
import { expect, test } from 'bun:test'
import { readCandidates, unadopted } from '../../src/accounts/adopt.ts'
import { openAccounts } from '../../src/accounts/provision.ts'
import { type LoginName, parseLoginName } from '../../src/base/names.ts'
import { checkConfig } from '../../src/config/load.ts'
import { type FakeWorld, fakeWorld, textOf } from '../fakes/world.ts'

const configOf = (extra = '') => {
  const text = `portal_url = https://auth.example.test\ncreate_user = true\nallowed_managed_groups = dev\n${extra}`
  const checked = checkConfig(text)
  if (checked.kind === 'refused') throw new Error(JSON.stringify(checked.problems))
  return checked.config
}
const named = (text: string): LoginName => {
  const name = parseLoginName(text)
  if (!name) throw new Error(`${text} is no name`)
  return name
}

const passwd = [
  'root:x:0:0:root:/root:/bin/bash',
  'localadm:x:1000:1000::/home/localadm:/bin/bash',
  'alice:x:45475:100:Alice A:/home/alice:/bin/zsh',
  'carol:x:20000:20000::/home/carol:/bin/bash',
  '',
].join('\n')
const shadow = 'root:*:1:0:99999:7:::\nlocaladm:$y$x:1::::::\nalice:!:20000:0:99999:7:::\ncarol:$y$x:1::::::\n'
const group = 'root:x:0:\nshadow:x:42:\nusers:x:100:\ndev:x:1200:alice\nopen-bastion-sudo:x:1201:alice\n'

const host = (groups = group, users = passwd): FakeWorld =>
  fakeWorld({
    files: { '/etc/passwd': users, '/etc/shadow': shadow, '/etc/group': groups, '/etc/gshadow': 'dev:!::alice\n' },
  })

const exported = (world: FakeWorld, file: string): readonly string[] =>
  (textOf(world, `/var/lib/extrausers/${file}`) ?? '').split('\n').filter(Boolean)

const login = (world: FakeWorld, name: string, wanted: object = {}, extra = '') =>
  openAccounts(world, configOf(extra)).provision(named(name), wanted, false)

test('a user whom the C implementation made keeps the uid and the line, and gets into the registry', async () => {
  const world = host()
  expect(await login(world, 'alice', { sudo: true, groups: ['dev'], shell: '/bin/bash' })).toMatchObject({
    kind: 'ready',
    made: false,
    record: { uid: 45475, gid: 100, gecos: 'Alice A', shell: '/bin/zsh', sudo: true, source: 'adopted' },
  })
  expect(textOf(world, '/etc/passwd')).toBe(passwd)
  expect([exported(world, 'passwd'), exported(world, 'shadow')]).toEqual([[], []])
  expect(await openAccounts(world, configOf()).verify()).toEqual([])
  expect(unadopted(world, configOf())).toEqual([])
  // The portal's word about groups and sudo counts at every later login.
  await login(world, 'alice', { sudo: false, groups: [] })
  expect(textOf(world, '/etc/group')).toContain('dev:x:1200:\nopen-bastion-sudo:x:1201:\n')
  expect(textOf(world, '/etc/gshadow')).toBe('dev:!::\n')
  await login(world, 'alice', { sudo: true, groups: ['dev'] })
  expect(textOf(world, '/etc/group')).toContain('dev:x:1200:alice\nopen-bastion-sudo:x:1201:alice\n')
  expect(await openAccounts(world, configOf()).verify()).toEqual([])
})

test('nobody gets the uid of an adopted account, and a removed one stays a line of this host', async () => {
  const world = host()
  await login(world, 'alice')
  expect(await login(world, 'zoe', { uid: 45475 })).toMatchObject({ kind: 'ready', record: { source: 'portal' } })
  expect((await openAccounts(world, configOf()).retire(named('alice')))?.state).toBe('retired')
  expect(textOf(world, '/etc/group')).not.toContain('alice')
  expect(textOf(world, '/etc/passwd')).toBe(passwd)
})

test('whose line an administrator removed is exported like anybody else, with the same uid', async () => {
  const world = host()
  await login(world, 'alice', { sudo: true })
  world.disk.get('/etc/passwd')!.data = new TextEncoder().encode(passwd.replace(/^alice.*\n/m, ''))
  world.disk.get('/etc/passwd')!.modifiedAt++
  await openAccounts(world, configOf()).sync()
  expect(exported(world, 'passwd')).toEqual(['alice:x:45475:100:Alice A:/home/alice:/bin/zsh'])
})

test('a password that an administrator locked makes no account of the C implementation', async () => {
  const world = host()
  for (const password of ['!$y$j9T$x', '$y$j9T$x!', '']) {
    const locked = shadow.replace('alice:!:', `alice:${password}:`)
    world.disk.get('/etc/shadow')!.data = new TextEncoder().encode(locked)
    expect([password, (await login(world, 'alice', { sudo: true })).kind]).toEqual([password, 'local'])
  }
})

test.each([
  ['a password of its own', 'carol', 'has a password of its own'],
  ['a uid of people of this host', 'localadm', 'is not between min_uid and max_uid'],
  ['a group of the system', 'dora:x:20001:27::/home/dora:/bin/bash', 'is a group of the system'],
  ['root’s group', 'dora:x:20001:0::/home/dora:/bin/bash', 'is a group of the system'],
  ['a uid that is another’s, too', 'dora:x:45475:100::/home/dora:/bin/bash', 'is alice, too'],
  ['no home', 'dora:x:20001:100::/:/bin/bash', 'is no absolute path'],
  ['a home without a beginning', 'dora:x:20001:100::home/dora:/bin/bash', 'is no absolute path'],
  ['a shell without a beginning', 'dora:x:20001:100::/home/dora:bin/bash', 'is no absolute path'],
  ['two lines', 'dora:x:20001:100::/home/dora:/bin/bash\ndora:x:20002:100::/home/dora:/bin/bash', 'is there twice'],
])('an account with %s stays a local one', async (_, line, says) => {
  const name = line.split(':')[0]!
  const world = host(group, line === name ? passwd : `${passwd}${line}\n`)
  if (line !== name) world.disk.get('/etc/shadow')!.data = new TextEncoder().encode(`${shadow}dora:!:1::::::\n`)
  expect(readCandidates(world, configOf(), name)[0]?.problem).toContain(says)
  expect((await login(world, name, { sudo: true })).kind).toBe('local')
  expect(textOf(world, '/etc/group')).toBe(group)
})

test('the first and the last uid of the range are adopted, and what systemd keeps for itself inside it is not', () => {
  const wide = configOf('min_uid = 20001\nmax_uid = 70000\n')
  const lines = ['first:x:20001', 'last:x:70000', 'below:x:20000', 'dynamic:x:61184'].map(
    (start) => `${start}:100::/home/x:/bin/bash\n`,
  )
  const world = host(group, passwd + lines.join(''))
  const names = ['first', 'last', 'below', 'dynamic']
  world.disk.get('/etc/shadow')!.data = new TextEncoder().encode(names.map((name) => `${name}:!:1::::::\n`).join(''))
  expect(unadopted(world, wide)).toEqual(['first', 'last'])
})

test('who is in no group of it is adopted without sudo and without groups', async () => {
  const world = host(group.replaceAll(':alice', ':'))
  await login(world, 'alice')
  const { sudo, groups } = openAccounts(world, configOf()).registry().users.get('alice')!
  expect({ sudo, groups }).toEqual({ sudo: false, groups: [] })
  expect(textOf(world, '/etc/group')).toBe(group.replaceAll(':alice', ':'))
})

test('accounts that this program made are in no group of /etc/group', async () => {
  const world = host(group.replaceAll(':alice', ':'))
  await login(world, 'deploy', { service: { uid: undefined, gid: undefined }, sudo: true, groups: [], revive: true })
  await login(world, 'nina', { sudo: true, groups: ['dev'] })
  expect(textOf(world, '/etc/group')).toBe(group.replaceAll(':alice', ':'))
})

test('with create_user_target = passwd the adopted line is ours like every other', async () => {
  const world = host()
  await login(world, 'alice', { sudo: true }, 'create_user_target = passwd\n')
  expect(textOf(world, '/etc/passwd')).toBe(passwd)
  await openAccounts(world, configOf('create_user_target = passwd\n')).retire(named('alice'))
  expect(textOf(world, '/etc/passwd')).not.toContain('alice')
})

test('a service account that the C implementation made keeps its line, too, and gets its groups', async () => {
  const line = 'deploy:x:9001:9001:Deployment:/home/deploy:/bin/bash\n'
  const world = host(`${group}deploy:x:9001:\n`, passwd + line)
  world.disk.get('/etc/shadow')!.data = new TextEncoder().encode(`${shadow}deploy:!:1::::::\n`)
  const service = { uid: 9001, gid: 9001 }
  const wanted = { service, sudo: true, groups: ['open-bastion-nopasswd'], revive: true }
  expect((await login(world, 'deploy', { ...wanted, service: { uid: 9002, gid: 9001 } })).kind).toBe('impossible')
  expect(await login(world, 'deploy', wanted)).toMatchObject({
    kind: 'ready',
    record: { uid: 9001, gid: 9001, source: 'service' },
  })
  expect(textOf(world, '/etc/passwd')).toBe(passwd + line)
  expect(exported(world, 'passwd')).toEqual([])
  expect(exported(world, 'group').filter((one) => one.endsWith(':deploy'))).toEqual([
    'open-bastion-sudo:x:1201:deploy',
    expect.stringMatching(/^open-bastion-nopasswd:x:\d+:deploy$/),
  ])
  expect(textOf(world, '/etc/group')).toContain('open-bastion-sudo:x:1201:alice,deploy\n')
  // Both in one file, with one gid: an initgroups line of nsswitch.conf would stop at the first file that knows a group.
  const [made] = exported(world, 'group').filter((one) => one.startsWith('open-bastion-nopasswd:'))
  expect(textOf(world, '/etc/group')).toContain(`${made}\n`)
  expect(textOf(world, '/etc/gshadow')).toContain('open-bastion-nopasswd:!::deploy\n')
  expect(await openAccounts(world, configOf()).verify()).toEqual([])
})

test('/etc that cannot be written refuses no login, and the next one tries again', async () => {
  const world = host()
  const { editAccounts } = world.files
  const readOnly = { ...world, files: { ...world.files, editAccounts: () => expect.unreachable() } }
  const { Fault } = await import('../../src/base/fault.ts')
  Object.assign(readOnly.files, {
    editAccounts: () => {
      throw new Fault('read-only')
    },
  })
  expect((await login(readOnly as FakeWorld, 'alice', { sudo: false, groups: [] })).kind).toBe('ready')
  expect(textOf(world, '/etc/group')).toBe(group)
  expect(await openAccounts(world, configOf()).verify()).toContain(
    '/etc/group does not say what the registry says; run: ob nss export',
  )
  Object.assign(world.files, { editAccounts })
  await login(world, 'alice', { sudo: false, groups: [] })
  expect(textOf(world, '/etc/group')).toContain('open-bastion-sudo:x:1201:\n')
})

// libnss-extrausers cannot hide a group of /etc/group, but NSS adds up what every source says about a user.
test.each([
  ['of the host', 1201, 1201],
  ['too low for libnss-extrausers', 120, 'another'],
] as const)(
  'with an open-bastion-sudo in /etc/group whose gid is %s, portal users are in it',
  async (_, gid, wanted) => {
    const world = host(group.replace('1201:alice', `${gid}:`))
    await login(world, 'nina', { sudo: true })
    const [line] = exported(world, 'group').filter((one) => one.startsWith('open-bastion-sudo:'))
    expect(line).toMatch(/^open-bastion-sudo:x:\d+:nina$/)
    const found = Number(line!.split(':')[2])
    if (wanted === 'another') expect(found).toBeGreaterThanOrEqual(10_000)
    else expect(found).toBe(wanted)
    expect(await openAccounts(world, configOf()).verify()).toEqual([])
    // One more, and one fewer: the line is exchanged, not repeated.
    await login(world, 'nils', { sudo: true })
    await login(world, 'nina', { sudo: false })
    expect(exported(world, 'group').filter((one) => one.startsWith('open-bastion-sudo:'))).toEqual([
      `open-bastion-sudo:x:${found}:nils`,
    ])
  },
)

test('a group that somebody makes later in /etc/group is followed', async () => {
  const world = host('root:x:0:\nshadow:x:42:\n')
  await login(world, 'nina', { sudo: true })
  world.disk.get('/etc/group')!.data = new TextEncoder().encode(group)
  await login(world, 'nils', { sudo: true })
  expect(exported(world, 'group')).toContain('open-bastion-sudo:x:1201:nils,nina')
})
