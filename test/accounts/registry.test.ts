// The registry and its export when there are many users, and when the process dies at any write.
import { expect, test } from 'bun:test'
import { openAccounts } from '../../src/accounts/provision.ts'
import { openRegistry } from '../../src/accounts/registry.ts'
import { formatRegistry, parseRegistry, type RegistryUser } from '../../src/accounts/registry-format.ts'
import { type LoginName, parseLoginName } from '../../src/base/names.ts'
import { type Config, checkConfig } from '../../src/config/load.ts'
import { type FakeWorld, fakeWorld, textOf } from '../fakes/world.ts'

const configOf = (extra = ''): Config => {
  const checked = checkConfig(`portal_url = https://auth.example.test\ncreate_user = true\nmax_uid = 1000000\n${extra}`)
  if (checked.kind === 'refused') throw new Error(JSON.stringify(checked.problems))
  return checked.config
}
const config = configOf()

const named = (text: string): LoginName => {
  const name = parseLoginName(text)
  if (!name) throw new Error(`${text} is no name`)
  return name
}

const userWith = (uid: number, name: string): RegistryUser => ({
  uid,
  gid: uid,
  gecos: `User ${uid} é`,
  home: `/home/${name}`,
  shell: '/bin/bash',
  sudo: uid % 50 === 0,
  groups: ['users'],
  source: 'portal',
  createdAt: 1_780_000_000,
  state: 'active',
})

/** Names in no order, as people have them. */
const nameOf = (index: number): string => `u${((index * 7919) % 1_000_003).toString(36)}`

function hostWith(count: number, settings: Parameters<typeof fakeWorld>[0] = {}): FakeWorld {
  const users = new Map(
    Array.from({ length: count }, (_, index) => [nameOf(index), userWith(100_000 + index, nameOf(index))] as const),
  )
  return fakeWorld({
    ...settings,
    files: {
      '/etc/passwd': 'root:x:0:0:root:/root:/bin/bash\n',
      '/etc/group': 'root:x:0:\nshadow:x:42:\ndocker:x:998:\n',
      '/var/lib/open-bastion/users.json': formatRegistry({ users, groups: new Map() }),
    },
  })
}

const provision = (world: FakeWorld, user: string, wanted: object = {}) =>
  openAccounts(world, config).provision(named(user), wanted, false)

const lines = (world: FakeWorld, file: string): readonly string[] =>
  (textOf(world, `/var/lib/extrausers/${file}`) ?? '').split('\n')

test('every user and every uid of a large registry is found without reading all of it', () => {
  const world = hostWith(3000)
  const { view } = openRegistry(world)
  view((registry) => {
    for (let index = 0; index < 3000; index++) {
      expect(registry.user(nameOf(index))?.uid).toBe(100_000 + index)
      expect(registry.owner(100_000 + index)).toBe(nameOf(index))
    }
    for (const name of ['a', 'zzz', 'u', 'root', '__proto__', 'u"', ''])
      expect([name, registry.user(name)]).toEqual([name, undefined])
    for (const id of [0, 99_999, 103_000, 999_999_999]) expect(registry.owner(id)).toBeUndefined()
  })
})

test('a registry that somebody wrote by hand is read all the same', async () => {
  const world = hostWith(300)
  const path = '/var/lib/open-bastion/users.json'
  const compact = JSON.stringify(JSON.parse(textOf(world, path) ?? ''))
  world.files.writeAtomic(path, compact, { mode: 0o644 })
  expect(openRegistry(world).view((registry) => registry.user(nameOf(7))?.uid)).toBe(100_007)
  expect(await provision(world, 'zoe')).toMatchObject({ kind: 'ready', made: true })
  expect(parseRegistry(textOf(world, path) ?? '').users.has('zoe')).toBe(true)
})

