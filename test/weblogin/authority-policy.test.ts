import { expect, test } from 'bun:test'
import type { LoginName } from '../../src/base/names.ts'
import { type AuthorityFacts, decideAuthority } from '../../src/weblogin/authority-policy.ts'

const user = 'alice' as LoginName
const confirmed = { user: 'alice', subject: 's', issuer: 'i', groups: ['staff', 'admins'] }
const base: AuthorityFacts = { user, isSudo: false, confirmed, localUid: undefined, allow: [], sudo: [] }

const said = (facts: Partial<AuthorityFacts>): string => {
  const verdict = decideAuthority({ ...base, ...facts })
  return verdict.kind === 'granted' ? `granted${verdict.sudoAllowed ? ' with sudo' : ''}` : verdict.reason
}

const rows: readonly (readonly [string, Partial<AuthorityFacts>, string])[] = [
  ['no list is nobody', {}, 'weblogin-not-listed'],
  ['by name', { allow: ['bob', 'alice'] }, 'granted'],
  ['by group', { allow: ['%staff'] }, 'granted'],
  ['everybody', { allow: ['*'] }, 'granted'],
  ['a user is no group', { allow: ['staff'] }, 'weblogin-not-listed'],
  ['a group is no user', { allow: ['%alice'] }, 'weblogin-not-listed'],
  ['a part of a group is no group', { allow: ['%staf', '%staffs'] }, 'weblogin-not-listed'],
  ['nobody was confirmed', { allow: ['*'], confirmed: undefined }, 'weblogin-no-record'],
  ['somebody else was', { allow: ['*'], confirmed: { ...confirmed, user: 'bob' } }, 'weblogin-no-record'],
  ['an account of the system, even by name', { allow: ['alice', '*'], localUid: 33 }, 'weblogin-local-account'],
  ['uid 0 under another name', { allow: ['alice', '*'], localUid: 0 }, 'weblogin-local-account'],
  ['a local account by group', { allow: ['%staff', '*'], localUid: 1000 }, 'weblogin-local-account'],
  ['a local account by its name', { allow: ['alice'], localUid: 1000 }, 'granted'],
  ['who may log in may not sudo', { isSudo: true, allow: ['*'] }, 'weblogin-not-listed'],
  ['sudo by group', { isSudo: true, sudo: ['%admins'] }, 'granted with sudo'],
  ['sudo does not open ssh', { sudo: ['%admins'] }, 'weblogin-not-listed'],
  ['both', { allow: ['%staff'], sudo: ['%admins'] }, 'granted with sudo'],
]

test.each(rows)('%s', (_name, facts, expected) => {
  expect(said(facts)).toBe(expected)
})
