// The body, the signature and the waiting file of a webhook.
import { expect, test } from 'bun:test'
import * as fc from 'fast-check'
import type { AuditEvent } from '../../src/audit/event-format.ts'
import {
  formatWaiting,
  formatWebhookBody,
  nonceOf,
  parseWaiting,
  waitingFileName,
  webhookHeaders,
} from '../../src/audit/webhook-format.ts'
import { makeNonce } from '../../src/portal-client/request-signature.ts'
import { fuzzText } from '../fakes/mutate.ts'

const event: AuditEvent = {
  timestamp: 1_700_000_000.25,
  event_type: 'RATE_LIMITED',
  correlation_id: '7f3k',
  host: 'host1',
  user: 'alice',
  service: 'sshd',
  client_ip: '192.0.2.7',
  tty: 'ssh',
  result_code: 4,
  latency_ms: 12,
  reason: 'locked-out',
  details: 'never sent',
  more: { phase: 'auth' },
}

test('the body has upstream’s members in its order, and no other', () => {
  expect(formatWebhookBody(event)).toBe(
    '{"timestamp":"2023-11-14T22:13:20.250Z","event_type":"RATE_LIMITED","correlation_id":"7f3k","host":"host1",' +
      '"user":"alice","service":"sshd","client_ip":"192.0.2.7","result_code":4,"reason":"locked-out"}',
  )
})

test('the signature is HMAC-SHA256 of time, dot and body', () => {
  // printf '1700000000.{}' | openssl dgst -sha256 -hmac sesame
  const openssl = Bun.spawnSync(['openssl', 'dgst', '-sha256', '-hmac', 'sesame'], {
    stdin: Buffer.from('1700000000.{}'),
  })
  const expected = /[0-9a-f]{64}/.exec(openssl.stdout.toString())?.[0]
  expect(webhookHeaders({ secret: 'sesame', body: '{}', nonce: 'n', seconds: 1_700_000_000.9 })).toEqual({
    'content-type': 'application/json',
    'X-Timestamp': '1700000000',
    'X-Nonce': 'n',
    'X-Signature-256': `sha256=${expected}`,
  })
})

test('without a secret nothing is signed', () => {
  const headers = webhookHeaders({ secret: undefined, body: '{}', nonce: 'n', seconds: 1 })
  expect(Object.keys(headers)).toEqual(['content-type', 'X-Timestamp', 'X-Nonce'])
})

const hostile = fc.string({ unit: 'binary', maxLength: 4000 })

test('whatever is in the event, the body is one line of JSON of at most 2 KiB', () => {
  fc.assert(
    fc.property(hostile, hostile, hostile, hostile, (user, service, client_ip, host) => {
      const body = formatWebhookBody({ ...event, user, service, client_ip, host })
      expect(Buffer.byteLength(body)).toBeLessThanOrEqual(2048)
      expect(body).not.toMatch(/[\n\r]/)
      expect(JSON.parse(body).event_type).toBe('RATE_LIMITED')
    }),
  )
})

test('a text of the body is cut at 256 characters', () => {
  const body = (length: number) => JSON.parse(formatWebhookBody({ ...event, user: 'x'.repeat(length) })).user.length
  expect([255, 256, 257, 1000].map(body)).toEqual([255, 256, 256, 256])
})

const nonce = makeNonce(1_700_000_000_000, new Uint8Array(16).fill(7))

test('a waiting event is read back as it was written, and its name is its nonce', () => {
  const waiting = {
    nonce,
    body: formatWebhookBody(event),
    queuedAt: 1.5,
    attempts: 2,
    notBefore: 3,
    problem: 'HTTP 500',
  }
  expect(parseWaiting(formatWaiting(waiting))).toEqual(waiting)
  expect(nonceOf(waitingFileName(nonce))).toBe(nonce)
})

test.each(['.lock', 'dropped', 'dead', `${nonce}.json.tmp.0011`, `${nonce}`, `../${nonce}.json`, `${nonce}x.json`])(
  'the file %j is none that waits',
  (name) => {
    expect(nonceOf(name)).toBeUndefined()
  },
)

test('a body that no event could have is none that waits', () => {
  const waiting = (length: number) =>
    parseWaiting(formatWaiting({ nonce, body: 'x'.repeat(length), queuedAt: 1, attempts: 0, notBefore: 0 }))
  expect(waiting(4096)).toBeDefined()
  expect(waiting(4097)).toBeUndefined()
})

test('a damaged file is nothing, or an event with a nonce that is a file name', () => {
  fuzzText([formatWaiting({ nonce, body: '{}', queuedAt: 1, attempts: 0, notBefore: 0 })], (text) => {
    const read = parseWaiting(text)
    if (read) expect(nonceOf(waitingFileName(read.nonce))).toBe(read.nonce)
  })
})
