import { expect, test } from 'bun:test'
import { sign as cryptoSign, generateKeyPairSync } from 'node:crypto'
import { concat, decodeBase64, utf8 } from '../../src/base/bytes.ts'
import { type LoginName, parseLoginName } from '../../src/base/names.ts'
import { denied } from '../../src/base/outcome.ts'
import { Secret } from '../../src/base/secret.ts'
import { type Issuing, issueCertificate } from '../../src/ca/issue.ts'
import { openLedger } from '../../src/ca/ledger.ts'
import { loadConfig } from '../../src/config/load.ts'
import { openPorts } from '../../src/login/ports.ts'
import { formatSignature, parseCertificate } from '../../src/ssh/certificate-format.ts'
import { type PublicKey, parsePublicKey, wireReader, wireString } from '../../src/ssh/wire.ts'
import { certificateLine, publicKeyLine } from '../fakes/ssh-keys.ts'
import { enrolledHost, type Host } from '../modes/host.ts'

const blobOf = (line: string): Uint8Array => decodeBase64(line.split(' ')[1]!)!
const pair = generateKeyPairSync('ed25519')
const signerBlob = concat(
  wireString('ssh-ed25519'),
  wireString(Uint8Array.fromBase64(pair.publicKey.export({ format: 'jwk' }).x!, { alphabet: 'base64url' })),
)
const signer = parsePublicKey(signerBlob) as PublicKey

/** An agent with this key, as ssh-agent(1) answers. */
const agent = async (request: Uint8Array): Promise<Uint8Array> => {
  const reader = wireReader(wireReader(request).string())
  if (reader.byte() === 11)
    return wireString(concat(Uint8Array.of(12, 0, 0, 0, 1), wireString(signerBlob), wireString('')))
  reader.string()
  const signature = formatSignature('ssh-ed25519', new Uint8Array(cryptoSign(null, reader.string(), pair.privateKey)))
  return wireString(concat(Uint8Array.of(14), wireString(signature)))
}

async function authority(more: Partial<Issuing> = {}) {
  const host = await enrolledHost({ config: 'service_map = ssh-ca=ssh' })
  await host.portal.control.setUser({ user: 'alice', groups: ['dev', 'bad group'], attributes: { gecos: 'Alice L.' } })
  await host.portal.control.setRules({ group: 'backend', ssh: ['alice', 'root'], sudo: [] })
  const config = loadConfig(host.world.files)
  const { portal, usedTokens, lockouts } = openPorts(host.world, config)
  const parts: Issuing = {
    now: host.world.now,
    random: host.world.random,
    portal,
    usedTokens,
    lockouts,
    ledger: openLedger(host.world),
    ask: agent,
    signer,
    rules: {
      issuer: 'ca.example.org',
      lifetimeSeconds: 36_000,
      principals: ['user', 'groups'],
      extensions: ['permit-pty'],
      options: ['source-address'],
      attributes: ['gecos', 'groups'],
    },
    keyPolicy: { enabled: false, allowedTypes: [], minRsaBits: 0, minEcdsaBits: 0 },
    serviceMap: config.service_map,
    refusalOf: async () => undefined,
    ...more,
  }
  const apply = async (line: string, token: string, source: string | undefined = '192.0.2.7') => {
    const issued = await issueCertificate(parts, { blob: blobOf(line), token: new Secret(token), source })
    return issued.kind === 'issued' ? issued : `${issued.outcome.kind} ${issued.outcome.reason}`
  }
  return { host, parts, apply }
}

const tokenFor = async (host: Host, user: string): Promise<string> =>
  String(await host.portal.control.mintToken({ user }))

