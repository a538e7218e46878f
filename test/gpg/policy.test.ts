import { expect, test } from 'bun:test'
import { parseLoginName } from '../../src/base/names.ts'
import { type AskFacts, type CheckFacts, decideAsk, decideCheck, type Waiting } from '../../src/gpg/policy.ts'
import { line } from '../fakes/line.ts'

const alice = parseLoginName('alice')!
const asked: AskFacts = { user: alice, service: 'sshd', services: ['sshd', 'sudo'], when: 'always' }

test.each<readonly [string, Partial<AskFacts>, string]>([
  ['at a login', {}, 'allowed challenge-shown'],
  ['a name that nobody can have', { user: undefined }, 'allowed challenge-shown'],
  ['in another service', { service: 'cron' }, 'denied challenge-not-offered'],
  ['break-glass: the portal is asked first', { when: 'unreachable' }, 'ask portal'],
  ['break-glass while it answers', { when: 'unreachable', portal: 'answers' }, 'denied challenge-not-offered'],
  ['break-glass while it does not', { when: 'unreachable', portal: 'unreachable' }, 'allowed challenge-shown'],
  ['break-glass in another service', { when: 'unreachable', service: 'cron' }, 'denied challenge-not-offered'],
])('a challenge %s', (_name, facts, expected) => {
  expect(line(decideAsk({ ...asked, ...facts }))).toBe(expected)
})

const open = { kind: 'waiting', permitted: true, readable: true, matches: true, breakGlass: false } as const
const waiting = (facts: Partial<Waiting & { kind: 'waiting' }>): Waiting => ({ ...open, ...facts })
const free = { secondsLeft: 0 }
const typed: CheckFacts = { user: alice, typed: 'code', waiting: open, lockout: free, keys: 'same' }

test.each<readonly [string, Partial<CheckFacts>, string]>([
  ['the right code', {}, 'allowed challenge-answered +clear-failures +mark-passed'],
  [
    'the right code, portal unreachable',
    { waiting: waiting({ breakGlass: true }) },
    'allowed break-glass +clear-failures +mark-passed',
  ],
  ['a name that nobody can have', { user: undefined }, 'denied bad-login-name'],
  ['sshd’s placeholder', { typed: 'placeholder', lockout: undefined! }, 'denied unknown-to-sshd'],
  ['nothing', { typed: 'absent', lockout: undefined! }, 'denied no-token'],
  ['before anything is compared', { lockout: undefined! }, 'ask lockout'],
  ['the right code while locked out', { lockout: { secondsLeft: 9 } }, 'denied locked-out'],
  ['a code without a challenge', { waiting: { kind: 'none' } }, 'denied challenge-missing +count-failure'],
  ['a code too late', { waiting: { kind: 'late' } }, 'denied challenge-late'],
  ['a code of another login', { waiting: { kind: 'of-another' } }, 'denied challenge-of-another +count-failure'],
  ['a wrong code', { waiting: waiting({ matches: false }) }, 'denied challenge-wrong +count-failure'],
  ['something else', { typed: 'other' }, 'denied challenge-wrong +count-failure'],
  ['511 bytes', { typed: 'cut' }, 'denied challenge-wrong +count-failure'],
  ['the code of a decoy', { waiting: waiting({ readable: false }) }, 'denied challenge-without-key +count-failure'],
  [
    'the right code of somebody whom no list names',
    { waiting: waiting({ permitted: false }) },
    'denied challenge-not-for-user +count-failure',
  ],
  ['the right code: are the keys the same?', { keys: undefined! }, 'ask keys'],
  ['the right code, and the key was changed', { keys: 'changed' }, 'denied challenge-key-changed'],
  ['a recovery code', { typed: 'recovery-code' }, 'ask recovery'],
  [
    'a recovery code of a user whom no list names: it costs the same',
    { typed: 'recovery-code', waiting: waiting({ permitted: false }) },
    'ask recovery',
  ],
  [
    'a good recovery code',
    { typed: 'recovery-code', recovery: 'accepted' },
    'allowed recovery-code-accepted +clear-failures +mark-passed',
  ],
  [
    'a good recovery code of a user without key',
    { typed: 'recovery-code', recovery: 'accepted', waiting: waiting({ readable: false }) },
    'allowed recovery-code-accepted +clear-failures +mark-passed',
  ],
  [
    'a good recovery code, portal unreachable',
    { typed: 'recovery-code', recovery: 'accepted', waiting: waiting({ breakGlass: true }) },
    'allowed break-glass +clear-failures +mark-passed',
  ],
  [
    'a good recovery code of a user whom no list names',
    { typed: 'recovery-code', recovery: 'accepted', waiting: waiting({ permitted: false }) },
    'denied challenge-not-for-user +count-failure',
  ],
  [
    'a wrong recovery code',
    { typed: 'recovery-code', recovery: 'rejected' },
    'denied recovery-code-wrong +count-failure',
  ],
  [
    'a recovery code without a challenge',
    { typed: 'recovery-code', waiting: { kind: 'none' } },
    'denied challenge-missing +count-failure',
  ],
])('%s', (_name, facts, expected) => {
  expect(line(decideCheck({ ...typed, ...facts }))).toBe(expected)
})
