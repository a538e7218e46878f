// How this host proves which client it is: the assertions byte by byte, and every kind of client of the stand-in
// portal.
import { expect, test } from 'bun:test'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { type Config, checkConfig } from '../../src/config/load.ts'
import { openClientAuth } from '../../src/portal-client/client-auth.ts'
import { requestDeviceCode } from '../../src/portal-client/device-grant.ts'
import { openHttp } from '../../src/portal-client/http.ts'
import { type FakeWorld, fakeWorld } from '../fakes/world.ts'
import { createPortal } from '../portal/portal.ts'
import type { Client } from '../portal/state.ts'
import vectors from '../vectors/client-jwt.json'

const portalUrl = 'https://auth.example.test'
const longSecret = 'a-much-longer-client-secret-0123456789abcdef'

function configure(...lines: readonly string[]): Config {
  const checked = checkConfig([`portal_url = ${portalUrl}`, 'ca_cert = /ca.pem', ...lines].join('\n'))
  if (checked.kind !== 'accepted') throw new Error(JSON.stringify(checked.problems))
  return checked.config
}

type Proof = { readonly body: URLSearchParams; readonly headers: Headers }

async function prove(world: FakeWorld, config: Config, endpoint: string): Promise<Proof> {
  const { client, proofFor } = await openClientAuth(world, config)
  const [body, headers] = [new URLSearchParams(), new Headers()]
  await proofFor(endpoint)({ issuer: portalUrl }, client, body, headers)
  return { body, headers }
}

const told = vectors.vectors.filter(({ client_id }) => client_id !== '').map((vector, i) => [i, vector] as const)

test.each(told)('assertion %i says what the C implementation says, in the same order', async (_number, vector) => {
  const world: FakeWorld = { ...fakeWorld({ now: vector.clock }), random: () => Uint8Array.fromHex(vector.random_hex) }
  const { Secret } = await import('../../src/base/secret.ts')
  const config: Config = {
    ...configure(),
    client_id: vector.client_id,
    client_secret: new Secret(vector.client_secret),
  }
  const { body } = await prove(world, config, vector.audience)
  const [header = '', payload = '', signature = ''] = (body.get('client_assertion') ?? '').split('.')
  const text = (part: string): string => Buffer.from(part, 'base64url').toString()
  expect(text(header)).toBe(vector.header)
  // The C library writes \/ for /, which is the same JSON; the order of the claims is the same too.
  expect(text(payload)).toBe(vector.payload.replaceAll('\\/', '/'))
  const mac = new Bun.CryptoHasher('sha256', vector.client_secret).update(`${header}.${payload}`).digest('base64url')
  expect(signature).toBe(mac)
})

test('every assertion has a number of its own', async () => {
  const config = configure('client_id = c', 'client_secret = s')
  const world = fakeWorld()
  const ids = await Promise.all([1, 2, 3].map(async () => (await prove(world, config, portalUrl)).body))
  expect(new Set(ids.map((body) => decodeJwt(body.get('client_assertion') ?? '').jti)).size).toBe(3)
})

