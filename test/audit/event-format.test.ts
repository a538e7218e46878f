import { expect, test } from 'bun:test'
import fc from 'fast-check'
import {
  type AuditEvent,
  correlationId,
  eventLevel,
  formatAuditLine,
  formatSyslogText,
  parseAuditLine,
  reference,
} from '../../src/audit/event-format.ts'
import { fuzzText } from '../fakes/mutate.ts'
import audit from '../vectors/audit.json'

const event: AuditEvent = {
  timestamp: 1780000000.25,
  event_type: 'AUTH_FAILURE',
  correlation_id: '7d0f1c2e-0000-8000-8000-000000000000',
  host: 'web1',
  user: 'alice',
  service: 'sshd',
  client_ip: '192.0.2.7',
  tty: 'ssh',
  result_code: 7,
  cache_hit: false,
  latency_ms: 12,
  reason: 'token-rejected',
  details: 'second try',
  more: { key: 'SHA256:abc', tries: 2 },
}
const dangerous = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069\ud800-\udfff]/
const lone = (text: string) => !text.isWellFormed()

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 80 }),
  fc.string({ unit: 'grapheme', maxLength: 80 }),
  fc.string({
    unit: fc.constantFrom(
      '\n',
      '"',
      '\\',
      '\u2028',
      '\u202e',
      '\u2066',
      '\u2069',
      '\ud800',
      '\udc00',
      '\u007f',
      '\u009b',
      'a',
      ' ',
    ),
    maxLength: 20,
  }),
)
const events: fc.Arbitrary<AuditEvent> = fc
  .record(
    {
      timestamp: fc.integer({ min: 0, max: 4_102_444_800_000 }).map((milliseconds) => milliseconds / 1000),
      event_type: text,
      correlation_id: text,
      host: text,
      user: text,
      service: text,
      client_ip: text,
      tty: text,
      result_code: fc.integer({ min: 0, max: 255 }),
      cache_hit: fc.boolean(),
      latency_ms: fc.integer({ min: 0, max: 60_000 }),
      reason: text,
      details: text,
      more: fc.dictionary(fc.stringMatching(/^x[a-z0-9_]{0,10}$/), fc.oneof(text, fc.integer({ min: 0 })), {
        minKeys: 1,
        maxKeys: 3,
      }),
    },
    { requiredKeys: ['timestamp', 'event_type', 'correlation_id', 'host', 'result_code', 'reason'] },
  )
  // An optional member that fast-check leaves out is really absent.
  .map((one) => one as AuditEvent)

test('an event is one JSON line with upstream’s fields in upstream’s order', () => {
  for (const { name, input, line, syslog } of audit.lines) {
    const given = input as AuditEvent
    expect([name, formatAuditLine(given)]).toEqual([name, line])
    expect([name, formatSyslogText(given)]).toEqual([name, syslog])
  }
})

test('a well-formed event is read back as it was', () => {
  expect(parseAuditLine(formatAuditLine(event))).toEqual(event)
  fc.assert(
    fc.property(events, (given) => {
      const line = formatAuditLine(given)
      const again = parseAuditLine(line)
      expect(again).toBeDefined()
      expect(formatAuditLine(again!)).toBe(line)
      if (!JSON.stringify(given).includes('\\ud')) expect(again).toEqual(given)
    }),
  )
})

test('nothing breaks out of the line', () => {
  fc.assert(
    fc.property(events, (given) => {
      for (const line of [formatAuditLine(given), formatSyslogText(given)]) {
        expect([...line].some((character) => dangerous.test(character) && character.length === 1)).toBe(false)
        expect(lone(line)).toBe(false)
      }
      expect(JSON.parse(formatAuditLine(given))).toMatchObject({ module: 'ob' })
    }),
  )
})

test('a string is cut at 1024 characters, marked, never inside a character', () => {
  const long = parseAuditLine(formatAuditLine({ ...event, details: 'x'.repeat(2000) }))!
  expect(long.details).toBe(`${'x'.repeat(1023)}…`)
  const halved = parseAuditLine(formatAuditLine({ ...event, details: '🔑'.repeat(1000) }))!
  expect(halved.details).toBe(`${'🔑'.repeat(511)}…`)
  const pairs = parseAuditLine(formatAuditLine({ ...event, details: `x${'🔑'.repeat(1000)}` }))!
  expect(pairs.details).toHaveLength(1024)
  expect(pairs.details!.isWellFormed()).toBe(true)
  expect(parseAuditLine(formatAuditLine({ ...event, details: 'x'.repeat(1024) }))!.details).toBe('x'.repeat(1024))
})

