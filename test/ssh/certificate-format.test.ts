import { expect, test } from 'bun:test'
import { sign as cryptoSign, generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { concat } from '../../src/base/bytes.ts'
import {
  attachSignature,
  type CertificateBody,
  certificateTypeOf,
  formatCertificateBody,
  formatKeyLine,
  formatSignature,
  optionValue,
  parseCertificate,
} from '../../src/ssh/certificate-format.ts'
import { type PublicKey, wireString } from '../../src/ssh/wire.ts'
import { mutations } from '../fakes/mutate.ts'
import { certificateLine, keyOf, kinds, publicKeyLine } from '../fakes/ssh-keys.ts'

const pair = generateKeyPairSync('ed25519')
const signerBlob = concat(
  wireString('ssh-ed25519'),
  wireString(Uint8Array.fromBase64(pair.publicKey.export({ format: 'jwk' }).x!, { alphabet: 'base64url' })),
)
const sign = (bytes: Uint8Array): Uint8Array =>
  formatSignature('ssh-ed25519', new Uint8Array(cryptoSign(null, bytes, pair.privateKey)))

const bodyFor = (key: PublicKey, more: Partial<CertificateBody> = {}): CertificateBody => ({
  key: { plainType: key.plainType, plainBlob: key.plainBlob },
  nonce: new Uint8Array(32).fill(7),
  serial: 18446744073709551615n,
  type: 'user',
  keyId: 'alice@ca.example.org 5',
  principals: ['alice', 'admins'],
  validAfter: 1767225600n,
  validBefore: 1767312000n,
  criticalOptions: new Map([['source-address', optionValue('192.0.2.0/24')]]),
  extensions: new Map([
    ['permit-pty', new Uint8Array()],
    ['groups@example.org', optionValue('dev,ops')],
  ]),
  signatureKeyBlob: signerBlob,
  ...more,
})

function signed(body: CertificateBody): Uint8Array<ArrayBuffer> {
  const bytes = formatCertificateBody(body)
  return attachSignature(bytes, sign(bytes))
}

/** What `ssh-keygen -L` prints about it; -L refuses a certificate whose signature is wrong. */
function listing(blob: Uint8Array): string {
  const folder = mkdtempSync(join(tmpdir(), 'ob-certificate-'))
  try {
    writeFileSync(join(folder, 'id-cert.pub'), `${formatKeyLine(blob, 'made here')}\n`)
    const env = { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' }
    const done = Bun.spawnSync(['ssh-keygen', '-L', '-f', join(folder, 'id-cert.pub')], { env })
    return done.exitCode === 0 ? done.stdout.toString() : `refused: ${done.stderr}`
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const values = (text: string) =>
  text
    .split('\n')
    .slice(1)
    .map((line) => line.trim())
    .filter((line) => line !== '')

test.each(kinds)('ssh-keygen -L reads a certificate for %s as it was meant, and accepts its signature', (name) => {
  const key = keyOf(publicKeyLine(name))
  const lines = values(listing(signed(bodyFor(key))))
  expect(lines[0]).toBe(`Type: ${certificateTypeOf(key.type)} user certificate`)
  expect(lines[1]).toEndWith(` ${key.fingerprint}`)
  expect(lines.slice(3)).toEqual([
    'Key ID: "alice@ca.example.org 5"',
    'Serial: 18446744073709551615',
    'Valid: from 2026-01-01T00:00:00 to 2026-01-02T00:00:00',
    'Principals:',
    'alice',
    'admins',
    'Critical Options:',
    'source-address 192.0.2.0/24',
    'Extensions:',
    'groups@example.org UNKNOWN OPTION: 000000076465762c6f7073 (len 11)',
    'permit-pty',
  ])
})

test('a signature that does not fit is not taken by ssh-keygen -L', () => {
  const bytes = formatCertificateBody(bodyFor(keyOf(publicKeyLine('ed25519'))))
  expect(listing(attachSignature(bytes, sign(bytes.subarray(1))))).toStartWith('refused')
})

test.each(['ssh-ed25519', 'ecdsa-sha2-nistp256', 'sk-ssh-ed25519@openssh.com', 'ssh-rsa'])(
  'the certificate type of %s is what OpenSSH lists',
  (type) => {
    const known = Bun.spawnSync(['ssh', '-Q', 'key-cert'], { env: { PATH: '/usr/bin:/bin' } }).stdout.toString()
    expect(known.split('\n')).toContain(certificateTypeOf(type))
  },
)

test.each(kinds)('what ssh-keygen signed for %s is formatted to the same bytes', (name) => {
  const options = [
    '-O',
    'extension:zz@example.org=x',
    '-O',
    'extension:aa@example.org=y',
    '-O',
    'force-command=/bin/id',
  ]
  const blob = keyOf(certificateLine(name, ['-I', 'id', '-n', 'alice,bob', '-V', '+5m', ...options])).blob
  const parsed = parseCertificate(blob)
  if ('problem' in parsed) throw new Error(parsed.problem)
  expect(formatCertificateBody(parsed.body)).toEqual(Uint8Array.from(parsed.signedBytes))
  expect(attachSignature(parsed.signedBytes, parsed.signature)).toEqual(Uint8Array.from(blob))
})

const word = fc.stringMatching(/^[a-z0-9@.é-]{1,20}$/)
const uint64 = fc.bigInt({ min: 0n, max: 18446744073709551615n })
const options = fc.dictionary(word, fc.uint8Array({ maxLength: 40 })).map((entries) => new Map(Object.entries(entries)))

test('a body is read back as it was written', () => {
  const arbitrary = fc.record({
    nonce: fc.uint8Array({ minLength: 1, maxLength: 64 }),
    serial: uint64,
    type: fc.constantFrom('user' as const, 'host' as const),
    keyId: word,
    principals: fc.array(word, { maxLength: 5 }),
    validAfter: uint64,
    validBefore: uint64,
    criticalOptions: options,
    extensions: options,
  })
  const keys = kinds.map(([name]) => keyOf(publicKeyLine(name)))
  fc.assert(
    fc.property(arbitrary, fc.constantFrom(...keys), (fields, key) => {
      const body = bodyFor(key, fields)
      const parsed = parseCertificate(signed(body))
      if ('problem' in parsed) throw new Error(parsed.problem)
      const plain = (value: CertificateBody) => ({
        ...value,
        nonce: value.nonce.toHex(),
        signatureKeyBlob: value.signatureKeyBlob.toHex(),
        key: value.key.plainBlob.toHex(),
        criticalOptions: [...value.criticalOptions].map(([name, data]) => `${name}=${data.toHex()}`).sort(),
        extensions: [...value.extensions].map(([name, data]) => `${name}=${data.toHex()}`).sort(),
      })
      expect(plain(parsed.body)).toEqual(plain(body))
    }),
  )
})

test('what is no certificate, or not in the one form, is a problem', () => {
  const key = keyOf(publicKeyLine('ed25519'))
  expect(parseCertificate(key.blob)).toEqual({ problem: 'a plain key, not a certificate' })
  expect(parseCertificate(new Uint8Array())).toHaveProperty('problem')
  const body = bodyFor(key, { criticalOptions: new Map(), extensions: new Map() })
  const bytes = formatCertificateBody(body)
  // The reserved field is the string before the signature key; here it gets one byte.
  const tail = wireString(signerBlob)
  const reserved = concat(bytes.subarray(0, bytes.length - tail.length - 4), wireString('x'), tail)
  expect(parseCertificate(attachSignature(reserved, sign(reserved)))).toEqual({
    problem: 'its options are not sorted, or its reserved field is not empty',
  })
})

test('mutated certificates are either a problem or formatted to the same bytes', () => {
  const samples = kinds.map(([name]) => signed(bodyFor(keyOf(publicKeyLine(name)))))
  let survived = 0
  for (const blob of mutations(samples)) {
    const parsed = parseCertificate(blob)
    if (!('problem' in parsed))
      expect(attachSignature(formatCertificateBody(parsed.body), parsed.signature)).toEqual(blob)
    survived++
  }
  expect(survived).toBeGreaterThan(1000)
})
