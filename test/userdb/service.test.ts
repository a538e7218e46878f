// The user database without a socket: who may see what, and what a hostile caller gets.
import { expect, test } from 'bun:test'
import { openAccounts } from '../../src/accounts/provision.ts'
import { formatRegistry, type RegistryUser } from '../../src/accounts/registry-format.ts'
import type { LoginName } from '../../src/base/names.ts'
import type { Peer } from '../../src/base/world.ts'
import { checkConfig } from '../../src/config/load.ts'
import { limits } from '../../src/userdb/limits.ts'
import { openUserdb } from '../../src/userdb/service.ts'
import { openUserIndex } from '../../src/userdb/user-index.ts'
import { formatCall } from '../../src/userdb/varlink-format.ts'
import { type FakeWorld, fakeWorld } from '../fakes/world.ts'

const user = (uid: number, name: string, more: Partial<RegistryUser> = {}): RegistryUser => ({
  uid,
  gid: uid,
  gecos: '',
  home: `/home/${name}`,
  shell: '/bin/bash',
  sudo: false,
  groups: [],
  source: 'portal',
  createdAt: 1,
  state: 'active',
  ...more,
})

const users = {
  alice: user(20001, 'alice', { gecos: 'Alice', sudo: true, groups: ['docker', 'developers', 'games', 'shadow'] }),
  bob: user(20002, 'bob', { state: 'retired' }),
  app: user(20003, 'app'),
  odd: user(5000, 'odd'),
  sly: user(20005, 'sly', { home: '/root', shell: '/bin/evil' }),
  shy: user(20006, 'shy', { shell: '/bin/evil' }),
  clash: user(30000, 'clash'),
}

const sshd: Peer = { uid: 0, pid: 100 }
const root: Peer = { uid: 0, pid: 200 }
const person: Peer = { uid: 1000, pid: 300 }

async function serviceWith(extra = '', count = 0) {
  const registry = {
    users: new Map([
      ...Object.entries(users),
      ...Array.from({ length: count }, (_, at) => [`x${at}`, user(40000 + at, `x${at}`)] as const),
    ]),
    groups: new Map([
      ['open-bastion-sudo', 25000],
      ['developers', 25001],
      ['games', 25002],
    ]),
  }
  const world = fakeWorld({
    files: {
      '/etc/passwd': 'root:x:0:0:root:/root:/bin/bash\napp:x:1001:1001::/srv:/bin/sh\nlocal:x:30000:30000::/:/bin/sh\n',
      '/etc/group': 'root:x:0:\nshadow:x:42:\ndocker:x:998:\ngames:x:60:\n',
      '/var/lib/open-bastion/users.json': formatRegistry(registry),
    },
  })
  const text = `portal_url = https://auth.example.test\ncreate_user = true\nallowed_managed_groups = docker, developers\n${extra}`
  const checked = checkConfig(text)
  if (checked.kind === 'refused') throw new Error(JSON.stringify(checked.problems))
  const { config } = checked
  const directory = openUserIndex(world, config)
  await directory.ready()
  const gone = new Set<number>()
  const processes = {
    isSshd: (pid: number) => pid >= 100 && (pid < 200 || pid >= 1000) && !gone.has(pid),
    parent: (pid: number) => (pid === 101 ? 100 : 1),
    source: (pid: number) => (pid < 1000 ? `source-${pid % 7}` : `source-${pid}`),
  }
  return { world, config, directory, gone, userdb: openUserdb({ world, config, directory, processes }) }
}

type Service = Awaited<ReturnType<typeof serviceWith>>

function ask({ userdb }: Service, peer: Peer, method: string, parameters: object, more = false): readonly unknown[] {
  const conversation = userdb.open(peer)
  if (!conversation) return ['refused']
  const call = formatCall({
    method: `io.systemd.UserDatabase.${method}`,
    parameters: { service: 'io.openbastion', ...parameters },
    more,
  })
  const { send, close } = conversation.receive(call)
  const text = [...send].map((bytes) => new TextDecoder().decode(bytes)).join('')
  conversation.end()
  const replies = text.split('\0').filter(Boolean)
  return close && replies.length === 0 ? ['closed'] : replies.map((reply) => readReply(JSON.parse(reply)))
}