test('a line with its newline is never longer than 8 KiB', () => {
  for (const filler of ['\u0001', '\u202e', 'é', '🔑', '"', 'x']) {
    const long = filler.repeat(3000)
    const names = { host: long, user: long, service: long, client_ip: long, tty: long, reason: long, details: long }
    const more = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`m${i}`, long]))
    const line = formatAuditLine({ ...event, event_type: long, correlation_id: long, ...names, more })
    expect(new TextEncoder().encode(`${line}\n`).length).toBeLessThanOrEqual(8192)
    expect(parseAuditLine(line)).toBeDefined()
  }
})

test('a member of our own can neither replace a field nor carry a strange name', () => {
  const line = formatAuditLine({
    ...event,
    more: { user: 'root', module: 'x', 'a"b': 1, __proto__x: 1, ok: Number.NaN, fine: 1 },
  })
  expect(parseAuditLine(line)).toEqual({ ...event, more: { fine: 1 } })
})

test('a value for syslog is cut at 256 characters', () => {
  expect(formatSyslogText({ ...event, user: 'x'.repeat(300) })).toContain(`user=${'x'.repeat(255)}… service=`)
})

test('a time that is none does not lose the event', () => {
  expect(formatAuditLine({ ...event, timestamp: Number.NaN })).toContain('"timestamp":"1970-01-01T00:00:00.000Z"')
  expect(parseAuditLine(formatAuditLine({ ...event, timestamp: 1e300 }))).toBeDefined()
})

test.each(['', 'x', 'null', '[]', '7', '{}', '{"module":"ob"}'])('%j is no audit line', (line) => {
  expect(parseAuditLine(line)).toBeUndefined()
})

test.each([
  ['timestamp', [7, null, '2026-05-28', '2026-05-28T20:26:40Z', '2026-13-28T20:26:40.250Z']],
  ...['event_type', 'correlation_id', 'host', 'reason'].map((name) => [name, [7, null, undefined]] as const),
  ...['user', 'service', 'client_ip', 'tty', 'details'].map((name) => [name, [7, null, ['x']]] as const),
  ['result_code', ['7', null, undefined]],
  ['cache_hit', ['true', 1, null]],
  ['latency_ms', ['12', true, null]],
] as const)('a line whose %s is of another type is none of ours', (name, values) => {
  const line = JSON.parse(formatAuditLine(event))
  for (const value of values)
    expect([value, parseAuditLine(JSON.stringify({ ...line, [name]: value }))]).toEqual([value, undefined])
})

test('the line of another program is not ours', () => {
  expect(parseAuditLine(formatAuditLine(event).replace('"ob"', '"pam_llng"'))).toBeUndefined()
})

test.each([
  ['CONFIG_ERROR', 0],
  ['SECURITY_ERROR', 0],
  ['RATE_LIMITED', 0],
  ['AUTH_SUCCESS', 1],
  ['AUTH_FAILURE', 1],
  ['AUTHZ_DENIED', 1],
  ['ENROLLMENT_START', 1],
  ['SERVER_ERROR', 1],
  ['USER_CREATED', 1],
  ['BREAK_GLASS', 0],
  ['CACHE_HIT', 2],
  ['CACHE_MISS', 2],
  ['TOKEN_INTROSPECT', 2],
  ['TOKEN_REFRESH', 2],
  ['TOKEN_REFRESH_ROTATED', 2],
  ['GROUP_SYNC', 2],
  ['constructor', 1],
])('%s is an event of level %d', (type, level) => {
  expect(eventLevel(type)).toBe(level as 0 | 1 | 2)
})

test('one connection has one id, another has another, and both look like UUIDs', () => {
  const id = correlationId('boot 7 pid 42')
  expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  expect(correlationId('boot 7 pid 42')).toBe(id)
  expect(correlationId('boot 7 pid 43')).not.toBe(id)
  expect(reference(id)).toBe(id.slice(0, 8).toUpperCase())
})

test('an id is the hash of its seed, but for the digits that say what kind of UUID it is', () => {
  for (const seed of ['boot 7 pid 42', 'boot 7 pid 43', 'another']) {
    const hash = new Bun.CryptoHasher('sha256').update(seed).digest('hex').slice(0, 32)
    const digits = correlationId(seed).replaceAll('-', '')
    const others = (text: string) => [text.slice(0, 12), text.slice(13, 16), text.slice(17)]
    expect(others(digits)).toEqual(others(hash))
    expect(digits[12]).toBe('8')
    expect(Number.parseInt(digits[16]!, 16)).toBe((Number.parseInt(hash[16]!, 16) & 3) | 8)
  }
})

test('a reference holds nothing but hexadecimal digits', () => {
  expect(reference('ab\n"; cd-ef0123456')).toBe('ABCDEF01')
})

test('no mutation of a line throws, and what is accepted is written one way', () => {
  fuzzText([formatAuditLine(event)], (mutant) => {
    const read = parseAuditLine(mutant)
    if (read === undefined) return
    const line = formatAuditLine(read)
    expect(formatAuditLine(parseAuditLine(line)!)).toBe(line)
  })
})
