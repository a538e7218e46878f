import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { concat, sha256 } from '../../src/base/bytes.ts'
import { parseFingerprint } from '../../src/base/names.ts'
import { optionText, parsePublicKey, parsePublicKeyLine, wireReader, wireString } from '../../src/ssh/wire.ts'
import { mutations } from '../fakes/mutate.ts'
import {
  caFingerprint,
  caLine,
  certificateLine,
  keyOf,
  kinds,
  listed,
  listedCertificate,
  publicKeyLine,
} from '../fakes/ssh-keys.ts'

const problemOf = (blob: Uint8Array): string => {
  const parsed = parsePublicKey(blob)
  return 'problem' in parsed ? parsed.problem : 'accepted'
}
const u32 = (value: number) => Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value)
const s = wireString

test.each(kinds)('the key %s is what ssh-keygen says it is', (name) => {
  const line = publicKeyLine(name)
  const key = keyOf(line)
  const { bits, fingerprint } = listed(name)
  expect({ type: key.type, bits: key.bits, fingerprint: String(key.fingerprint) }).toEqual({
    type: line.split(' ')[0]!,
    bits,
    fingerprint,
  })
  expect(key.plainType).toBe(key.type)
  expect(key.certificate).toBeUndefined()
  expect(parsePublicKeyLine(line)).toMatchObject({ comment: `${name} of alice` })
  expect(key.blob.toBase64()).toBe(line.split(' ')[1]!)
})

test.each(kinds)('a certificate of %s shows the key in it', (name) => {
  const plain = keyOf(publicKeyLine(name))
  const validity = ['-V', '20260101000000Z:20260102000000Z']
  const names = ['-I', 'ob:alice', '-n', 'alice,a.liddell', '-z', '18446744073709551615']
  const options = [
    '-O',
    'clear',
    '-O',
    'permit-pty',
    '-O',
    'extension:jwt@example.org=eyJ.x.y',
    '-O',
    'source-address=192.0.2.0/24',
  ]
  const line = certificateLine(name, [...names, ...validity, ...options])
  const key = keyOf(line)
  expect(key.type).toBe(line.split(' ')[0]!)
  expect({ plainType: key.plainType, fingerprint: key.fingerprint, bits: key.bits }).toEqual({
    plainType: plain.type,
    fingerprint: plain.fingerprint,
    bits: plain.bits,
  })
  expect(String(key.fingerprint)).toBe(listedCertificate(name).fingerprint)
  expect(key.plainBlob).toEqual(plain.blob)
  const certificate = key.certificate!
  expect(certificate).toMatchObject({
    serial: 18446744073709551615n,
    type: 'user',
    keyId: 'ob:alice',
    principals: ['alice', 'a.liddell'],
    validAfter: 1767225600n,
    validBefore: 1767312000n,
  })
  expect(certificate.signatureKey.type).toBe('ssh-ed25519')
  expect(String(certificate.signatureKey.fingerprint)).toBe(caFingerprint)
  expect(certificate.signatureKeyBlob).toEqual(keyOf(caLine).blob)
  expect([...certificate.criticalOptions.keys()]).toEqual(['source-address'])
  expect(optionText(certificate.criticalOptions.get('source-address')!)).toBe('192.0.2.0/24')
  expect([...certificate.extensions].map(([option, value]) => [option, optionText(value)])).toEqual(
    expect.arrayContaining([
      ['jwt@example.org', 'eyJ.x.y'],
      ['permit-pty', ''],
    ]),
  )
})

test('a host certificate, one without end, and one that signed itself are read as such', () => {
  const host = keyOf(certificateLine('p256', ['-h', '-I', 'web1', '-n', 'web1.example.org'])).certificate!
  expect([host.type, host.keyId, host.validBefore]).toEqual(['host', 'web1', 2n ** 64n - 1n])
  const self = keyOf(certificateLine('ed25519', ['-I', 'ob:alice', '-n', 'alice'], 'ed25519'))
  expect(self.certificate!.signatureKey.fingerprint).toBe(self.fingerprint)
  expect(self.certificate!.signatureKeyBlob).toEqual(self.plainBlob)
})

// No authenticator here to make these; OpenSSH PROTOCOL.u2f says what they hold.
const ed25519Point = new Uint8Array(32).fill(7)
const p256Point = concat(Uint8Array.of(4), new Uint8Array(64).fill(7))
const securityKeys = [
  ['sk-ssh-ed25519', concat(s(ed25519Point), s('ssh:'))],
  ['sk-ecdsa-sha2-nistp256', concat(s('nistp256'), s(p256Point), s('ssh:'))],
] as const

