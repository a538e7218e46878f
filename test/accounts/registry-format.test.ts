import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { emptyRegistry, formatRegistry, parseRegistry, type Registry } from '../../src/accounts/registry-format.ts'
import { Fault } from '../../src/base/fault.ts'
import { parseGroupName, parseLoginName } from '../../src/base/names.ts'
import { fuzzText } from '../fakes/mutate.ts'

const user = {
  uid: 45475,
  gid: 45475,
  gecos: 'Alice Liddell',
  home: '/home/alice',
  shell: '/bin/bash',
  sudo: false,
  groups: ['dev'],
  source: 'portal',
  createdAt: 1780000000,
  state: 'active',
}
const text = (users: unknown, groups: unknown = {}, more: object = {}) =>
  JSON.stringify({ version: 1, users, groups, ...more })

const registries: fc.Arbitrary<Registry> = fc
  .record({
    names: fc.uniqueArray(fc.stringMatching(/^[a-z_][a-z0-9_.-]{0,31}$/), { maxLength: 6 }),
    groups: fc.uniqueArray(fc.stringMatching(/^[a-z_][a-z0-9_-]{0,31}$/), { maxLength: 3 }),
    gecos: fc.stringMatching(/^[ -9;-~é]{0,20}$/),
    sudo: fc.boolean(),
    state: fc.constantFrom('active' as const, 'retired' as const),
  })
  .map(({ names, groups, gecos, sudo, state }) => ({
    users: new Map(
      names
        .filter((name) => parseLoginName(name) && name !== 'root')
        .map((name, index) => {
          const id = 10000 + index
          const place = { home: `/home/${name}`, shell: '/bin/sh' }
          return [
            name,
            { uid: id, gid: id, gecos, ...place, sudo, groups: [], source: 'portal' as const, createdAt: 1, state },
          ]
        }),
    ),
    groups: new Map(groups.filter((name) => parseGroupName(name)).map((name, index) => [name, 20000 + index])),
  }))

test('what is written is read back, and there is one way to write it', () => {
  fc.assert(
    fc.property(registries, (registry) => {
      const written = formatRegistry(registry)
      const again = parseRegistry(written)
      expect([...again.users].sort()).toEqual([...registry.users].sort())
      expect([...again.groups].sort()).toEqual([...registry.groups].sort())
      expect(formatRegistry(again)).toBe(written)
    }),
  )
})

test('an empty registry is a file too', () => {
  expect(parseRegistry(formatRegistry(emptyRegistry))).toEqual(emptyRegistry)
})

test('names are written in order, whatever the order they came in', () => {
  const zoe = { ...user, uid: 23619, gid: 23619 }
  expect(formatRegistry(parseRegistry(text({ zoe, alice: user })))).toBe(
    formatRegistry(parseRegistry(text({ alice: user, zoe }))),
  )
})

test('members that this version does not know are written back', () => {
  const written = formatRegistry(parseRegistry(text({ alice: { ...user, badge: 7 } }, {}, { site: 'lyon' })))
  expect(JSON.parse(written)).toMatchObject({ site: 'lyon', users: { alice: { badge: 7 } } })
})

test('a user may be called what JavaScript calls a prototype', () => {
  const registry = parseRegistry(`{"version":1,"users":{"__proto__":${JSON.stringify(user)}},"groups":{}}`)
  expect(registry.users.get('__proto__')?.uid).toBe(45475)
  expect(parseRegistry(formatRegistry(registry)).users.get('__proto__')?.uid).toBe(45475)
})

test.each([
  ['', 'not JSON'],
  ['[]', 'not an object'],
  ['{}', 'version'],
  [text({ alice: user }).replace('"version":1', '"version":2'), 'version'],
  [text([]), 'users'],
  [text({ Alice: user }), '"Alice"'],
  [text({ 'a:b': user }), '"a:b"'],
  [text({ root: user }), '"root"'],
  [text({ alice: 7 }), 'alice'],
  [text({ alice: { ...user, uid: 0 } }), 'uid of alice'],
  [text({ alice: { ...user, uid: 65534 } }), 'uid of alice'],
  [text({ alice: { ...user, uid: '45475' } }), 'uid of alice'],
  [text({ alice: { ...user, gid: 27 } }), 'gid of alice'],
  [text({ alice: { ...user, gecos: 'a:b' } }), 'gecos of alice'],
  [text({ alice: { ...user, gecos: 'a\nroot' } }), 'gecos of alice'],
  [text({ alice: { ...user, home: 'home' } }), 'home of alice'],
  [text({ alice: { ...user, shell: '/bin/sh\n' } }), 'shell of alice'],
  [text({ alice: { ...user, sudo: 'yes' } }), 'sudo of alice'],
  [text({ alice: { ...user, groups: ['a,b'] } }), 'groups of alice'],
  [text({ alice: { ...user, source: 'me' } }), 'source of alice'],
  [text({ alice: { ...user, createdAt: 'now' } }), 'createdAt of alice'],
  [text({ alice: { ...user, state: 'gone' } }), 'state of alice'],
  [text({ alice: user, bob: user }), 'alice and bob share uid 45475'],
  [text({ alice: user }, { dev: 45475 }), 'alice and group dev share gid 45475'],
  [text({}, { dev: 20000, ops: 20000 }), 'dev and group ops share gid 20000'],
  [text({}, { dev: 27 }), 'group dev'],
  [text({}, { 'd v': 20000 }), '"d v"'],
])('%s is refused, and the fault says what is wrong', (bad, part) => {
  expect(() => parseRegistry(bad)).toThrow(Fault)
  expect(() => parseRegistry(bad)).toThrow(part)
})

test('a retired user still owns the uid', () => {
  const gone = { ...user, state: 'retired' }
  expect(() => parseRegistry(text({ alice: gone, bob: user }))).toThrow('share uid')
})

test('no mutation of a registry does more than a fault, and what is accepted is written one way', () => {
  const sample = formatRegistry(parseRegistry(text({ alice: user }, { dev: 20000 })))
  fuzzText([sample], (mutant) => {
    const written = formatRegistry(parseRegistry(mutant))
    expect(formatRegistry(parseRegistry(written))).toBe(written)
  })
})