test('the certificate says what the rules and the portal say', async () => {
  const { host, apply } = await authority()
  const issued = await apply(publicKeyLine('ed25519'), await tokenFor(host, 'alice'))
  if (typeof issued === 'string') throw new Error(issued)
  const parsed = parseCertificate(blobOf(issued.line))
  if ('problem' in parsed) throw new Error(parsed.problem)
  const { body } = parsed
  const now = BigInt(Math.floor(host.world.now()))
  expect(body.principals).toEqual(['alice', 'group:dev'])
  expect(body.keyId).toBe(`alice@ca.example.org ${body.serial}`)
  expect([body.validAfter, body.validBefore]).toEqual([now - 60n, now + 36_000n])
  expect([...body.criticalOptions]).toEqual([['source-address', wireString('192.0.2.7/32')]])
  expect([...body.extensions.keys()].sort()).toEqual(['gecos@openbastion', 'groups@openbastion', 'permit-pty'])
  expect(body.extensions.get('groups@openbastion')).toEqual(wireString('dev'))
})

test('what is refused, and why', async () => {
  const { host, apply } = await authority({
    keyPolicy: { enabled: true, allowedTypes: ['ed25519', 'rsa'], minRsaBits: 3072, minEcdsaBits: 256 },
  })
  const good = publicKeyLine('ed25519')
  const token = await tokenFor(host, 'alice')
  expect(await apply(publicKeyLine('rsa3071'), token)).toBe('denied key-policy')
  expect(await apply(publicKeyLine('p256'), token)).toBe('denied key-policy')
  expect(await apply(certificateLine('ed25519', ['-I', 'x', '-n', 'alice']), token)).toBe('denied ca-not-a-plain-key')
  expect(await apply(`x ${utf8('no key').toBase64()}`, token)).toBe('denied key-policy')
  expect(await apply(good, 'f'.repeat(64))).toBe('denied token-rejected')
  expect(await apply(good, await tokenFor(host, 'mallory').catch(() => 'f'.repeat(63)))).toStartWith('denied ')
  // The refusals of the key spent nothing.
  expect(await apply(good, token)).toHaveProperty('kind', 'issued')
  expect(await apply(good, token)).toBe('denied token-replayed')
})

test('an agent that is away or holds another key spends no token, and a portal that is away gives it back', async () => {
  let answer: Issuing['ask'] = async () => undefined
  const { host, apply } = await authority({ ask: (request) => answer(request) })
  const token = await tokenFor(host, 'alice')
  expect(await apply(publicKeyLine('ed25519'), token)).toBe('unavailable ca-cannot-sign')
  const other = concat(Uint8Array.of(12, 0, 0, 0, 1), wireString('another'), wireString(''))
  answer = async () => wireString(other)
  expect(await apply(publicKeyLine('ed25519'), token)).toBe('unavailable ca-cannot-sign')
  answer = agent
  expect(await apply(publicKeyLine('ed25519'), token)).toHaveProperty('kind', 'issued')
})

test('too many invented tokens from one address are locked out, and a good one does not help then', async () => {
  const { host, apply } = await authority()
  for (let tries = 0; tries < 5; tries++) await apply(publicKeyLine('ed25519'), `${tries}`.repeat(64))
  expect(await apply(publicKeyLine('ed25519'), await tokenFor(host, 'alice'))).toBe('denied locked-out')
  expect(await apply(publicKeyLine('ed25519'), await tokenFor(host, 'alice'), '192.0.2.8')).toHaveProperty('kind')
})

test('a refused person is refused before the portal is asked whether they may, and a full disk signs nothing', async () => {
  const refused = await authority({
    refusalOf: async (user: LoginName) => (user === 'alice' ? denied('ca-revoked') : undefined),
  })
  expect(await refused.apply(publicKeyLine('ed25519'), await tokenFor(refused.host, 'alice'))).toBe('denied ca-revoked')
  expect(refused.parts.ledger.entries()).toEqual([])
  const { host, apply } = await authority()
  const token = await tokenFor(host, 'alice')
  host.break((path) => (path.includes('/ca/serial') ? 'no space left on device' : undefined))
  expect(apply(publicKeyLine('ed25519'), token)).rejects.toThrow('no space left on device')
})

test('a service that service_map does not name is refused', async () => {
  const { host, apply } = await authority({ serviceMap: new Map() })
  expect(await apply(publicKeyLine('ed25519'), await tokenFor(host, 'alice'))).toBe('denied service-unmapped')
  expect(parseLoginName('alice')).toBeDefined()
})
