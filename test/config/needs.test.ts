// Keys that need others, and lists of words.
import { expect, test } from 'bun:test'
import { type Config, checkConfig } from '../../src/config/load.ts'

const read = (...lines: readonly string[]): Config | string => {
  const checked = checkConfig(['portal_url = https://auth.example.test', ...lines].join('\n'))
  return checked.kind === 'accepted'
    ? checked.config
    : checked.problems.map(({ line, text }) => `${line} ${text}`).join()
}

const needs: readonly (readonly [readonly string[], string])[] = [
  [['notify_enabled = true'], '2 notify_enabled needs notify_url, which is not set'],
  [['oauth2_token_auth = true', 'client_secret = s'], '2 oauth2_token_auth needs client_id, which is not set'],
]
test.each(needs)('%j is refused with its line', (lines, expected) => {
  expect(read(...lines)).toBe(expected)
})

test('a notify_url that is wrong is one problem, not two', () => {
  expect(read('notify_enabled = true', 'notify_url = ftp://x')).toStartWith('3 notify_url must be')
})

const lists: readonly (readonly [string, keyof Config, unknown])[] = [
  ['notify_events = RATE_LIMITED, AUTH_DENIED AUTH_FAILURE', 'notify_events', ['RATE_LIMITED', 'AUTH_FAILURE']],
  [
    'oauth2_token_clients = desktop, pam-access  https://app.example/x',
    'oauth2_token_clients',
    ['desktop', 'pam-access', 'https://app.example/x'],
  ],
]
test.each(lists)('%s is read', (line, key, expected) => {
  expect(read(line)).toMatchObject({ [key]: expected })
})

const wrong = ['notify_events = locked', 'notify_events = A', 'notify_events = ,', 'oauth2_token_clients = a"b']
test.each(wrong)('%s is refused', (line) => {
  expect(read(line)).toStartWith(`2 ${line.split(' ')[0]} must be`)
})
