import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { formatChallenge, formatCode, hashOfCode, parseCode, withoutChecksum } from '../../src/gpg/challenge-format.ts'

const tenBytes = fc.uint8Array({ minLength: 10, maxLength: 10 })

test('every ten bytes have a code of their own, which is read back as it is written', () => {
  const seen = new Map<string, string>()
  fc.assert(
    fc.property(tenBytes, (bytes) => {
      const code = formatCode(bytes)
      expect(code).toMatch(/^[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){3}$/)
      expect(parseCode(code)).toBe(code)
      expect(seen.get(code) ?? bytes.toHex()).toBe(bytes.toHex())
      seen.set(code, bytes.toHex())
    }),
  )
})

test('all 80 bits count', () => {
  const codes = Array.from({ length: 80 }, (_, bit) => {
    const bytes = new Uint8Array(10)
    bytes[bit >> 3] = 1 << (bit & 7)
    return formatCode(bytes)
  })
  expect(new Set([...codes, formatCode(new Uint8Array(10))]).size).toBe(81)
})

test.each([
  ['7m2k-q0rx-4tzn-c8ve', '7M2K-Q0RX-4TZN-C8VE'],
  ['7M2KQ0RX4TZNC8VE', '7M2K-Q0RX-4TZN-C8VE'],
  [' 7M2K QORX 4TZN C8VE ', '7M2K-Q0RX-4TZN-C8VE'],
  ['il00-0000-0000-0000', '1100-0000-0000-0000'],
  ['7M2K-Q0RX-4TZN-C8V', undefined],
  ['7M2K-Q0RX-4TZN-C8VEE', undefined],
  ['7M2K-Q0RX-4TZN-C8VU', undefined],
  ['', undefined],
])('%j is read as %j', (typed, code) => {
  expect(parseCode(typed)).toBe(code)
})

const challenge = {
  host: 'web1',
  user: 'alice',
  from: '192.0.2.7',
  service: 'sshd',
  reference: '1A2B3C4D',
  expires: 1_795_948_800,
  code: '7M2K-Q0RX-4TZN-C8VE',
}

test('the plaintext says which login it is for', () => {
  expect(formatChallenge(challenge)).toBe(
    `ob 1
host web1
user alice
from 192.0.2.7
service sshd
session 1A2B3C4D
expires 2026-11-29 10:40:00 UTC
code 7M2K-Q0RX-4TZN-C8VE
If you did not start this login, stop.
`,
  )
})

test('no name can add a line, nor look like another one', () => {
  const any = fc.string({ unit: 'binary' })
  fc.assert(
    fc.property(any, any, any, any, (host, user, from, service) => {
      const text = formatChallenge({ ...challenge, host, user, from, service })
      expect(text.split('\n').length).toBe(10)
      expect(text).toMatch(/^ob 1\nhost \S+\nuser \S+\nfrom \S+\nservice \S+\nsession /)
    }),
    { numRuns: 50 },
  )
})

test('the hash is of the code in its one spelling', () => {
  expect(hashOfCode(parseCode('7m2kq0rx4tznc8ve') ?? '')).toBe(hashOfCode(challenge.code))
  expect(hashOfCode(challenge.code)).not.toContain('7M2K')
})

test('a checksum is left out, and nothing else', () => {
  const armored = '-----BEGIN PGP MESSAGE-----\r\n\r\nwV4D\r\n=uplF\r\n-----END PGP MESSAGE-----\r\n'
  expect(withoutChecksum(armored)).toBe('-----BEGIN PGP MESSAGE-----\n\nwV4D\n-----END PGP MESSAGE-----\n')
})
