// What `ob` alone says, and which command comes first.
import { expect, test } from 'bun:test'
import { formatOverview, type HostState, overviewOf } from '../../src/setup/overview-policy.ts'

const sound: HostState = {
  host: 'web1',
  version: '0.1.0',
  isRoot: true,
  setUp: { state: 'confirmed', mode: 'a', secondsLeft: 0 },
  configuration: { kind: 'read', portal: 'auth.example.com' },
  isEnrolled: true,
  isRefused: false,
  beat: { result: 'ok', secondsAgo: 200 },
  last: { user: 'alice', isIn: true, secondsAgo: 180 },
}
const setUp = { mode: 'a', secondsLeft: 480 }

test('five lines and the next step', () => {
  expect(formatOverview(overviewOf(sound), 80)).toBe(`ob 0.1.0 on web1
set-up   mode a, confirmed
portal   enrolled at auth.example.com
renewal  ok, 3 min ago
last     alice was let in 3 min ago
next     ob status
         says more; ob help lists all
`)
})

const cases: readonly (readonly [string, Partial<HostState>, string])[] = [
  ['a host with nothing', { setUp: undefined, configuration: undefined, isEnrolled: false }, 'ob setup --help'],
  ['a set-up that was interrupted', { setUp: { ...setUp, state: 'applying' } }, 'ob setup undo'],
  ['a set-up that waits', { setUp: { ...setUp, state: 'applied' } }, 'ob setup confirm'],
  ['one that was undone', { setUp: { ...setUp, state: 'undone' }, configuration: undefined }, 'ob setup --help'],
  ['a broken configuration', { configuration: { kind: 'broken', problem: 'line 3' } }, 'ob doctor'],
  ['no identity', { isEnrolled: false }, 'ob enroll'],
  ['a portal that refuses this host', { isRefused: true }, 'ob enroll --force'],
  ['renewal that fails', { beat: { result: 'unreachable', secondsAgo: 3 } }, 'ob doctor'],
  ['no portal at all', { configuration: { kind: 'read', portal: undefined }, isEnrolled: false }, 'ob status'],
  ['not root', { isRoot: false }, 'sudo ob'],
]
test.each(cases)('%s: the next step is the one that mends it', (_, differs, command) => {
  expect(overviewOf({ ...sound, ...differs }).next.command).toBe(command)
})

test('a set-up that waits says whether a login came that will confirm it', () => {
  const applied = { ...setUp, state: 'applied' } as const
  const waiting = overviewOf({ ...sound, setUp: applied })
  expect([waiting.lines[1], waiting.next.why]).toEqual([
    'set-up   mode a, goes back in 8 min',
    'or log in from elsewhere',
  ])
  const entered = overviewOf({ ...sound, setUp: { ...applied, confirmedBy: 'nora' } })
  expect([entered.lines[1], entered.next.why]).toEqual([
    'set-up   mode a, stays: nora logged in',
    'or wait: that login confirms',
  ])
})

test('a user who may read nothing is told nothing but the way', () => {
  expect(formatOverview(overviewOf({ ...sound, isRoot: false }), 80)).toBe(
    'ob 0.1.0 on web1\nnext     sudo ob\n         only root may read the state\n',
  )
})

test('on 40 columns nothing wraps, everything is ASCII, and a name steers no terminal', () => {
  const long = {
    ...sound,
    host: 'a-host-with-a-long-name.of.a.long.domain.example.com',
    configuration: { kind: 'broken', problem: 'openbastion.conf: line 3: a long explanation of the problem' } as const,
    last: { user: 'eve\u001b[2J', isIn: false, secondsAgo: 5 },
  }
  const text = formatOverview(overviewOf(long), 40)
  for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(40)
  expect(text.replaceAll('\n', '')).toMatch(/^[ -~]+$/)
  // The next step is whole; a name of a host may be longer than a line.
  for (const [, differs] of cases)
    expect(formatOverview(overviewOf({ ...sound, ...differs }), 40)).not.toMatch(/^(next| {4}).*\.\.$/m)
})