test('a new user on a large host costs a line in each file and leaves users.json as it is', async () => {
  const world = hostWith(3000)
  await provision(world, nameOf(1))
  const before = textOf(world, '/var/lib/open-bastion/users.json')
  const passwd = textOf(world, '/var/lib/extrausers/passwd') ?? ''
  const made = await provision(world, 'zoe', { gecos: 'Zoë' })
  expect(textOf(world, '/var/lib/open-bastion/users.json')).toBe(before ?? '')
  expect(textOf(world, '/var/lib/extrausers/passwd')?.startsWith(passwd)).toBe(true)
  const uid = made.kind === 'ready' ? made.record.uid : 0
  expect(lines(world, 'passwd').at(-2)).toBe(`zoe:x:${uid}:${uid}:Zoë:/home/zoe:/bin/bash`)
  expect(lines(world, 'group').at(-2)).toBe(`zoe:x:${uid}:`)
  expect(openRegistry(world).whole().users.get('zoe')?.uid).toBe(uid)
  expect(await provision(world, 'zoe', { gecos: 'Zoë' })).toMatchObject({ made: false, record: { uid } })
})

test('what the journal says is in users.json when it is folded, and nothing twice', async () => {
  const world = hostWith(3000)
  for (let index = 0; index < 700; index++) await provision(world, `new${index}`)
  const journal = textOf(world, '/var/lib/open-bastion/users.journal') ?? ''
  expect(journal.length).toBeLessThan(200_000)
  const { users } = openRegistry(world).whole()
  expect(users.size).toBe(3700)
  expect(new Set([...users.values()].map(({ uid }) => uid)).size).toBe(3700)
  expect(lines(world, 'passwd').filter((line) => line.startsWith('new')).length).toBe(700)
}, 600_000)

test('a login of a known user reads as much on a large host as on a small one', async () => {
  const read: number[] = []
  for (const count of [300, 12_000]) {
    const world = hostWith(count)
    await provision(world, nameOf(5))
    let bytes = 0
    const counted: FakeWorld = {
      ...world,
      files: {
        ...world.files,
        read: (path, limit) => count_(world.files.read(path, limit)),
        readTrusted: (path, rules) => count_(world.files.readTrusted(path, rules)),
        readTrustedParts: (path, rules, work) =>
          world.files.readTrustedParts(path, rules, (file) =>
            work({ ...file, read: (offset, length) => count_(file.read(offset, length))! }),
          ),
      },
    }
    const count_ = <T extends Uint8Array | undefined>(data: T): T => {
      bytes += data?.length ?? 0
      return data
    }
    const again = await openAccounts(counted, config).provision(named(nameOf(5)), {}, false)
    expect(again).toMatchObject({ kind: 'ready', made: false })
    read.push(bytes)
  }
  expect(read[0]).toBeGreaterThan(1000)
  expect(read[1]!).toBeLessThan(4 * read[0]!)
})

/** Dies at the n-th change of a file; of what was appended then, half is on the disk. */
function dying(world: FakeWorld, after: number): FakeWorld {
  let changes = 0
  class Killed extends Error {}
  const mortal =
    <A extends readonly unknown[], R>(work: (...args: A) => R, half?: (...args: A) => void) =>
    (...args: A): R => {
      if (changes++ < after) return work(...args)
      half?.(...args)
      throw new Killed()
    }
  return {
    ...world,
    files: {
      ...world.files,
      writeAtomic: mortal(world.files.writeAtomic),
      extend: mortal(world.files.extend, (path, at, data, options) =>
        world.files.extend(path, at, data.slice(0, data.length / 2), options),
      ),
      remove: mortal(world.files.remove),
    },
  }
}

const scenarios: readonly (readonly [string, number, (world: FakeWorld) => Promise<unknown>])[] = [
  ['the first user of a host', 0, (world) => provision(world, 'zoe', { sudo: true })],
  ['a new user of a large host', 1000, (world) => provision(world, 'zoe', { sudo: true })],
  ['a user who changes', 1000, (world) => provision(world, nameOf(3), { gecos: 'Other', sudo: true })],
  ['a user who is retired', 1000, (world) => openAccounts(world, config).retire(named(nameOf(3)))],
]

