import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { formatPins, makeNonce, parsePins, signRequest } from '../../src/formats/signature.ts'
import vectors from '../vectors/request-signatures.json'
import { fuzzText } from './mutate.ts'

test('a request is signed as upstream signs it', () => {
  for (const { name, secret, timestamp, method, path, body, signature } of vectors.vectors) {
    const headers = signRequest({ secret, method, path, body: body ?? undefined, seconds: timestamp, nonce: 'n' })
    expect([name, headers['X-Signature-256']]).toEqual([name, `sha256=${signature}`])
  }
})

test('the three headers are upstream’s', () => {
  for (const { secret, clock, clock_ms, random_hex, method, path, body, headers } of vectors.header_lists) {
    if (secret === null) continue
    const nonce = makeNonce(clock * 1000 + clock_ms!, Uint8Array.fromHex(random_hex![0]!))
    const ours = signRequest({ secret, method, path, body, seconds: clock, nonce })
    expect(Object.entries(ours).map(([name, value]) => `${name}: ${value}`)).toEqual(headers)
  }
})

test('another body, path, method, time or secret has another signature', () => {
  const request = { secret: 's', method: 'POST', path: '/p', body: 'b', seconds: 1, nonce: 'n' }
  const sign = (change: object) => signRequest({ ...request, ...change })['X-Signature-256']
  const all = [{}, { body: 'c' }, { path: '/q' }, { method: 'PUT' }, { seconds: 2 }, { secret: 't' }].map(sign)
  expect(new Set(all).size).toBe(all.length)
})

test('a nonce is milliseconds and a version 4 UUID, whatever the random bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (random) => {
      expect(makeNonce(1700000000999.9, random)).toMatch(
        /^1700000000999-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
      )
    }),
  )
})

const zeros = `sha256//${'A'.repeat(43)}=`
/** Upstream checks the form and hands the text to its HTTP library; we need the 32 bytes themselves. */
const differences: Readonly<Record<string, string>> = {
  [`sha256//${'A'.repeat(44)}`]: '33 bytes are no digest',
  [`sha256//${'='.repeat(20)}${'A'.repeat(24)}`]: 'padding in front',
  '/etc/ssl/pin.pem': 'files are not supported',
  './pin.pem': 'files are not supported',
  '..': 'files are not supported',
  '/a': 'files are not supported',
  '/a;': 'files are not supported',
  ' sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= ; /ab ': 'files are not supported',
  ';': 'no pin in it',
  ';;': 'no pin in it',
}

test('a pin is accepted where upstream accepts it, but for what could never match', () => {
  for (const { pin, valid } of vectors.cert_pin_format) {
    const accepted = !('problem' in parsePins(pin))
    expect([pin, accepted]).toEqual([pin, pin in differences ? !valid : valid])
  }
})

test('a file as pin is refused with what to write instead', () => {
  const parsed = parsePins('/etc/ssl/pin.pem')
  expect('problem' in parsed ? parsed.problem : '').toContain('sha256//')
})

test('pins are 32 bytes each and are written one way', () => {
  const digests = fc.array(fc.uint8Array({ minLength: 32, maxLength: 32 }), { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(digests, (pins) => {
      expect(parsePins(formatPins(pins))).toEqual(pins.map((pin) => Uint8Array.from(pin)))
    }),
  )
})

test('no mutation of pins throws, and what is accepted is 32 bytes', () => {
  fuzzText([`${zeros};${zeros}`], (text) => {
    const pins = parsePins(text)
    if ('problem' in pins) return
    expect(pins.every((pin) => pin.length === 32)).toBe(true)
    expect(parsePins(formatPins(pins))).toEqual(pins)
  })
})