function readReply({ error, parameters }: { error?: string; parameters: Record<string, unknown> }): unknown {
  if (error !== undefined) return error.split('.').at(-1)
  const { record } = parameters as { record?: Record<string, unknown> }
  if (!record) return `${parameters['userName']} in ${parameters['groupName']}`
  if ('groupName' in record) return `${record['groupName']} ${record['gid']}`
  return `${record['userName']} ${record['uid']}:${record['gid']} ${record['homeDirectory']} ${record['shell']}`
}

const rows: readonly (readonly [string, string, object, readonly string[]])[] = [
  ['a user by name', 'GetUserRecord', { userName: 'alice' }, ['alice 20001:20001 /home/alice /bin/bash']],
  ['a user by uid', 'GetUserRecord', { uid: 20001 }, ['alice 20001:20001 /home/alice /bin/bash']],
  [
    'both, which agree',
    'GetUserRecord',
    { userName: 'alice', uid: 20001 },
    ['alice 20001:20001 /home/alice /bin/bash'],
  ],
  ['both, which do not', 'GetUserRecord', { userName: 'alice', uid: 20002 }, ['ConflictingRecordFound']],
  ['nobody retired', 'GetUserRecord', { userName: 'bob' }, ['NoRecordFound']],
  ['nobody retired by uid', 'GetUserRecord', { uid: 20002 }, ['NoRecordFound']],
  ['no local name', 'GetUserRecord', { userName: 'app' }, ['NoRecordFound']],
  ['no uid of a local account', 'GetUserRecord', { userName: 'clash' }, ['NoRecordFound']],
  ['nobody outside the range', 'GetUserRecord', { userName: 'odd' }, ['NoRecordFound']],
  ['nobody with a home that is not approved', 'GetUserRecord', { userName: 'sly' }, ['NoRecordFound']],
  [
    'a shell that is not approved is replaced',
    'GetUserRecord',
    { userName: 'shy' },
    ['shy 20006:20006 /home/shy /bin/bash'],
  ],
  ['root is nobody', 'GetUserRecord', { userName: 'root' }, ['NoRecordFound']],
  ['uid 0 is nobody', 'GetUserRecord', { uid: 0 }, ['NoRecordFound']],
  ['a name that is none', 'GetUserRecord', { userName: '../x' }, ['NoRecordFound']],
  ['a group of a prototype', 'GetGroupRecord', { groupName: '__proto__' }, ['NoRecordFound']],
  ['a uid that is text', 'GetUserRecord', { uid: '20001' }, ['InvalidParameter']],
  ['a group by name', 'GetGroupRecord', { groupName: 'developers' }, ['developers 25001']],
  ['a group by gid', 'GetGroupRecord', { gid: 25000 }, ['open-bastion-sudo 25000']],
  ['the own group of a user', 'GetGroupRecord', { gid: 20001 }, ['alice 20001']],
  ['no local group', 'GetGroupRecord', { groupName: 'games' }, ['NoRecordFound']],
  ['no group of root', 'GetGroupRecord', { gid: 0 }, ['NoRecordFound']],
  [
    'allowed groups of a user: those of this host too when they were named',
    'GetMemberships',
    { userName: 'alice' },
    ['alice in open-bastion-sudo', 'alice in docker', 'alice in developers'],
  ],
  ['one membership', 'GetMemberships', { userName: 'alice', groupName: 'docker' }, ['alice in docker']],
  [
    'no membership that nobody allowed',
    'GetMemberships',
    { userName: 'alice', groupName: 'shadow' },
    ['NoRecordFound'],
  ],
  ['nobody of a group', 'GetMemberships', { groupName: 'docker' }, ['NoRecordFound']],
  ['another service', 'GetUserRecord', { userName: 'alice', service: 'io.other' }, ['BadService']],
  ['another method', 'Reboot', {}, ['MethodNotFound']],
  ['all users', 'GetUserRecord', {}, ['EnumerationNotSupported']],
  ['all groups', 'GetGroupRecord', {}, ['EnumerationNotSupported']],
  ['all memberships', 'GetMemberships', {}, ['EnumerationNotSupported']],
]

test.each(rows)('asked for %s', async (_, method, parameters, expected) => {
  const service = await serviceWith()
  for (const peer of [person, root, sshd]) expect(ask(service, peer, method, parameters, true)).toEqual([...expected])
})

