// How this host proves to the portal which OAuth client it is (RFC 6749 §2.3): by default with an assertion (RFC
// 7523), so that the secret signs and never travels. What sends it must be asked for by name.
import * as oauth from 'oauth4webapi'
import { decodeBase64, decodeUtf8 } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import { secretFor } from '../secrets/resolve.ts'
import { makeUuid } from './request-signature.ts'

export type ClientMethod =
  | 'client_secret_jwt'
  | 'private_key_jwt'
  | 'client_secret_basic'
  | 'client_secret_post'
  | 'none'

export type ClientAuth = {
  readonly client: oauth.Client
  readonly method: ClientMethod
  /** The proof for one endpoint: an assertion names exactly the address it is sent to. */
  readonly proofFor: (endpoint: string) => oauth.ClientAuth
}

/** The method that the configuration asks for; `auto` never sends the secret. */
export function clientMethod(config: Config): ClientMethod {
  if (config.client_auth_method !== 'auto') return config.client_auth_method
  if (config.client_key_file !== undefined) return 'private_key_jwt'
  return config.client_secret === undefined ? 'none' : 'client_secret_jwt'
}

/** The configuration with the client secret itself, wherever it is stored. */
export const withClientSecret = async (
  world: Parts<'random' | 'files' | 'keyring'>,
  config: Config,
): Promise<Config> => ({
  ...config,
  client_secret: await secretFor(world, config, 'client_secret'),
})

/** Reads what the method needs; a Fault names the key that is missing. */
export async function openClientAuth(
  world: Parts<'now' | 'random' | 'files' | 'keyring'>,
  given: Config,
): Promise<ClientAuth> {
  const config = await withClientSecret(world, given)
  const { client_id } = config
  if (client_id === undefined)
    throw new Fault('client_id is not set', {
      hint: 'set client_id (and client_secret) in openbastion.conf as registered at the portal',
    })
  const method = clientMethod(config)
  return { client: { client_id }, method, proofFor: await prover(world, config, method) }
}

async function prover(
  world: Parts<'now' | 'random' | 'files'>,
  config: Config,
  method: ClientMethod,
): Promise<ClientAuth['proofFor']> {
  switch (method) {
    case 'none':
      return () => oauth.None()
    case 'client_secret_jwt': {
      const secret = secretOf(config, method)
      return (endpoint) => oauth.ClientSecretJwt(secret, { [oauth.modifyAssertion]: claims(world, endpoint) })
    }
    case 'private_key_jwt': {
      const key = await readKey(world, config)
      return (endpoint) => oauth.PrivateKeyJwt(key, { [oauth.modifyAssertion]: claims(world, endpoint) })
    }
    case 'client_secret_post': {
      const secret = secretOf(config, method)
      return () => oauth.ClientSecretPost(secret)
    }
    case 'client_secret_basic': {
      const secret = secretOf(config, method)
      return () => basic(secret)
    }
  }
}

function secretOf(config: Config, method: ClientMethod): string {
  if (config.client_secret) return config.client_secret.expose()
  throw new Fault(`client_auth_method = ${method} needs client_secret, which is not set`, {
    hint: 'set client_secret in openbastion.conf, or client_auth_method = auto',
  })
}

// RFC 6749 §2.3.1, written out so that letters, digits and - . _ stay as they are: a portal that forgets to decode
// reads them too.
const basic =
  (secret: string): oauth.ClientAuth =>
  (_server, client, _body, headers) => {
    const encoded = (text: string): string =>
      new URLSearchParams([['', text]]).toString().slice(1).replaceAll('+', '%20')
    headers.set('authorization', `Basic ${btoa(`${encoded(client.client_id)}:${encoded(secret)}`)}`)
  }

/** Seconds an assertion is good for. */
const lifetime = 300

type Assertion = Record<string, oauth.JsonValue | undefined>

/** Header and claims as the portal's other clients send them; the audience is the very endpoint (RFC 7523 §3). */
const claims =
  (world: Parts<'now' | 'random'>, endpoint: string) =>
  (header: Assertion, payload: Assertion): void => {
    const iat = Math.floor(world.now())
    // RFC 8037 names Ed25519 keys EdDSA; the younger name of RFC 9864 is unknown to portals.
    if (header['alg'] === 'Ed25519') header['alg'] = 'EdDSA'
    header['typ'] = 'JWT'
    const { iss, sub } = payload
    for (const name of Object.keys(payload)) delete payload[name]
    Object.assign(payload, { iss, sub, aud: endpoint, exp: iat + lifetime, iat, jti: makeUuid(world.random(16)) })
  }

const kinds = [
  { name: 'Ed25519' },
  { name: 'ECDSA', namedCurve: 'P-256' },
  { name: 'ECDSA', namedCurve: 'P-384' },
  { name: 'ECDSA', namedCurve: 'P-521' },
  { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
] as const

async function readKey(world: Parts<'files'>, config: Config): Promise<oauth.PrivateKey> {
  const path = config.client_key_file
  if (path === undefined)
    throw new Fault('client_auth_method = private_key_jwt needs client_key_file, which is not set', {
      hint: 'set client_key_file to the PEM file of the private key, mode 0600',
    })
  const bytes = world.files.readTrusted(path, { limit: 64 << 10, secret: true })
  if (!bytes) throw new Fault(`${path} does not exist`, { hint: 'client_key_file names it; put the private key there' })
  const key = await importKey(decodeUtf8(bytes) ?? '')
  if (!key)
    throw new Fault(`${path} holds no usable private key`, {
      hint:
        'it must be an RSA (2048 bits or more), P-256, P-384, P-521 or Ed25519 key without a passphrase: ' +
        'openssl pkcs8 -topk8 -nocrypt',
    })
  return config.client_key_id === undefined ? { key } : { key, kid: config.client_key_id }
}

/** The first kind of key that these bytes are (RFC 5958, RFC 7468). */
async function importKey(pem: string): Promise<CryptoKey | undefined> {
  const body = /-----BEGIN PRIVATE KEY-----\s([A-Za-z0-9+/=\s]+)-----END PRIVATE KEY-----/.exec(pem)?.[1]
  const der = decodeBase64((body ?? '').replace(/\s/g, ''))
  if (!der || der.length === 0) return undefined
  for (const kind of kinds) {
    try {
      const key = await crypto.subtle.importKey('pkcs8', der, kind, false, ['sign'])
      const bits = (key.algorithm as { readonly modulusLength?: number }).modulusLength // RSA only
      return bits !== undefined && bits < 2048 ? undefined : key
    } catch {
      // Of another kind.
    }
  }
  return undefined
}
