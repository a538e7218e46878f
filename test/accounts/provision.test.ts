// Accounts on a host whose files are not as tidy as one would like.
import { expect, test } from 'bun:test'
import { sharedGroups } from '../../src/accounts/groups.ts'
import { openAccounts } from '../../src/accounts/provision.ts'
import { type LoginName, parseLoginName } from '../../src/base/names.ts'
import { type Config, checkConfig } from '../../src/config/load.ts'
import { type FakeWorld, fakeWorld, textOf } from '../fakes/world.ts'

const passwd = 'root:x:0:0:root:/root:/bin/bash\n'
const group = 'root:x:0:\nshadow:x:42:\n'

const config = ((): Config => {
  const checked = checkConfig('portal_url = https://auth.example.test\ncreate_user = true\n')
  if (checked.kind === 'refused') throw new Error('the configuration of this test is refused')
  return checked.config
})()

const named = (text: string): LoginName => {
  const name = parseLoginName(text)
  if (!name) throw new Error(`${text} is no name`)
  return name
}

const bytesOf = (text: string) => Uint8Array.from(text, (letter) => letter.charCodeAt(0))

/** A host with these lines in its files, a byte for each letter. */
function hostWith(files: Readonly<Record<string, string>>): FakeWorld {
  const world = fakeWorld({ files: { '/etc/passwd': passwd, '/etc/group': group } })
  for (const [path, text] of Object.entries(files))
    world.disk.set(path, { data: bytesOf(text), mode: 0o644, uid: 0, gid: 0, modifiedAt: 0 })
  return world
}

const provision = (world: FakeWorld, user: string, uid?: number) =>
  openAccounts(world, config).provision(named(user), uid === undefined ? {} : { uid }, true)

test('a byte that is not UTF-8 hides no local account: chfn lets every user write one', async () => {
  const world = hostWith({
    '/etc/passwd': `${passwd}mallory:x:20000:100:,\xe9,,:/home/mallory:/bin/bash\nvictim:x:20001:100::/home/victim:/bin/bash\n`,
  })
  expect((await provision(world, 'victim')).kind).toBe('local')
  expect((await provision(world, 'mallory')).kind).toBe('local')
  expect(await provision(world, 'alice', 20001)).toMatchObject({ kind: 'ready', record: { uid: 45475 } })
})

test.each([
  ['blanks before the line', ' \tvictim:x:20001:100::/home/victim:/bin/bash'],
  ['fields that are missing at the end', 'victim:x:20001:100'],
  ['a colon too many', 'victim:x:20001:100::/home/victim:/bin/bash:'],
  ['no line end', 'victim:x:20001:100::/home/victim:/bin/bash'],
])('a local account is seen with %s, as the C library sees it', async (_, line) => {
  const world = hostWith({ '/etc/passwd': `${passwd}${line}` })
  expect((await provision(world, 'victim')).kind).toBe('local')
  const alice = await provision(world, 'alice', 20001)
  expect(alice).toMatchObject({ kind: 'ready', record: { uid: 45475 } })
})

test('both uids of a name that is there twice are taken', async () => {
  const twice = ['victim:x:20001:100::/home/victim:/bin/bash', 'victim:x:20002:100::/home/victim:/bin/bash']
  for (const uid of [20001, 20002]) {
    const world = hostWith({ '/etc/passwd': `${passwd}${twice.join('\n')}\n` })
    const alice = await provision(world, 'alice', uid)
    expect(alice).toMatchObject({ kind: 'ready', record: { uid: 45475 } })
  }
})

test('lines of others in an export file that is not UTF-8 are left as they are', async () => {
  const path = '/var/lib/extrausers/passwd'
  const world = hostWith({ [path]: 'carol:x:20003:100:Carol \xe9:/home/carol:/bin/bash\n' })
  await expect(provision(world, 'alice')).rejects.toThrow(`${path} is not UTF-8`)
  expect(world.disk.get(path)?.data.includes(0xe9)).toBe(true)
  expect(textOf(world, path)).toContain('carol:')
})

/** A host whose NSS knows more accounts than its files, as with sssd. */
function hostWithDirectory(accounts: Readonly<Record<string, number>>): FakeWorld {
  return fakeWorld({
    files: { '/etc/passwd': passwd, '/etc/group': group },
    spawn: ([program, database, ...keys]) => {
      if (program !== 'getent' || database !== 'passwd') return { code: 127 }
      const found = Object.entries(accounts).filter(([name, uid]) => keys.includes(name) || keys.includes(String(uid)))
      return { code: 0, stdout: found.map(([name, uid]) => `${name}:x:${uid}:100::/:/bin/sh\n`).join('') }
    },
  })
}