test('everybody is listed when nss_enumerate says so', async () => {
  const service = await serviceWith('nss_enumerate = true\n')
  const names = (method: string) => ask(service, person, method, {}, true).map((one) => String(one).split(' ')[0])
  expect(names('GetUserRecord').sort()).toEqual(['alice', 'shy'])
  expect(names('GetGroupRecord').sort()).toEqual(['alice', 'developers', 'open-bastion-sudo', 'shy'])
  expect(ask(service, person, 'GetMemberships', { groupName: 'docker' }, true)).toEqual(['alice in docker'])
})

test('a name that nobody knows is told to sshd alone, with the uid the registry would give, and costs no disk', async () => {
  const service = await serviceWith()
  const seen = (peer: Peer) => ask(service, peer, 'GetUserRecord', { userName: 'nina' })
  const before = new Set(service.world.disk.keys())
  expect([seen(person), seen(root)]).toEqual([['NoRecordFound'], ['NoRecordFound']])
  const [told] = seen(sshd)
  const uid = Number(String(told).split(/[ :]/)[1])
  expect(seen({ uid: 0, pid: 101 })).toEqual([told])
  expect([seen(person), seen(root)]).toEqual([['NoRecordFound'], ['NoRecordFound']])
  for (const peer of [person, root]) {
    expect(ask(service, peer, 'GetUserRecord', { uid })).toEqual(['NoRecordFound'])
    expect(ask(service, peer, 'GetGroupRecord', { gid: uid })).toEqual(['NoRecordFound'])
  }
  expect(ask(service, sshd, 'GetGroupRecord', { gid: uid })).toEqual([`nina ${uid}`])
  const made = [...service.world.disk.keys()].filter((path) => !before.has(path))
  expect(made).toEqual([`/run/open-bastion/promises/${uid}.100.nina`])
  const accounts = openAccounts({ ...service.world, connectionSeed: () => 'boot 100 5' }, service.config)
  const entry = await accounts.provision('nina' as LoginName, {}, false)
  expect(entry).toMatchObject({ kind: 'ready', record: { uid } })
  expect(entry.kind === 'ready' && accounts.matchesReservation('nina' as LoginName, entry)).toBe(true)
  // Noticed at once: from now on everybody sees the user.
  expect(seen(person)).toEqual([told])
})

test('names that are not possible are told to nobody, sshd included', async () => {
  const service = await serviceWith()
  for (const userName of [
    'root',
    'app',
    'docker',
    'developers',
    'bob',
    'odd',
    'Nina',
    'a b',
    'x'.repeat(33),
    '-x',
    '9',
  ])
    expect(ask(service, sshd, 'GetUserRecord', { userName })).toEqual(['NoRecordFound'])
  expect([...service.world.disk.keys()].filter((path) => path.startsWith('/run'))).toEqual([])
})

test('without create_user there are no newcomers', async () => {
  const service = await serviceWith('create_user = false\n')
  expect(ask(service, sshd, 'GetUserRecord', { userName: 'nina' })).toEqual(['NoRecordFound'])
})

test('two newcomers whose candidates are one get a uid each, and an account takes neither', async () => {
  const service = await serviceWith('min_uid = 50000\nmax_uid = 50004\n')
  const uidOf = (name: string, pid: number) =>
    Number(String(ask(service, { uid: 0, pid }, 'GetUserRecord', { userName: name })[0]).split(/[ :]/)[1])
  const uids = ['nina', 'nils', 'nora'].map((name, at) => uidOf(name, 110 + at))
  expect(new Set(uids).size).toBe(3)
  const made = await openAccounts(service.world, service.config).provision('zoe' as LoginName, {}, false)
  expect(made).toMatchObject({ kind: 'ready', made: true })
  if (made.kind === 'ready') expect([50000, 50001, 50002, 50003, 50004]).toContain(made.record.uid)
  if (made.kind === 'ready') expect(uids).not.toContain(made.record.uid)
})

