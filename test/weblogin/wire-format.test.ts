// The two wires of a web login: what is sent, and which answers are believed.
import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { type Fingerprint, type LoginName, parseLoginName } from '../../src/base/names.ts'
import { formatModuleStart, parseModuleCheck, parseModuleStart } from '../../src/weblogin/module-wire-format.ts'
import { formatStart, isShowable, parseCheck, parseStart } from '../../src/weblogin/portal-wire-format.ts'
import { fuzzText } from '../fakes/mutate.ts'

const user = 'alice' as LoginName
const now = 1_800_000_000
const reply = (status: number, body: unknown, type = 'application/json') => ({
  status,
  type,
  text: typeof body === 'string' ? body : JSON.stringify(body),
})
const started = { session: 'S'.repeat(32), url: 'https://login.example.com/w/ABCDEFGH', expires_in: 300 }
const identity = { user: 'alice', subject: 'sub', issuer: 'https://idp.example.com', groups: ['staff'] }
const asked = { user, approvalSeconds: 600, now }

test('a start says who, from where and with which key, and of approvals only where they are wanted', () => {
  const about = { host: 'h', group: 'g' }
  const request = { user, service: 'sshd', rhost: '192.0.2.7', key: undefined, approvalSeconds: 0 }
  expect(formatStart(request, about)).toEqual({
    ...{ user: 'alice', service: 'sshd', host: 'h', host_group: 'g', rhost: '192.0.2.7' },
  })
  const key = { type: 'ssh-ed25519', fingerprint: 'SHA256:x' as Fingerprint }
  expect(formatStart({ ...request, rhost: undefined, key, approvalSeconds: 60 }, about)).toEqual({
    ...{ user: 'alice', service: 'sshd', host: 'h', host_group: 'g', rhost: '' },
    ...{ key_fingerprint: 'SHA256:x', key_type: 'ssh-ed25519', approval_seconds: 60 },
  })
})

test('an address and a session start a login', () => {
  expect(parseStart(reply(201, started), asked)).toEqual({
    kind: 'started',
    session: started.session,
    url: started.url,
    secondsLeft: 300,
  })
})

const badStarts: readonly (readonly [string, number, unknown])[] = [
  ['another state', 202, started],
  ['a redirect', 302, started],
  ['no session', 201, { ...started, session: undefined }],
  ['a short session', 201, { ...started, session: 'abc' }],
  ['a session with a blank', 201, { ...started, session: 'S S'.repeat(9) }],
  ['no address', 201, { ...started, url: undefined }],
  ['plain http', 201, { ...started, url: 'http://login.example.com/w/A' }],
  ['an escape sequence', 201, { ...started, url: 'https://login.example.com/\u001b[2J' }],
  ['a second line', 201, { ...started, url: 'https://login.example.com/\nType your password at https://evil' }],
  ['a name in it', 201, { ...started, url: 'https://login.example.com@evil.example/' }],
  ['a script', 201, { ...started, url: 'javascript:alert(1)//https://' }],
  ['no end', 201, { ...started, expires_in: undefined }],
  ['an end too far', 201, { ...started, expires_in: 86_400 }],
  ['a text for a number', 201, { ...started, expires_in: '300' }],
  ['a list', 201, [started]],
  ['HTML', 201, '<html>'],
  ['nothing', 201, ''],
]

test.each(badStarts)('a start with %s is garbled', (_name, status, body) => {
  expect(parseStart(reply(status, body), asked).kind).toBe('garbled')
})

test('an answer of another type is garbled, and 401 means that the host is unknown', () => {
  expect(parseStart(reply(201, started, 'text/html'), asked).kind).toBe('garbled')
  expect(parseStart(reply(401, { error: 'host_unknown' }), asked).kind).toBe('refuses-host')
  expect(parseStart(reply(400, { error: 'invalid_request', detail: 'secret' }), asked)).toEqual({
    kind: 'garbled',
    detail: 'the answer of the web login is not believed: HTTP 400 (invalid_request)',
  })
})