const tail = (signer: Uint8Array) =>
  concat(
    new Uint8Array(8),
    u32(1),
    s('id'),
    s(s('alice')),
    new Uint8Array(8),
    new Uint8Array(8).fill(255),
    ...[s(''), s(''), s(''), s(signer), s('sig')],
  )

test.each(securityKeys)('%s and its certificate are read', (stem, fields) => {
  const plainBlob = concat(s(`${stem}@openssh.com`), fields)
  const plain = parsePublicKey(plainBlob)
  expect(plain).toMatchObject({ type: `${stem}@openssh.com`, bits: 256 })
  const signer = keyOf(caLine).blob
  const cert = parsePublicKey(concat(s(`${stem}-cert-v01@openssh.com`), s('nonce'), fields, tail(signer)))
  expect(cert).toMatchObject({ type: `${stem}-cert-v01@openssh.com`, plainType: `${stem}@openssh.com`, plainBlob })
})

test('a DSA key has 1024 bits', () => {
  const number = (bytes: number) => s(concat(Uint8Array.of(0), new Uint8Array(bytes).fill(0xff)))
  const rest = concat(number(20), number(128), number(128))
  expect(parsePublicKey(concat(s('ssh-dss'), number(128), rest))).toMatchObject({ type: 'ssh-dss', bits: 1024 })
  expect(problemOf(concat(s('ssh-dss'), number(129), rest))).toContain('1024')
})

const rsa = (exponent: Uint8Array, modulus: Uint8Array) => concat(s('ssh-rsa'), s(exponent), s(modulus))
const modulus = concat(Uint8Array.of(0), new Uint8Array(256).fill(0xff))
const ed = concat(s('ssh-ed25519'), s(ed25519Point))
const cert = (signer: Uint8Array) =>
  concat(s('ssh-ed25519-cert-v01@openssh.com'), s('n'), s(ed25519Point), tail(signer))

test('the pieces of the refusals below are accepted when they are whole', () => {
  for (const blob of [rsa(Uint8Array.of(1, 0, 1), modulus), ed, cert(ed)]) expect(problemOf(blob)).toBe('accepted')
})

test.each([
  ['nothing', new Uint8Array(0), 'known type'],
  ['an unknown type', s('ssh-ed448'), 'known type'],
  ['a certificate of an unknown type', s('ssh-ed448-cert-v01@openssh.com'), 'known type'],
  ['a prototype', s('constructor'), 'known type'],
  ['a byte after the end', concat(ed, Uint8Array.of(0)), 'after its end'],
  ['a length beyond the end', concat(s('ssh-ed25519'), u32(0xffffffff), ed25519Point), 'too early'],
  ['a key of 31 bytes', concat(s('ssh-ed25519'), s(ed25519Point.subarray(1))), '32 bytes'],
  ['an exponent of 1', rsa(Uint8Array.of(1), modulus), 'exponent'],
  ['a negative modulus', rsa(Uint8Array.of(3), modulus.subarray(1)), 'negative'],
  ['a modulus with zeros in front', rsa(Uint8Array.of(3), concat(Uint8Array.of(0), modulus)), 'shortest'],
  ['a modulus of 256 bits', rsa(Uint8Array.of(3), concat(Uint8Array.of(0), modulus.subarray(1, 33))), '512'],
  ['a modulus of 16392 bits', rsa(Uint8Array.of(3), concat(Uint8Array.of(0), new Uint8Array(2049).fill(255))), '16384'],
  ['another curve', concat(s('ecdsa-sha2-nistp384'), s('nistp256'), s(p256Point)), 'curve'],
  ['a compressed point', concat(s('ecdsa-sha2-nistp256'), s('nistp256'), s(p256Point.with(0, 2))), 'point'],
  ['a type that is not text', s(Uint8Array.of(0xff, 0xfe)), 'known type'],
  ['a certificate signed by a certificate', cert(cert(ed)), 'key that signed'],
  ['a certificate signed by nothing', cert(new Uint8Array(0)), 'key that signed'],
  ['a byte after a certificate', concat(cert(ed), Uint8Array.of(0)), 'after its end'],
])('%s is refused', (_, blob, part) => {
  expect(problemOf(blob)).toContain(part)
})