const keyKinds = [
  ['RS256', ['genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048']],
  ['ES256', ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256']],
  ['ES384', ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384']],
  ['ES512', ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-521']],
  ['EdDSA', ['genpkey', '-algorithm', 'ED25519']],
] as const

const openssl = (args: readonly string[], stdin = ''): string => {
  const done = Bun.spawnSync(['openssl', ...args], { stdin: Buffer.from(stdin), stderr: 'pipe' })
  if (!done.success) throw new Error(done.stderr.toString())
  return done.stdout.toString()
}

const publicJwk = async (pem: string, kid: string): Promise<Record<string, unknown>> => {
  const { createPublicKey } = await import('node:crypto')
  return { ...createPublicKey(pem).export({ format: 'jwk' }), kid }
}

async function enrollWith(client: Client | string, lines: readonly string[], files: Record<string, string> = {}) {
  const now = Date.now() / 1000
  const portal = createPortal({
    url: portalUrl,
    now: () => now,
    clients: typeof client === 'string' ? {} : { tested: client },
  })
  const world = fakeWorld({
    now,
    files: { '/ca.pem': '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n', ...files },
    fetch: (request) => portal.handle(request),
  })
  const config = configure(`client_id = ${typeof client === 'string' ? client : 'tested'}`, ...lines)
  const grant = await requestDeviceCode(world, config, openHttp(world, config))
  portal.control.approve({ user_code: grant.code.userCode })
  const sent = portal.control.requests().map(({ body, headers }) => `${body} ${headers['authorization'] ?? ''}`)
  return { answer: (await grant.poll()).kind, sent: sent.join('\n'), portal }
}

test.each(keyKinds)('a %s key proves the client, and only the endpoint it names', async (alg, make) => {
  const pem = openssl(make)
  const client: Client = {
    secret: undefined,
    keys: [await publicJwk(pem, 'k1')],
    method: 'jwt',
    owner: 'organization',
    deviceGrant: true,
  }
  const lines = ['client_key_file = /key.pem', 'client_key_id = k1']
  const { answer, portal } = await enrollWith(client, lines, { '/key.pem': pem })
  expect(answer).toBe('granted')
  for (const { path, body } of portal.control.requests().filter(({ method }) => method === 'POST')) {
    const assertion = new URLSearchParams(body).get('client_assertion') ?? ''
    expect(decodeProtectedHeader(assertion)).toEqual({ alg, kid: 'k1', typ: 'JWT' })
    expect(decodeJwt(assertion).aud).toBe(portalUrl + path)
  }
})

const organization = { owner: 'organization', deviceGrant: true } as const
const clients: readonly (readonly [string, Client, readonly string[]])[] = [
  ['a usual one', { ...organization, secret: 's' }, ['client_secret = s']],
  ['a public one', { ...organization, secret: undefined }, []],
  [
    'one for assertions only',
    { ...organization, secret: longSecret, method: 'jwt' },
    [`client_secret = ${longSecret}`],
  ],
  [
    'one for Basic only',
    { ...organization, secret: 'a b:c%é', method: 'basic' },
    ['client_secret = "a b:c%é"', 'client_auth_method = client_secret_basic'],
  ],
  [
    'one for POST only',
    { ...organization, secret: 's', method: 'post' },
    ['client_secret = s', 'client_auth_method = client_secret_post'],
  ],
]
test.each(clients)('%s of the portal’s clients enrolls', async (_name, client, lines) => {
  expect((await enrollWith(client, lines)).answer).toBe('granted')
})

const methods = ['auto', 'client_secret_jwt', 'client_secret_basic', 'client_secret_post'] as const
const registered = [
  ['pam-access', 'pamsecret', 'granted granted granted granted'],
  ['pam-pkce', 'pamsecret', 'granted granted granted granted'],
  ['pam-onlyjwt', longSecret, 'granted granted invalid_client invalid_client'],
  ['pam-onlybasic', 'pamsecret', 'invalid_client invalid_client granted invalid_client'],
  ['pam-onlypost', 'pamsecret', 'invalid_client invalid_client invalid_client granted'],
  ['web-app', 'websecret', 'unauthorized_client unauthorized_client unauthorized_client unauthorized_client'],
] as const
test.each(registered)('%s accepts what it is registered for', async (id, secret, expected) => {
  const outcomes = methods.map(async (method) => {
    try {
      return (await enrollWith(id, [`client_secret = ${secret}`, `client_auth_method = ${method}`])).answer
    } catch (error) {
      return /(\w+)( \(|$)/.exec(String(error))?.[1]
    }
  })
  expect((await Promise.all(outcomes)).join(' ')).toBe(expected)
})

test.each(['basic', 'post'] as const)('auto never sends the secret, also to a client for %s only', async (method) => {
  const client: Client = { ...organization, secret: 'canary-secret', method }
  const refused = enrollWith(client, ['client_secret = canary-secret'])
  await expect(refused).rejects.toMatchObject({
    message: expect.stringContaining('invalid_client'),
    hint: expect.stringContaining('client_auth_method'),
  })
})

test('with an assertion the secret is in no request', async () => {
  const { sent } = await enrollWith({ ...organization, secret: 'canary-secret' }, ['client_secret = canary-secret'])
  expect(sent).toContain('client_assertion=')
  expect(sent).not.toContain('canary-secret')
  expect(sent).not.toContain(btoa('canary-secret').slice(0, 12))
})

const small = openssl(['genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:1024'])
const broken: readonly (readonly [string, readonly string[], string, string])[] = [
  ['no client_id', ['client_secret = s'], '', 'client_id is not set'],
  ['a method without its secret', ['client_id = c', 'client_auth_method = client_secret_post'], '', 'client_secret'],
  ['a method without its key', ['client_id = c', 'client_auth_method = private_key_jwt'], '', 'client_key_file'],
  ['a key file that is not there', ['client_id = c', 'client_key_file = /none.pem'], '', '/none.pem does not exist'],
  ['a key that is no PEM', ['client_id = c', 'client_key_file = /key.pem'], 'nothing', '/key.pem holds no usable'],
  ['a small RSA key', ['client_id = c', 'client_key_file = /key.pem'], small, '/key.pem holds no usable'],
  [
    'a key in another wrapping',
    ['client_id = c', 'client_key_file = /key.pem'],
    small.replaceAll('PRIVATE KEY', 'RSA PRIVATE KEY'),
    '/key.pem holds no usable',
  ],
]
test.each(broken)('%s is a fault that names it', async (_name, lines, pem, message) => {
  const world = fakeWorld({ files: { '/key.pem': pem } })
  await expect(openClientAuth(world, configure(...lines))).rejects.toMatchObject({
    name: 'Fault',
    message: expect.stringContaining(message),
  })
})

test('a key file that others may read is refused', async () => {
  const world = fakeWorld({ files: { '/key.pem': openssl(['genpkey', '-algorithm', 'ED25519']) } })
  world.disk.get('/key.pem')!.mode = 0o644
  const config = configure('client_id = c', 'client_key_file = /key.pem')
  await expect(openClientAuth(world, config)).rejects.toThrow('can be read by others')
})
