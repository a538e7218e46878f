import { expect, test } from 'bun:test'
import { forcedOnline } from '../../src/offline/force-online.ts'
import { fakeWorld } from '../fakes/world.ts'

const path = '/etc/open-bastion/force_online'
const config = { auth_cache_force_online: path }

test.each([
  ['no file', undefined, 'free'],
  ['an empty file', '', 'listed'],
  ['another name', 'bob\n', 'free'],
  ['the name', 'bob\nalice\n', 'listed'],
])('%s: %p', (_, text, expected) => {
  const world = fakeWorld(text === undefined ? {} : { files: { [path]: text } })
  expect(forcedOnline(world, config, 'alice')).toBe(expected as 'free')
})

test('a file that cannot be trusted, or is no text, lists everybody', () => {
  const world = fakeWorld({ files: { [path]: 'bob\n' } })
  world.disk.get(path)!.uid = 1000
  expect(forcedOnline(world, config, 'alice')).toBe('listed')
  world.disk.set(path, { data: new Uint8Array([0xff]), mode: 0o644, uid: 0, gid: 0, modifiedAt: 0 })
  expect(forcedOnline(world, config, 'alice')).toBe('listed')
})
