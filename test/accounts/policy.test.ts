import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { defaultHomePrefixes, defaultShells } from '../../src/accounts/passwd-fields-format.ts'
import { formatPasswdLine } from '../../src/accounts/passwd-format.ts'
import { decideEntry, type EntryFacts, type EntryVerdict } from '../../src/accounts/policy.ts'
import { emptyRegistry, formatRegistry, parseRegistry, type RegistryUser } from '../../src/accounts/registry-format.ts'
import { viewOf } from '../../src/accounts/registry-index.ts'
import { isReservedUid } from '../../src/accounts/uid.ts'

// Groups that give power wherever they exist, by the packages that make them.
const powerful = [
  ...['open-bastion-sudo', 'open-bastion-nopasswd', 'sudo', 'wheel', 'adm', 'disk', 'shadow', 'kmem', 'kvm', 'lxd'],
  ...['docker', 'podman', 'incus', 'incus-admin', 'libvirt', 'libvirt-qemu', 'sgx', 'systemd-journal', 'wireshark'],
  ...['vboxusers', 'lpadmin', 'netdev', 'video', 'render', 'input', 'audio', 'ssl-cert', 'microk8s', 'tss', 'plugdev'],
  ...['staff', 'backup', 'operator', 'tty', 'dialout', 'bluetooth', 'crontab', 'postdrop', 'ssh', '_ssh', 'sssd'],
  'uucp',
]

const alice: RegistryUser = {
  uid: 45475,
  gid: 45475,
  gecos: 'Alice',
  home: '/home/alice',
  shell: '/bin/bash',
  sudo: false,
  groups: ['dev'],
  source: 'portal',
  createdAt: 1780000000,
  state: 'active',
}
const rules = {
  range: { min: 10000, max: 60000 },
  approvedShells: defaultShells,
  homePrefixes: defaultHomePrefixes,
  homeBase: '/home',
  defaultShell: '/bin/bash',
}
const facts: EntryFacts = {
  name: 'alice',
  wanted: {},
  registry: viewOf(emptyRegistry),
  localPasswd: new Map([
    ['root', 0],
    ['daemon', 1],
  ]),
  localGroup: new Map([['sudo', 27]]),
  rules,
  now: 1790000000.5,
}
const withUsers = (users: Readonly<Record<string, RegistryUser>>, groups: Readonly<Record<string, number>> = {}) => ({
  registry: viewOf({ users: new Map(Object.entries(users)), groups: new Map(Object.entries(groups)) }),
})

