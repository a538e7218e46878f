import { expect, test } from 'bun:test'
import { judgeLocal, parseUidMin } from '../../src/accounts/local-policy.ts'

const rule = (...accounts: string[]) => ({ accounts, uidMin: 1000 })

test.each([
  ['daemon', 1, rule('people'), 'refused'],
  ['postgres', 110, rule('people'), 'refused'],
  ['backup', 34, rule('people', 'backup'), 'allowed'],
  ['alice', 1000, rule('people'), 'allowed'],
  ['alice', 999, rule('people'), 'refused'],
  ['alice', 1000, rule('none'), 'refused'],
  ['alice', 1000, rule('bob'), 'refused'],
  ['bob', 1000, rule('bob'), 'allowed'],
  ['alice', 1000, { accounts: ['people'], uidMin: 5000 }, 'refused'],
  // A service of systemd's (DynamicUser), the container ranges, nobody.
  ['dynamic', 61184, rule('people'), 'refused'],
  ['nobody', 65534, rule('people'), 'refused'],
  ['toor', 0, rule('people', 'toor'), 'refused'],
] as const)('%s with uid %i', (name, uid, local, verdict) => {
  expect(judgeLocal(name, uid, local)).toBe(verdict)
})

test.each([
  ['', 1000],
  ['UID_MIN\t\t\t 1000\n', 1000],
  ['#UID_MIN 500\nUID_MIN 2000\nSYS_UID_MIN 100\n', 2000],
  ['UID_MIN 2000\nUID_MIN 3000\n', 3000],
  ['UID_MIN 0x7d0\n', 2000],
  ['UID_MIN 03720\n', 2000],
  ['UID_MIN "2000"\n', 2000],
  ['UID_MIN many\n', 1000],
  // Whoever lowers it makes services into people; the answer for those is a name in local_accounts.
  ['UID_MIN 100\n', 1000],
] as const)('UID_MIN of %j is %i', (text, uid) => {
  expect(parseUidMin(text)).toBe(uid)
})