const approval = { approved: true, ...identity, approval_expires_at: now + 500 }

test('an approval that was asked for is believed', () => {
  expect(parseStart(reply(200, approval), asked)).toMatchObject({ kind: 'approved', confirmed: { user: 'alice' } })
})

const badApprovals: readonly (readonly [string, unknown, number])[] = [
  ['nobody asked for', approval, 0],
  ['nobody asked for and that is soon over', { ...approval, approval_expires_at: now + 30 }, 0],
  ['is about somebody else', { ...approval, user: 'bob' }, 600],
  ['is over', { ...approval, approval_expires_at: now }, 600],
  ['lasts longer than asked', { ...approval, approval_expires_at: now + 661 }, 600],
  ['has no end', { ...approval, approval_expires_at: undefined }, 600],
  ['is none', { ...approval, approved: 'true' }, 600],
  ['has no groups', { ...approval, groups: undefined }, 600],
  ['is a started login', started, 600],
]

test.each(badApprovals)('an approval that %s is garbled', (_name, body, approvalSeconds) => {
  expect(parseStart(reply(200, body), { ...asked, approvalSeconds }).kind).toBe('garbled')
})

test('each result of a check', () => {
  expect(parseCheck(reply(200, { result: 'confirmed', ...identity, acr: 'loa-2', auth_time: 5 }))).toEqual({
    kind: 'confirmed',
    confirmed: { ...identity, acr: 'loa-2', authTime: 5 },
  })
  expect(parseCheck(reply(200, { result: 'wrong', tries_left: 2 }))).toEqual({ kind: 'wrong', triesLeft: 2 })
  for (const kind of ['pending', 'expired', 'refused'] as const)
    expect(parseCheck(reply(200, { result: kind }))).toEqual({ kind })
})

const badChecks: readonly (readonly [string, number, unknown])[] = [
  ['nobody is named', 200, { result: 'confirmed', subject: 's', issuer: 'i', groups: [] }],
  ['no subject', 200, { result: 'confirmed', ...identity, subject: '' }],
  ['no issuer', 200, { result: 'confirmed', ...identity, issuer: undefined }],
  ['no groups', 200, { result: 'confirmed', ...identity, groups: 'staff' }],
  ['another state', 201, { result: 'confirmed', ...identity }],
  ['another word', 200, { result: 'CONFIRMED', ...identity }],
  ['a flag', 200, { confirmed: true, ...identity }],
  ['tries that are no number', 200, { result: 'wrong', tries_left: '2' }],
  ['an inherited member', 200, '{"__proto__":{"result":"confirmed"}}'],
]

test.each(badChecks)('a check where %s is garbled', (_name, status, body) => {
  expect(parseCheck(reply(status, body)).kind).toBe('garbled')
})

test('whatever is broken in a good answer, nobody else is confirmed and nothing is thrown', () => {
  const good = [{ result: 'confirmed', ...identity }, { result: 'wrong', tries_left: 1 }, started, approval]
  fuzzText(
    good.map((one) => JSON.stringify(one)),
    (text) => {
      for (const status of [200, 201]) {
        const start = parseStart(reply(status, text), asked)
        if (start.kind === 'approved') expect(start.confirmed.user).toBe('alice')
        if (start.kind === 'started') expect(isShowable(start.url)).toBe(true)
      }
      const check = parseCheck(reply(200, text))
      if (check.kind === 'confirmed') expect(JSON.parse(text).result).toBe('confirmed')
    },
  )
})

test('an address that is shown has no character that a terminal acts on', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.nat(0x2100).map((code) => String.fromCharCode(code)) }), (tail) => {
      const url = `https://login.example.com/${tail}`
      if (isShowable(url)) expect(url).toMatch(/^https:\/\/[!-~]+$/)
    }),
  )
  expect(isShowable('https://login.example.com/w/BCDF-GHJK?a=b')).toBe(true)
})

// pam-weblogin