test('a session with another uid than sshd was told does not agree', async () => {
  const service = await serviceWith()
  ask(service, sshd, 'GetUserRecord', { userName: 'nina' })
  const at = (seed: string) => openAccounts({ ...service.world, connectionSeed: () => seed }, service.config)
  const entry = await at('boot 100 5').provision('nina' as LoginName, { uid: 33333 }, false)
  if (entry.kind !== 'ready') throw new Error(entry.kind)
  expect(at('boot 100 5').matchesReservation('nina' as LoginName, entry)).toBe(false)
  const known = await at('boot 150 5').provision('nina' as LoginName, { uid: 33333 }, false)
  // The next connection was told the account's own uid.
  expect(known.kind === 'ready' && at('boot 150 5').matchesReservation('nina' as LoginName, known)).toBe(true)
})

test('nor does one that waited until the promise was over, while another connection made the account', async () => {
  const service = await serviceWith()
  const nina = 'nina' as LoginName
  ask(service, sshd, 'GetUserRecord', { userName: nina })
  const at = (seed: string) => openAccounts({ ...service.world, connectionSeed: () => seed }, service.config)
  await at('boot 150 5').provision(nina, { uid: 33333 }, false)
  service.directory.follow()
  service.world.clock.now += limits.promiseSeconds + 1
  service.userdb.tick()
  const entry = await at('boot 100 5').provision(nina, { uid: 33333 }, false)
  if (entry.kind !== 'ready') throw new Error(entry.kind)
  expect(at('boot 100 5').matchesReservation(nina, entry)).toBe(false)
})

test('newcomers expire, are limited by source, and are bounded in number', async () => {
  const service = await serviceWith()
  const { world } = service
  let told = 0
  for (let at = 0; at < 100; at++)
    if (ask(service, { uid: 0, pid: 105 }, 'GetUserRecord', { userName: `n${at}` })[0] !== 'NoRecordFound') told++
  expect(told).toBe(limits.namesAtOnce)
  // Another source is not affected.
  expect(ask(service, { uid: 0, pid: 106 }, 'GetUserRecord', { userName: 'nina' })).toEqual([
    expect.stringMatching(/^nina \d+:/),
  ])
  world.clock.now += limits.promiseSeconds + 1
  service.userdb.tick()
  expect([...world.disk.keys()].filter((path) => path.startsWith('/run'))).toEqual([])
  for (let round = 0; round < 200; round++) {
    world.clock.now += 1
    for (let pid = 100; pid < 107; pid++)
      ask(service, { uid: 0, pid }, 'GetUserRecord', { userName: `m${round}x${pid}` })
  }
  expect([...world.disk.keys()].filter((path) => path.startsWith('/run')).length).toBeLessThanOrEqual(limits.promises)
})

test('names that many sources tried and gave up keep no newcomer out', async () => {
  const service = await serviceWith('min_uid = 50000\nmax_uid = 59999\n')
  const isTold = (userName: string, pid: number) =>
    ask(service, { uid: 0, pid }, 'GetUserRecord', { userName })[0] !== 'NoRecordFound'
  for (let at = 0; at < limits.promises; at++) expect(isTold(`m${at}`, 1000 + at)).toBe(true)
  // All of them are still there.
  expect(isTold('nina', 1900)).toBe(false)
  for (let at = 0; at < limits.promises; at++) service.gone.add(1000 + at)
  service.world.clock.now += 2
  expect([isTold('nina', 1900), isTold('m7', 1007)]).toEqual([true, false])
})

test('promises outlive the service, so that no other name gets their uid', async () => {
  const service = await serviceWith()
  const [told] = ask(service, sshd, 'GetUserRecord', { userName: 'nina' })
  const { world, config, directory } = service
  const processes = { isSshd: () => true, parent: () => 1, source: () => 'x' }
  const again = { ...service, userdb: openUserdb({ world, config, directory, processes }) }
  expect(ask(again, sshd, 'GetUserRecord', { userName: 'nina' })).toEqual([told])
})

test('garbage and oversize end the connection, and a caller has only so many', async () => {
  const { userdb } = await serviceWith()
  const say = (bytes: Uint8Array<ArrayBuffer>) => {
    const conversation = userdb.open(person)
    const { send, close } = conversation!.receive(bytes)
    conversation!.end()
    return [[...send].length, close]
  }
  const text = new TextEncoder()
  expect(say(text.encode('hello\0'))).toEqual([0, true])
  expect(say(new Uint8Array(limits.message + 1).fill(120))).toEqual([0, true])
  expect(say(text.encode('{"method":'))).toEqual([0, false])
  expect(say(new Uint8Array(limits.requestsInOneGo + 1))).toEqual([0, true])
  const open = Array.from({ length: limits.connectionsOfOne + 5 }, () => userdb.open(person))
  expect(open.filter(Boolean).length).toBe(limits.connectionsOfOne)
  // Others still get theirs.
  expect(userdb.open({ uid: 1001, pid: 1 })).toBeDefined()
  expect(userdb.open(root)).toBeDefined()
  for (const one of open) one?.end()
  expect(userdb.open(person)).toBeDefined()
})

