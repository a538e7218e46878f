import { expect, test } from 'bun:test'
import { parseLogindSessions, parseSessionIds, parseUtmp } from '../../src/sessions/list-format.ts'

test('session ids are the first word of each line, with and without columns that came later', () => {
  const older = '     c1    0 root              \n     12 1000 alice seat0 tty1\n'
  const newer = '12 1000 alice -     4242 user    pts/0 no -\n13 1001 bob   -     4243 manager -     no -\n'
  expect(parseSessionIds(older)).toEqual(['c1', '12'])
  expect(parseSessionIds(newer)).toEqual(['12', '13'])
  expect(parseSessionIds('\n\n')).toEqual([])
})

const block = (members: Record<string, string>): string =>
  Object.entries({ Name: 'alice', TTY: 'pts/0', RemoteHost: '192.0.2.7', Class: 'user', State: 'active', ...members })
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')

const clock = { now: 1_800_000_000, uptime: 1000 }

test('sessions of people are told with where from and since when, by the monotonic clock', () => {
  const text = [
    block({ TimestampMonotonic: '400000000' }),
    block({ Name: 'bob', RemoteHost: '', TTY: 'tty1', TimestampMonotonic: '999000000' }),
  ].join('\n')
  expect(parseLogindSessions(text, clock)).toEqual([
    { user: 'alice', from: '192.0.2.7', tty: 'pts/0', since: 1_799_999_400 },
    { user: 'bob', from: '', tty: 'tty1', since: 1_799_999_999 },
  ])
})

test.each([
  ['a greeter', { Class: 'greeter' }],
  ['the service manager of a user', { Class: 'manager' }],
  ['a background session', { Class: 'background' }],
  ['one that is ending', { State: 'closing' }],
  ['one without a name', { Name: '' }],
])('%s is no session of a person', (_, members) => {
  expect(parseLogindSessions(block(members), clock)).toEqual([])
})

test('an age that cannot be is left out, and what is told is plain text', () => {
  expect(parseLogindSessions(block({ TimestampMonotonic: '5000000000' }), clock)[0]?.since).toBeNull()
  expect(parseLogindSessions(block({}), clock)[0]?.since).toBeNull()
  expect(parseLogindSessions(block({ Name: 'al\u001b[31mice' }), clock)[0]?.user).toBe('al?[31mice')
})

type Entry = { type: number; pid: number; tty: string; user: string; host: string; seconds: number }

// utmp(5) as glibc lays it out: 384 bytes on x86-64, 400 on arm64.
function utmp(entries: readonly Entry[], size: 384 | 400): Uint8Array {
  const bytes = new Uint8Array(size * entries.length)
  const view = new DataView(bytes.buffer)
  for (const [index, { type, pid, tty, user, host, seconds }] of entries.entries()) {
    const at = index * size
    view.setInt16(at, type, true)
    view.setInt32(at + 4, pid, true)
    bytes.set(new TextEncoder().encode(tty), at + 8)
    bytes.set(new TextEncoder().encode(user), at + 44)
    bytes.set(new TextEncoder().encode(host), at + 76)
    if (size === 384) view.setInt32(at + 340, seconds, true)
    else view.setBigInt64(at + 344, BigInt(seconds), true)
  }
  return bytes
}

const entries: readonly Entry[] = [
  { type: 2, pid: 0, tty: '~', user: 'reboot', host: '6.1', seconds: 1_799_990_000 },
  { type: 7, pid: 4242, tty: 'pts/0', user: 'alice', host: '192.0.2.7', seconds: 1_799_999_400 },
  { type: 8, pid: 4243, tty: 'pts/1', user: '', host: '', seconds: 1_799_999_500 },
]

test.each([384, 400] as const)('utmp records of %d bytes are read', (size) => {
  expect(parseUtmp(utmp(entries, size))).toEqual([
    { user: 'alice', from: '192.0.2.7', tty: 'pts/0', since: 1_799_999_400, pid: 4242 },
  ])
})

test('a file that is no utmp holds no session', () => {
  expect(parseUtmp(new Uint8Array())).toEqual([])
  expect(parseUtmp(new Uint8Array(383).fill(7))).toEqual([])
  expect(parseUtmp(new Uint8Array(384).fill(255))).toEqual([])
})
