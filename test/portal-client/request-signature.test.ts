import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { checkConfig } from '../../src/config/load.ts'
import { makeNonce, signRequest } from '../../src/portal-client/request-signature.ts'
import vectors from '../vectors/request-signatures.json'

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

const pinsOf = (text: string): readonly string[] => {
  const checked = checkConfig(`portal_url = https://a.example\ncert_pin = "${text}"\n`)
  return checked.kind === 'accepted' ? checked.config.cert_pin : []
}

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
    const accepted = pinsOf(pin).length > 0
    expect([pin, accepted]).toEqual([pin, pin in differences ? !valid : valid])
  }
})