test.each(scenarios)(
  'killed at any write, %s is finished by the next login, and nobody is lost',
  async (_, count, work) => {
    for (let after = 0; ; after++) {
      const world = hostWith(count)
      if (count > 0) {
        await provision(world, nameOf(1))
        await provision(world, 'yan')
      }
      let killed = false
      await work(dying(world, after)).catch(() => {
        killed = true
      })
      const uidBefore = openRegistry(world).whole().users.get('zoe')?.uid
      // Whoever comes next repairs the export.
      await work(world)
      await provision(world, 'yan')
      const { users } = openRegistry(world).whole()
      if (uidBefore !== undefined) expect(users.get('zoe')?.uid).toBe(uidBefore)
      const active = [...users].filter(([, { state }]) => state === 'active')
      for (const file of ['passwd', 'group', 'shadow']) {
        const found = lines(world, file)
        expect(found.at(-1)).toBe('')
        const names = found.slice(0, -1).map((line) => line.split(':')[0]!)
        const own = names.filter((name) => name !== 'open-bastion-sudo')
        expect([after, file, own.toSorted()]).toEqual([after, file, active.map(([name]) => name).sort()])
      }
      expect(await openAccounts(world, config).verify()).toEqual([])
      if (!killed) break
    }
  },
)

test('groups of the portal that are named in allowed_managed_groups are exported, and no others', async () => {
  const world = hostWith(0)
  const accounts = openAccounts(world, configOf('allowed_managed_groups = developers, docker\n'))
  const groups = ['developers', 'docker', 'sudo', 'root', 'adm', 'wheel']
  await accounts.provision(named('zoe'), { groups, sudo: true }, false)
  const managed = lines(world, 'group').filter((line) => line.endsWith(':zoe'))
  expect(managed.map((line) => line.split(':')[0]).sort()).toEqual(['developers', 'docker', 'open-bastion-sudo'])
  // NSS adds up what it finds about a user: a group of this host keeps its gid.
  expect(managed).toContain('docker:x:998:zoe')
  await accounts.provision(named('zoe'), { groups: [], sudo: false }, false)
  expect(lines(world, 'group').filter((line) => line.endsWith(':zoe'))).toEqual([])
})

test('a group is never given the name or the id of a user', async () => {
  const world = hostWith(0)
  const accounts = openAccounts(world, configOf('allowed_managed_groups = ann, zoe\n'))
  await accounts.provision(named('ann'), { groups: ['zoe'] }, false)
  expect(await accounts.provision(named('zoe'), { groups: ['ann'] }, false)).toMatchObject({ kind: 'impossible' })
  expect(lines(world, 'group').filter((line) => line.startsWith('ann:')).length).toBe(1)
})

test('of many changes in the journal of a large registry the last one counts', async () => {
  const world = hostWith(3000)
  const user = nameOf(5)
  for (const gecos of ['First', 'Second', 'Third']) await provision(world, user, { gecos })
  expect(textOf(world, '/var/lib/open-bastion/users.journal')?.split('\n').length).toBeGreaterThan(3)
  expect(openRegistry(world).view((registry) => registry.user(user)?.gecos)).toBe('Third')
  expect(openRegistry(world).whole().users.get(user)?.gecos).toBe('Third')
})

test('a large registry that somebody edited is not searched at the offsets of before', () => {
  const world = hostWith(3000)
  const path = '/var/lib/open-bastion/users.json'
  const text = textOf(world, path) ?? ''
  for (const edited of [
    text.replace(/"gecos":"User 1000\d\d é"/, (one) => one.replace('User', 'U')),
    text.replace('\n', '\n\n\n'),
  ]) {
    expect(edited).not.toBe(text)
    world.files.writeAtomic(path, edited, { mode: 0o644 })
    openRegistry(world).view((registry) => {
      for (let index = 0; index < 3000; index += 7)
        expect([registry.user(nameOf(index))?.uid, registry.owner(100_000 + index)]).toEqual([
          100_000 + index,
          nameOf(index),
        ])
    })
  }
})