/** The verdict in one line. */
function line(verdict: EntryVerdict): string {
  if (verdict.kind === 'refused') return `refused ${verdict.why}`
  const { uid, gid, gecos, home, shell, sudo, groups, state } = verdict.record
  return [verdict.kind, `${uid}:${gid}:${gecos}:${home}:${shell}`, ...(sudo ? ['sudo'] : []), groups.join('+'), state]
    .filter((part) => part !== '')
    .join(' ')
}
const known = withUsers({ alice })
const rows: readonly (readonly [string, Partial<EntryFacts>, string])[] = [
  ['a new user gets the candidate of the name', {}, 'create 45475:45475::/home/alice:/bin/bash active'],
  [
    'a portal uid inside the range is taken',
    { wanted: { uid: '12345', gecos: 'A:L', shell: '/bin/zsh', sudo: true, groups: ['ops', 'dev', 'dev'] } },
    'create 12345:12345:A L:/home/alice:/bin/zsh sudo dev+ops active',
  ],
  ['a portal uid of 0 is not', { wanted: { uid: 0 } }, 'create 45475:45475::/home/alice:/bin/bash active'],
  [
    'a portal uid outside the range is not',
    { wanted: { uid: 1000 } },
    'create 45475:45475::/home/alice:/bin/bash active',
  ],
  [
    'a portal uid that a retired user owns is not',
    { wanted: { uid: 12345 }, ...withUsers({ bob: { ...alice, uid: 12345, gid: 12345, state: 'retired' } }) },
    'create 45475:45475::/home/alice:/bin/bash active',
  ],
  [
    'a portal uid that a local account owns is not',
    { wanted: { uid: 12345 }, localPasswd: new Map([['app', 12345]]) },
    'create 45475:45475::/home/alice:/bin/bash active',
  ],
  [
    'a portal uid whose gid a local group owns is not',
    { wanted: { uid: 12345 }, localGroup: new Map([['app', 12345]]) },
    'create 45475:45475::/home/alice:/bin/bash active',
  ],
  [
    'a collision moves to the next candidate',
    { ...withUsers({ bob: alice }), localPasswd: new Map([['app', 45476]]) },
    'create 45477:45477::/home/alice:/bin/bash active',
  ],
  ['a managed group owns its gid', withUsers({}, { dev: 45475 }), 'create 45476:45476::/home/alice:/bin/bash active'],
  [
    'an invalid shell and home fall back',
    { wanted: { home: '/root', shell: '/bin/evil', gecos: 7 } },
    'create 45475:45475::/home/alice:/bin/bash active',
  ],
  [
    'a valid home elsewhere is taken',
    { wanted: { home: '/var/home/staff/alice' } },
    'create 45475:45475::/var/home/staff/alice:/bin/bash active',
  ],
  [
    'nobody gets the home of another name',
    { wanted: { home: '/home/bob' } },
    'create 45475:45475::/home/alice:/bin/bash active',
  ],
  [
    'nobody gets a home inside another user’s',
    {
      wanted: { home: '/var/home/b/x' },
      ...withUsers({ bob: { ...alice, uid: 11111, gid: 11111, home: '/var/home/b' } }),
    },
    'create 45475:45475::/home/alice:/bin/bash active',
  ],
  [
    'nobody gets a home around another user’s',
    {
      wanted: { home: '/var/home/b' },
      ...withUsers({ bob: { ...alice, uid: 11111, gid: 11111, home: '/var/home/b/x' } }),
    },
    'create 45475:45475::/home/alice:/bin/bash active',
  ],
  [
    'impossible group names are left out',
    { wanted: { groups: ['a:b', 'a,b', 'ok'] } },
    'create 45475:45475::/home/alice:/bin/bash ok active',
  ],
  ['a name that is not one', { name: 'Alice' }, 'refused bad-name'],
  ['a name with a colon', { name: 'a:b' }, 'refused bad-name'],
  ['root, even where no file names it', { name: 'root', localPasswd: new Map() }, 'refused local-account'],
  ['a local account', { name: 'daemon' }, 'refused local-account'],
  [
    'a local account that the registry has too',
    { ...known, localPasswd: new Map([['alice', 1001]]) },
    'refused local-account',
  ],
  ['a name that is a local group', { name: 'sudo' }, 'refused group-name-taken'],
  ...powerful.map(
    (name) =>
      [
        `the name ${name}, whose group would be more than a person`,
        { name, localGroup: new Map() },
        'refused group-name-taken',
      ] as const,
  ),
  ['a name that is a managed group', { name: 'dev', ...withUsers({}, { dev: 20000 }) }, 'refused group-name-taken'],
  [
    'no uid is free',
    { rules: { ...rules, range: { min: 10000, max: 10001 } }, localPasswd: new Map([['app', 10000]]) },
    'refused no-free-uid',
  ],
  [
    'the uid that an administrator asked for is taken',
    { wanted: { uid: '12345', insist: true }, localPasswd: new Map([['app', 12345]]) },
    'refused uid-taken',
  ],
  [
    'the name of a service account, for a person',
    withUsers({ alice: { ...alice, source: 'service' } }),
    'refused service-name',
  ],
  ...[
    { uid: 45475, gid: 45476 },
    { uid: 45476, gid: 45475 },
    { uid: 45476, gid: undefined },
    { uid: undefined, gid: 45476 },
  ].map(
    (service) =>
      [
        `a service account whose file names other ids: ${JSON.stringify(service)}`,
        { ...withUsers({ alice: { ...alice, source: 'service' } }), wanted: { service } },
        'refused ids-differ',
      ] as const,
  ),
  ['nothing new about a known user', known, 'keep 45475:45475:Alice:/home/alice:/bin/bash dev active'],
  [
    'uid and home of a known user never change',
    { ...known, wanted: { uid: 20000, home: '/var/home/alice' } },
    'keep 45475:45475:Alice:/home/alice:/bin/bash dev active',
  ],
  [
    'gecos and shell follow the portal',
    { ...known, wanted: { gecos: 'Alice L', shell: '/bin/fish', sudo: true, groups: [] } },
    'update 45475:45475:Alice L:/home/alice:/bin/fish sudo active',
  ],
  [
    'a shell that is not approved falls back for a known user as well',
    { ...withUsers({ alice: { ...alice, shell: '/bin/zsh' } }), wanted: { shell: '/bin/evil' } },
    'update 45475:45475:Alice:/home/alice:/bin/bash dev active',
  ],
  [
    'a shell that is approved no more is replaced',
    { ...withUsers({ alice: { ...alice, shell: '/bin/ksh' } }) },
    'update 45475:45475:Alice:/home/alice:/bin/bash dev active',
  ],
  [
    'a name alone brings no retired user back',
    withUsers({ alice: { ...alice, uid: 23456, gid: 23456, state: 'retired' } }),
    'refused retired',
  ],
  [
    'a user who comes back after a proof has the old uid',
    { ...withUsers({ alice: { ...alice, uid: 23456, gid: 23456, state: 'retired' } }), wanted: { revive: true } },
    'update 23456:23456:Alice:/home/alice:/bin/bash dev active',
  ],
  [
    'what an administrator wrote stays, rights follow the portal',
    {
      ...withUsers({ alice: { ...alice, source: 'administrator', shell: '/bin/ksh' } }),
      wanted: { gecos: 'X', sudo: true },
    },
    'update 45475:45475:Alice:/home/alice:/bin/ksh sudo dev active',
  ],
  [
    'a local group of that name, made later, does not lock a known user out',
    { ...known, localGroup: new Map([['alice', 999]]) },
    'keep 45475:45475:Alice:/home/alice:/bin/bash dev active',
  ],
]