test('an account of a directory service is no less taken than one of /etc/passwd', async () => {
  const world = hostWithDirectory({ victim: 5000, other: 45475, another: 33333 })
  expect((await provision(world, 'victim')).kind).toBe('local')
  // 45475 is what alice would get, 33333 what the portal proposes.
  const alice = await provision(world, 'alice', 33333)
  expect(alice.kind === 'ready' && [33333, 45475].includes(alice.record.uid)).toBe(false)
  expect(alice.kind).toBe('ready')
})

test('a user who has an account here is not looked for elsewhere', async () => {
  const asked: string[] = []
  const world = fakeWorld({
    files: { '/etc/passwd': passwd, '/etc/group': group },
    spawn: (argv) => {
      asked.push(argv.join(' '))
      return { code: 2 }
    },
  })
  await provision(world, 'alice')
  const once = asked.length
  await provision(world, 'alice')
  expect([once, asked]).toEqual([1, ['getent passwd alice 45475']])
})

test('a fresh account agrees only with what sshd was told on this very connection', async () => {
  const world = { ...hostWith({}), connectionSeed: () => 'boot 100 5' }
  const accounts = openAccounts(world, config)
  const entry = await accounts.provision(named('nina'), {}, false)
  if (entry.kind !== 'ready') throw new Error(entry.kind)
  const told = (file: string): boolean => {
    for (const path of [...world.disk.keys()]) if (path.includes('/promises/')) world.disk.delete(path)
    world.files.makeDirectory('/run/open-bastion/promises', 0o700)
    world.files.writeAtomic(`/run/open-bastion/promises/${file}`, '', { mode: 0o600 })
    return accounts.matchesReservation(named('nina'), entry)
  }
  const { uid } = entry.record
  expect([
    told(`${uid}.100.nina`),
    told(`${uid}.101.nina`),
    told(`${uid}.100.nils`),
    told(`${uid + 1}.100.nina`),
  ]).toEqual([true, false, false, false])
  // Who was here before is known to NSS by the account itself.
  expect(accounts.matchesReservation(named('nina'), { ...entry, made: false })).toBe(false)
  told(`${uid}.101.nina`)
  expect(accounts.matchesReservation(named('nina'), { ...entry, made: false })).toBe(true)
})

test('the hashes of the export are for root and the group shadow alone', async () => {
  const world = hostWith({})
  await openAccounts(world, config).provision(named('nina'), {}, false)
  const { mode, uid, gid } = world.disk.get('/var/lib/extrausers/shadow')!
  expect([mode, uid, gid]).toEqual([0o640, 0, 42])
})

test('the portal puts nobody into a group of this program', () => {
  const rights = {
    state: 'active',
    source: 'portal',
    groups: ['open-bastion-nopasswd', 'open-bastion-sudo', 'games'],
  } as const
  const allowed = ['open-bastion-nopasswd', 'open-bastion-sudo', 'games']
  expect(sharedGroups({ ...rights, sudo: false }, allowed)).toEqual(['games'])
  expect(sharedGroups({ ...rights, sudo: true }, allowed)).toEqual(['open-bastion-sudo', 'games'])
})

test('no uid is given that somebody takes inside a namespace of their own', async () => {
  const checked = checkConfig('portal_url = https://auth.example.test\nmin_uid = 100000\nmax_uid = 100010\n')
  if (checked.kind === 'refused') throw new Error('refused')
  const world = hostWith({ '/etc/subuid': 'bob:100000:7\n', '/etc/subgid': 'bob:100000:8\n' })
  for (const [name, uid] of [
    ['nina', undefined],
    ['nils', 100_001],
  ] as const) {
    const made = await openAccounts(world, checked.config).provision(named(name), { uid }, false)
    expect(made.kind === 'ready' && made.record.uid).toBeGreaterThanOrEqual(100_008)
  }
})

test('a user named like a group that a package adds later gets no group of that name', async () => {
  for (const name of ['lpadmin', 'netdev', 'video', 'render', 'ssl-cert', 'microk8s'])
    expect((await openAccounts(hostWith({}), config).provision(named(name), {}, false)).kind).toBe('impossible')
})
