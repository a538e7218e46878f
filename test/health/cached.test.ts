// The keys of what is cached: what ob doctor says when one is gone or can be read by others.
import { expect, test } from 'bun:test'
import { checkConfig } from '../../src/config/load.ts'
import { judgeCached } from '../../src/health/cached.ts'
import { fakeWorld } from '../fakes/world.ts'

const checked = checkConfig('portal_url = https://auth.example.test\n')
if (checked.kind === 'refused') throw new Error(JSON.stringify(checked.problems))
const { config } = checked
const keyFile = '/etc/open-bastion/cache.key'
const credentials = '/var/cache/open-bastion/credentials'

const judge = (files: Readonly<Record<string, string>>, mode = 0o600): readonly string[] => {
  const world = fakeWorld({ files })
  const key = world.disk.get(keyFile)
  if (key) key.mode = mode
  return judgeCached(world, config).map(({ verdict, message, remedy }) => `${verdict} ${message}; ${remedy}`)
}

test('a host that cached nothing, and one with all its keys, are sound', () => {
  const sound = ['good the keys of what is cached are there; undefined']
  expect(judge({})).toEqual(sound)
  expect(judge({ [keyFile]: 'k'.repeat(32), [`${credentials}/.cred_salt`]: 's'.repeat(16) })).toEqual(sound)
})

test('a salt that is gone is named with what is lost by it', () => {
  const [said] = judge({ [`${credentials}/0.cred`]: 'OBCRED01' })
  expect(said).toBe(
    `bad ${credentials}/.cred_salt is gone, so the 1 entries beside it do not open; ` +
      'restore it from a backup, or run: ob cache invalidate-all --yes',
  )
})

test('a key file that others can read is named, and one that they can write is a fault', () => {
  const files = { [keyFile]: 'k'.repeat(32) }
  expect(judge(files, 0o644)).toEqual([
    `bad ${keyFile} seals what is cached, and others can read it (mode 0644); chmod 600 ${keyFile}`,
  ])
  expect(() => judge(files, 0o622)).toThrow('can be written by others')
})