test.each(rows)('%s', (_, given, expected) => {
  expect(line(decideEntry({ ...facts, ...given }))).toBe(expected)
})

test('a new record says when it was made, and by whom', () => {
  const verdict = decideEntry(facts)
  expect(verdict).toMatchObject({ kind: 'create', record: { source: 'portal', createdAt: 1790000000 } })
})

test('unknown members of a record survive an update', () => {
  const verdict = decideEntry({
    ...facts,
    ...withUsers({ alice: { ...alice, more: { badge: 7 } } }),
    wanted: { gecos: 'B' },
  })
  expect(verdict).toMatchObject({ kind: 'update', record: { more: { badge: 7 } } })
})

test('whatever a portal sends, the record can be stored and exported and is nobody else’s', () => {
  const hostile = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.integer(),
    fc.constantFrom(0, '0', 65534, '/', '/home', null),
  )
  const wanted = fc.record({ uid: hostile, gecos: hostile, home: hostile, shell: hostile }, { requiredKeys: [] })
  const name = fc.oneof(
    fc.string({ maxLength: 8 }),
    fc.constantFrom('carol', 'root', 'bob', '__proto__', 'constructor'),
  )
  fc.assert(
    fc.property(name, wanted, (who, asked) => {
      const given = { ...facts, ...known, name: who, wanted: asked }
      const verdict = decideEntry(given)
      if (verdict.kind === 'refused') return
      const { record } = verdict
      expect(isReservedUid(record.uid)).toBe(false)
      expect(who === 'alice').toBe(record.uid === alice.uid)
      formatPasswdLine({ name: who, ...record })
      const users = new Map([
        ['alice', alice],
        [who, record],
      ])
      expect(parseRegistry(formatRegistry({ users, groups: new Map() })).users.get(who)).toEqual(record)
    }),
  )
})
