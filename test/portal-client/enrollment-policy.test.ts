// When the portal is asked again, and when an administrator has to act.
import { expect, test } from 'bun:test'
import { Secret } from '../../src/base/secret.ts'
import { duration } from '../../src/base/text.ts'
import {
  intervalFrom,
  isDue,
  judgeClock,
  judgeHeartbeat,
  judgeRefresh,
  judgeTimer,
  lapsesSoon,
  refreshLeft,
} from '../../src/portal-client/enrollment-policy.ts'
import type { HeartbeatState } from '../../src/portal-client/heartbeat-format.ts'
import type { TokenFile } from '../../src/portal-client/server-token-format.ts'

const now = 1_800_000_000
const day = 86_400
const fresh: HeartbeatState = { attempts: 4, at: now, result: 'ok', reportedAt: now, renewedAt: now, next: now + 300 }
const tokens: TokenFile = {
  accessToken: new Secret('a'),
  refreshToken: new Secret('r'),
  expiresAt: now + 3600,
  enrolledAt: now - 90 * day,
  renewedAt: now,
}

test.each<[string, HeartbeatState | undefined, TokenFile, number, boolean]>([
  ['nothing is remembered', undefined, tokens, now, true],
  ['the last one was just now', fresh, tokens, now + 1, false],
  ['half the interval has passed', fresh, tokens, now + 150, false],
  ['the timer fires a little early', fresh, tokens, now + 275, true],
  ['the interval has passed', fresh, tokens, now + 300, true],
  ['only a login has renewed the token since boot', { ...fresh, reportedAt: undefined! }, tokens, now + 1, true],
  ['the access token ends soon', fresh, { ...tokens, expiresAt: now + 500 }, now + 1, true],
  ['the access token lives through two more intervals', fresh, { ...tokens, expiresAt: now + 601 }, now + 1, false],
  ['it ends a second sooner', fresh, { ...tokens, expiresAt: now + 600 }, now + 1, true],
  ['a tenth of a short interval is more than is left', { ...fresh, next: now + 60 }, tokens, now + 53, false],
  ['a tenth of a short interval is left', { ...fresh, next: now + 60 }, tokens, now + 54, true],
  ['nobody knows when the access token ends', fresh, { accessToken: tokens.accessToken }, now + 1, false],
  ['the last one could not be saved', { ...fresh, result: 'unsaved' }, tokens, now + 1, true],
  ['the clock was set back', fresh, tokens, now - 3600, true],
  ['the clock was set forward', fresh, tokens, now + 10 * day, true],
  ['a state of another age names a day far away', { ...fresh, next: now + 90 * day }, tokens, now + 1, true],
])('when %s, due is told', (_, state, file, at, due) => {
  expect(isDue(state, file, at)).toBe(due)
})

test.each([
  [undefined, 300],
  [300, 300],
  [0, 60],
  [-5, 60],
  [1e12, 86_400],
  [Number.NaN, 300],
  [Number.POSITIVE_INFINITY, 300],
])('a portal that asks for %p s is heard every %d s', (asked, seconds) => {
  expect(intervalFrom(asked)).toBe(seconds)
})

test.each<[string, Partial<HeartbeatState>, Partial<TokenFile>, number, number]>([
  ['renewed now', {}, {}, now, 30],
  ['renewed by a login that could not save it', { renewedAt: now }, { renewedAt: now - 29 * day }, now, 30],
  ['renewed before the last boot', { renewedAt: undefined! }, { renewedAt: now - 24 * day }, now, 6],
  ['only enrolled', { renewedAt: undefined! }, { renewedAt: undefined!, enrolledAt: now - 29 * day }, now, 1],
  ['the clock set back', {}, {}, now - 5 * day, 30],
])('%s: the portal keeps this host for so many days', (_, state, file, at, days) => {
  const left = refreshLeft({ ...fresh, ...state }, { ...tokens, ...file }, at)
  expect(left).toBe(days * day)
  expect(lapsesSoon(left)).toBe(days < 7)
})

test('nobody is warned about what nobody knows', () => {
  expect(refreshLeft(undefined, { accessToken: tokens.accessToken }, now)).toBeUndefined()
  expect(lapsesSoon(undefined)).toBe(false)
})

const verdict = ({ verdict, message, remedy = '' }: { verdict: string; message: string; remedy?: string }): string =>
  `${verdict}: ${message}${remedy === '' ? '' : ` → ${remedy}`}`