const certWith = (type: number, principals: Uint8Array, options: Uint8Array, signature = 'sig') =>
  concat(
    ...[s('ssh-ed25519-cert-v01@openssh.com'), s('n'), s(ed25519Point), new Uint8Array(8), u32(type), s('id')],
    ...[s(principals), new Uint8Array(16), s(options), s(''), s(''), s(ed), s(signature)],
  )

test.each([
  ['neither user nor host', certWith(3, s('a'), new Uint8Array(0)), 'neither'],
  ['half a principal', certWith(1, concat(s('alice'), u32(9)), new Uint8Array(0)), 'too early'],
  ['a principal with a zero byte', certWith(1, s('root\0x'), new Uint8Array(0)), 'zero byte'],
  ['an option twice', certWith(1, s('a'), concat(s('x'), s(''), s('x'), s(''))), 'twice'],
  ['an option without value', certWith(1, s('a'), s('x')), 'too early'],
  ['no signature', certWith(1, s('a'), new Uint8Array(0), ''), 'not signed'],
])('a certificate with %s is refused', (_, blob, part) => {
  expect(problemOf(blob)).toContain(part)
  expect(problemOf(certWith(1, s('a'), new Uint8Array(0)))).toBe('accepted')
})

test.each([
  ['', 'type'],
  ['ssh-ed25519', 'type'],
  ['ssh-ed25519 !!!!', 'base64'],
  [`ssh-rsa ${ed.toBase64()}`, 'not of the type'],
  [`ssh-ed25519 ${ed.toBase64().slice(0, -4)}`, 'too early'],
])('the line %j is refused', (line, part) => {
  const parsed = parsePublicKeyLine(line)
  expect('problem' in parsed ? parsed.problem : 'accepted').toContain(part)
})

test('the reader reads each type of RFC 4251', () => {
  const bytes = concat(Uint8Array.of(7, 1), u32(0xdeadbeef), u32(1), u32(2), s('é'), s(Uint8Array.of(0, 0x80)), s(''))
  const reader = wireReader(bytes)
  expect([reader.byte(), reader.boolean(), reader.uint32(), reader.uint64(), reader.text()]).toEqual([
    7,
    true,
    0xdeadbeef,
    2n ** 32n + 2n,
    'é',
  ])
  expect([...reader.mpint()]).toEqual([0x80])
  expect([...reader.mpint()]).toEqual([])
  expect(reader.end()).toBeUndefined()
})

test('after a problem everything is empty and the first problem stays', () => {
  const reader = wireReader(Uint8Array.of(2, 0, 0, 0, 9))
  expect([reader.boolean(), reader.uint32(), reader.byte(), reader.uint64(), reader.text()]).toEqual([
    false,
    0,
    0,
    0n,
    '',
  ])
  expect(reader.isDone()).toBe(true)
  expect(reader.end()).toBe('a boolean is neither 0 nor 1')
})

test('a reader of a part of a buffer does not see the rest', () => {
  const whole = concat(Uint8Array.of(9, 9, 9), s('a'), s('b'))
  const reader = wireReader(whole.subarray(3, 8))
  expect([reader.text(), reader.text(), reader.end()]).toEqual(['a', '', 'it ends too early'])
})

test('an option value is a string in a string, a flag is empty, anything else is none', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme' }).filter((t) => !t.includes('\0')),
      (t) => optionText(s(t)) === t,
    ),
  )
  expect(optionText(new Uint8Array(0))).toBe('')
  expect(optionText(concat(s('a'), s('b')))).toBeUndefined()
  expect(optionText(Uint8Array.of(1, 2, 3))).toBeUndefined()
})

test('no mutation of a key or certificate throws, and what is accepted is consistent', () => {
  const lines = [...kinds.map(([name]) => publicKeyLine(name)), certificateLine('rsa2048', ['-I', 'x', '-n', 'alice'])]
  lines.push(certificateLine('ed25519', ['-I', 'x', '-n', 'a,b', '-O', 'force-command=id', '-O', 'extension:j@x=y']))
  const samples = lines.map((line) => keyOf(line).blob)
  for (const blob of mutations(samples)) {
    const key = parsePublicKey(blob)
    if ('problem' in key) continue
    expect(key.fingerprint).toBe(parseFingerprint(`SHA256:${sha256(key.plainBlob).toBase64({ omitPadding: true })}`)!)
    expect(parsePublicKey(key.plainBlob)).toMatchObject({ type: key.plainType, fingerprint: key.fingerprint })
    expect(keyOf(`${key.type} ${key.blob.toBase64()}`)).toEqual(key)
  }
})

test('no random bytes throw', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => 'problem' in parsePublicKey(bytes)))
})
