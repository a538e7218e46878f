import { expect, test } from 'bun:test'
import { type AccountFacts, decideAccount } from '../../src/decide/account.ts'
import type { LoginName } from '../../src/names.ts'
import { line } from './line.ts'

const user = 'alice' as LoginName
const root = 'root' as LoginName
const granted = { kind: 'granted', user, groups: [], sudoAllowed: false, attributes: {} } as const
const withSudo = { ...granted, sudoAllowed: true } as const
const refused = { kind: 'refused', detail: '' } as const

const rows: readonly (readonly [string, AccountFacts, string])[] = [
  ['a name this host does not accept', { user: undefined, service: 'sshd' }, 'denied bad-login-name'],
  ['ssh: the portal is asked', { user, service: 'sshd' }, 'ask authorization'],
  ['ssh allowed', { user, service: 'sshd', authorization: granted }, 'allowed portal-allowed +remember'],
  ['ssh denied', { user, service: 'sshd', authorization: refused }, 'denied portal-denied'],
  ['ssh as root is never for the portal', { user: root, service: 'sshd' }, 'denied root-refused'],
  ['root’s own sudo is untouched, unasked', { user: root, service: 'sudo' }, 'allowed root-exempt'],
  ['root’s own sudo -i too', { user: root, service: 'sudo-i' }, 'allowed root-exempt'],
  ['but not root’s su', { user: root, service: 'su' }, 'denied root-refused'],
  ['sudo: the portal is asked', { user, service: 'sudo' }, 'ask authorization'],
  ['sudo allowed', { user, service: 'sudo', authorization: withSudo }, 'allowed sudo-allowed'],
  ['sudo needs more than authorized', { user, service: 'sudo', authorization: granted }, 'denied sudo-denied'],
  ['sudo -i is sudo', { user, service: 'sudo-i', authorization: granted }, 'denied sudo-denied'],
  ['sudo denied', { user, service: 'sudo', authorization: refused }, 'denied portal-denied'],
  [
    'any other service is the portal’s to decide',
    { user, service: 'cron', authorization: refused },
    'denied portal-denied',
  ],
  [
    'no answer is no',
    { user, service: 'sshd', authorization: { kind: 'unreachable', detail: '' } },
    'unavailable portal-unreachable',
  ],
  [
    'nonsense is no',
    { user, service: 'sshd', authorization: { kind: 'garbled', detail: '' } },
    'unavailable portal-garbled',
  ],
  [
    'a refused host is no',
    { user, service: 'sudo', authorization: { kind: 'refuses-host', detail: '' } },
    'unavailable portal-refuses-host',
  ],
]

test.each(rows)('%s', (_name, facts, expected) => {
  expect(line(decideAccount(facts))).toBe(expected)
})