test.each<[HeartbeatState | undefined, number, string]>([
  [undefined, now, 'bad: no heartbeat since this host was booted → ob heartbeat'],
  [fresh, now + 60, 'good: the last heartbeat was 60 s ago'],
  [fresh, now + 1199, 'good: the last heartbeat was 19 min ago'],
  [fresh, now + 1300, 'bad: the last heartbeat was 21 min ago → systemctl status ob-heartbeat.timer'],
  [
    { ...fresh, result: 'refuses-host', detail: 'HTTP 401' },
    now + 5,
    'bad: the last heartbeat failed 5 s ago (refuses-host): HTTP 401 → ob enroll --force',
  ],
  [
    { attempts: 1, at: now, result: 'ok', renewedAt: now },
    now,
    'bad: a login renewed the token, but no heartbeat was sent since this host was booted → ob heartbeat',
  ],
])('the heartbeat %j is judged', (state, at, expected) => {
  expect(verdict(judgeHeartbeat(state, at))).toBe(expected)
})

test('a refresh token that lapses is told with what to do', () => {
  const at = (days: number) => judgeRefresh(undefined, { ...tokens, renewedAt: now - days * day }, now)
  expect(verdict(at(1))).toBe('good: the portal keeps this host for 29 days more')
  expect(verdict(at(25))).toBe('bad: the portal keeps this host for 5 days more → ob heartbeat --once')
  expect(verdict(at(31))).toStartWith(
    'bad: the portal has not heard of this host for 31 days and may have forgotten it',
  )
  const unknown = judgeRefresh(undefined, { accessToken: tokens.accessToken, refreshToken: new Secret('r') }, now)
  expect(verdict(unknown)).toBe('note: the token file does not say when the portal last heard of this host')
  // The thirty days are over in this second; a second earlier they are not.
  expect(verdict(at(30))).toStartWith('bad: the portal has not heard of this host for 30 days')
  const second = judgeRefresh(undefined, { ...tokens, renewedAt: now - 30 * day + 1 }, now)
  expect(verdict(second)).toBe('bad: the portal keeps this host for 1 s more → ob heartbeat --once')
  expect(judgeRefresh(undefined, { accessToken: tokens.accessToken }, now).remedy).toBe('ob enroll --force')
})

test('a minute of skew is tolerated, in both directions', () => {
  expect([60, -60, 61, -61, undefined].map((skew) => judgeClock(skew).verdict)).toEqual([
    'good',
    'good',
    'bad',
    'bad',
    'note',
  ])
})

test('a timer that does not run is bad; where there can be none, it is noted', () => {
  const states = ['armed', 'until-reboot', 'idle', 'not-installed', 'no-systemd'] as const
  expect(states.map((state) => judgeTimer(state).verdict)).toEqual(['good', 'bad', 'bad', 'note', 'note'])
})

test.each([
  [-3, '0 s'],
  [119, '119 s'],
  [120, '2 min'],
  [7199, '119 min'],
  [7200, '2 h'],
  [172_799, '47 h'],
  [172_800, '2 days'],
])('%d seconds are %s', (seconds, text) => {
  expect(duration(seconds)).toBe(text)
})

test('before the first heartbeat after a boot or an enrollment could be sent, its absence is no trouble', () => {
  expect(judgeHeartbeat(undefined, now).verdict).toBe('bad')
  expect(judgeHeartbeat(undefined, now, now - 95).verdict).toBe('note')
  expect(judgeHeartbeat(undefined, now, now - 600).verdict).toBe('bad')
  const renewed: HeartbeatState = { attempts: 1, at: now, result: 'ok', renewedAt: now }
  expect(judgeHeartbeat(renewed, now, now - 20).verdict).toBe('note')
  // What failed has failed.
  const failed: HeartbeatState = { attempts: 1, at: now, result: 'unreachable' }
  expect(judgeHeartbeat(failed, now, now - 20).verdict).toBe('bad')
})

test('a refresh token that the portal refuses promises nothing', () => {
  const state: HeartbeatState = { attempts: 2, at: now, result: 'refuses-host', renewedAt: now - 60 }
  expect(judgeRefresh(state, { ...tokens, renewedAt: now - 60 }, now)).toMatchObject({
    verdict: 'bad',
    remedy: 'ob enroll --force',
  })
})