test('a hundred uids cannot keep root out, and sshd with it', async () => {
  const { userdb } = await serviceWith()
  for (let uid = 100_000; uid < 100_100; uid++)
    for (let at = 0; at < limits.connectionsOfOne; at++) userdb.open({ uid, pid: 300 })
  expect(userdb.open(person)).toBeUndefined()
  expect(userdb.open(sshd)).toBeDefined()
})

test('a caller who asks too fast is cut off until it calms down, root never', async () => {
  const service = await serviceWith()
  let cut = 0
  for (let at = 0; at < limits.burst + 10; at++)
    if (ask(service, person, 'GetUserRecord', { uid: 7 })[0] === 'closed') cut++
  expect(cut).toBe(10)
  service.world.clock.now += 1
  expect(ask(service, person, 'GetUserRecord', { uid: 20001 })).toEqual([expect.stringMatching(/^alice 20001:/)])
})

test('the directory follows the journal and a registry that was written anew', async () => {
  const service = await serviceWith('', 600)
  const { world } = service as { world: FakeWorld }
  const accounts = openAccounts(world, service.config)
  const seen = (name: string) => ask(service, person, 'GetUserRecord', { userName: name })
  await accounts.provision('zoe' as LoginName, {}, false)
  expect(seen('zoe')).toEqual([expect.stringMatching(/^zoe \d+:/)])
  await accounts.retire('zoe' as LoginName)
  // What is known may be a second old; nothing that is missing is.
  service.userdb.tick()
  expect(seen('zoe')).toEqual(['NoRecordFound'])
  await accounts.sync()
  await accounts.provision('yan' as LoginName, {}, false)
  seen('yan')
  await Bun.sleep(50)
  expect(seen('yan')).toEqual([expect.stringMatching(/^yan \d+:/)])
  expect(seen('x599')).toEqual([expect.stringMatching(/^x599 \d+:/)])
})

test('a known user is due for a look at the portal once in a while', async () => {
  const service = await serviceWith()
  const ask_ = () => ask(service, person, 'GetUserRecord', { userName: 'alice' })
  ask_()
  ask_()
  ask(service, person, 'GetUserRecord', { userName: 'nobodyhere' })
  expect([service.userdb.takeStale(), service.userdb.takeStale()]).toEqual(['alice', undefined])
  service.world.clock.now += limits.refreshSeconds
  ask_()
  expect(service.userdb.takeStale()).toBe('alice')
})

test('an unprivileged child of sshd is told about no first-time user, and reserves no uid', async () => {
  const service = await serviceWith()
  // sshd's own process after it dropped to the user: the kernel names its uid.
  const child: Peer = { uid: 1000, pid: sshd.pid }
  expect(ask(service, child, 'GetUserRecord', { userName: 'nina' })).toEqual(['NoRecordFound'])
  expect([...service.world.disk.keys()].filter((path) => path.includes('/promises/'))).toEqual([])
})

test('a retired user whose line is still in /etc/passwd unlocks nothing', async () => {
  const { world } = await serviceWith()
  const line = 'alice:x:20001:20001::/home/alice:/bin/bash\nbob:x:20002:20002::/home/bob:/bin/bash\n'
  world.disk.get('/etc/passwd')!.data = new TextEncoder().encode(line)
  for (const [target, names] of [
    ['passwd', ['alice', undefined]],
    ['extrausers', [undefined, undefined]],
  ] as const) {
    const checked = checkConfig(`portal_url = https://auth.example.test\ncreate_user_target = ${target}\n`)
    if (checked.kind === 'refused') throw new Error('refused')
    const index = openUserIndex(world, checked.config)
    await index.ready()
    expect([index.portalUser(20001), index.portalUser(20002)]).toEqual([...names])
  }
})