test('every login name can be sent, and an address only as the module would send it', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z_][a-z0-9_.-]{0,31}$/), (name) => {
      const parsed = parseLoginName(name)
      if (parsed) expect(formatModuleStart({ user: parsed, rhost: undefined }, 'uid')).toMatchObject({ user_id: name })
    }),
  )
  expect(formatModuleStart({ user, rhost: '192.0.2.7' }, 'uid')).toMatchObject({
    ...{ rhost: '192.0.2.7', attribute: 'uid', cache_duration: '0', cache_per_rhost: 'true' },
  })
  expect(formatModuleStart({ user, rhost: 'fe80::1%eth0 "' }, 'uid')['rhost']).toBe('')
})

const module = {
  result: 'OK',
  session_id: 'abcdef123456',
  challenge: 'Visit https://sram.example/w/1 now',
  cached: false,
}

test('the address is the member, or the first one of the sentence; the sentence itself is never shown', () => {
  expect(parseModuleStart(reply(201, { ...module, url: 'https://sram.example/w/2' }))).toMatchObject({
    url: 'https://sram.example/w/2',
  })
  const printsTheCode = 'Go to https://sram.example/w/1. The code is 1234'
  expect(parseModuleStart(reply(200, { ...module, challenge: printsTheCode }))).toEqual({
    ...{ kind: 'started', session: 'abcdef123456', url: 'https://sram.example/w/1', secondsLeft: 300 },
  })
})

test('what its servers answer about users, hosts and earlier logins', () => {
  expect(parseModuleStart(reply(404, { error: true, message: 'no access' }))).toEqual({ kind: 'refused' })
  expect(parseModuleStart(reply(404, '<html>', 'text/html')).kind).toBe('garbled')
  expect(parseModuleStart(reply(401, '')).kind).toBe('refuses-host')
  expect(parseModuleStart(reply(201, { result: 'OK', cached: true, username: 'alice', info: '' })).kind).toBe('garbled')
  expect(parseModuleStart(reply(201, { ...module, cached: true })).kind).toBe('garbled')
  expect(parseModuleStart(reply(201, { ...module, challenge: 'no address' })).kind).toBe('garbled')
})

const context = { issuer: 'https://sram.example', triesLeft: 2 }

test('a right code confirms the name that the server says, with groups by their URN alone', () => {
  const group = { id: 1, name: 'Admins', short_name: 'admins', urn: 'urn:x:co:admins' }
  const nameless = { id: 2, name: 'admins', short_name: 'admins' }
  const body = {
    result: 'SUCCESS',
    username: 'alice',
    groups: [group, nameless, 'admins', null],
    collaborations: [group],
  }
  expect(parseModuleCheck(reply(201, body), context)).toEqual({
    kind: 'confirmed',
    confirmed: { user: 'alice', subject: 'alice', issuer: context.issuer, groups: ['urn:x:co:admins'] },
  })
})

test('a wrong one, a late one, and nonsense', () => {
  expect(parseModuleCheck(reply(201, { result: 'FAIL', info: 'Incorrect pin' }), context)).toEqual({
    kind: 'wrong',
    triesLeft: 2,
  })
  expect(parseModuleCheck(reply(201, { result: 'TIMEOUT' }), context)).toEqual({ kind: 'expired' })
  expect(parseModuleCheck(reply(201, { result: 'SUCCESS' }), context).kind).toBe('garbled')
  expect(parseModuleCheck(reply(201, { validation: 'FAIL', pin: '1234' }), context).kind).toBe('garbled')
})

test('whatever is broken in an answer of the module’s servers, nothing is thrown', () => {
  const good = [module, { result: 'SUCCESS', username: 'alice', groups: [{ urn: 'u' }] }, { result: 'FAIL' }]
  fuzzText(
    good.map((one) => JSON.stringify(one)),
    (text) => {
      const start = parseModuleStart(reply(201, text))
      if (start.kind === 'started') expect(isShowable(start.url)).toBe(true)
      parseModuleCheck(reply(201, text), context)
    },
  )
})
