import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { utf8 } from '../../src/base/bytes.ts'
import { parseLoginName } from '../../src/base/names.ts'
import { formatProvenRecord, type ProvenRecord, parseProvenRecord } from '../../src/shell/record-format.ts'
import { leaveRecord, recordSeconds, takeRecord } from '../../src/shell/records.ts'
import { fuzzText } from '../fakes/mutate.ts'
import { fakeWorld } from '../fakes/world.ts'

const [login, web, alice] = ['login', 'web', 'alice'].map((name) => parseLoginName(name)!) as [never, never, never]
const sample: ProvenRecord = {
  writtenAt: 1_800_000_000,
  account: login,
  connection: 'b106af44-1b59-87e3-aa63-dde3defd380f',
  sshConnection: '192.0.2.7 50000 192.0.2.1 22',
  proven: { kind: 'person', person: alice },
}
const withKey: ProvenRecord = { ...sample, proven: { kind: 'key', blob: Uint8Array.of(1, 2, 3) } }

test('a record is read back as it was written', () => {
  const proven = fc.oneof(
    fc.constant({ kind: 'person' as const, person: alice }),
    fc.constant({ kind: 'typed' as const, person: alice }),
    fc.uint8Array({ minLength: 1, maxLength: 80 }).map((blob) => ({ kind: 'key' as const, blob })),
  )
  fc.assert(
    fc.property(fc.double({ min: 0, max: 4e9, noNaN: true }), proven, (writtenAt, what) => {
      const record = { ...sample, writtenAt, proven: what } as ProvenRecord
      const parsed = parseProvenRecord(utf8(formatProvenRecord(record)))
      expect(JSON.stringify(parsed)).toBe(JSON.stringify(record))
    }),
  )
})

test('a record that names a key and a person, or neither, is none', () => {
  const object = JSON.parse(formatProvenRecord(sample))
  for (const change of [
    { key: 'AQID' },
    { typed: 'alice' },
    { person: undefined },
    { person: 'Root!' },
    { version: 2 },
    { account: '' },
  ])
    expect(parseProvenRecord(utf8(JSON.stringify({ ...object, ...change })))).toBeUndefined()
  const survived = fuzzText([formatProvenRecord(sample), formatProvenRecord(withKey)], (text) =>
    parseProvenRecord(utf8(text)),
  )
  expect(survived).toBeGreaterThan(1000)
})

const take = (world: ReturnType<typeof fakeWorld>, connection = sample.connection, caller = login) =>
  takeRecord(world, connection, caller).kind

test('a record is taken once, by the account and on the connection that it is of', () => {
  const world = fakeWorld()
  leaveRecord(world, sample)
  expect(take(world, 'another-connection')).toBe('none')
  expect(take(world, sample.connection, web)).toBe('of-another-account')
  expect(takeRecord(world, sample.connection, undefined).kind).toBe('of-another-account')
  expect(take(world)).toBe('record')
  expect(take(world)).toBe('none')
})

test('a record is good for seconds, whichever way the clock goes, and is gone all the same', () => {
  for (const seconds of [recordSeconds + 1, -recordSeconds - 1]) {
    const world = fakeWorld()
    leaveRecord(world, sample)
    world.clock.now += seconds
    expect(take(world)).toBe('expired')
    expect(take(world)).toBe('none')
  }
})

test('a record that somebody else could have written is a fault', () => {
  const world = fakeWorld()
  leaveRecord(world, sample)
  world.disk.get(`/run/open-bastion/proven/${sample.connection}.json`)!.uid = 1000
  expect(() => take(world)).toThrow('belongs to uid 1000')
})
