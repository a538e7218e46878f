// Keys of every kind, made with the package itself: whole pairs, so that tests can decrypt.
import * as openpgp from 'openpgp'

type Kind = Omit<Parameters<typeof openpgp.generateKey>[0], 'userIDs' | 'format'>

/** A moment at which all of them are good. */
export const now = Math.floor(Date.now() / 1000)

const kinds = {
  curve25519: { type: 'ecc', curve: 'curve25519Legacy' },
  'new curve25519': { type: 'curve25519' },
  'version 6': { type: 'curve25519', config: { v6Keys: true } },
  'nist p-256': { type: 'ecc', curve: 'nistP256' },
  rsa2048: { type: 'rsa', rsaBits: 2048 },
  rsa3072: { type: 'rsa', rsaBits: 3072 },
  rsa1024: { type: 'rsa', rsaBits: 1024, config: { minRSABits: 1024 } },
  'for signing only': { type: 'ecc', curve: 'curve25519Legacy', subkeys: [{ sign: true }] },
  expired: { type: 'ecc', curve: 'curve25519Legacy', date: new Date((now - 7200) * 1000), keyExpirationTime: 3600 },
  'from the future': { type: 'ecc', curve: 'curve25519Legacy', date: new Date((now + 7200) * 1000) },
} as const satisfies Record<string, Kind>

export type KindName = keyof typeof kinds

const made = new Map<string, Promise<{ readonly secret: openpgp.PrivateKey; readonly armored: string }>>()

/** The same pair each time. */
export function pair(kind: KindName, userId = 'Alice <alice@example.org>') {
  const name = `${kind} ${userId}`
  const present = made.get(name)
  if (present) return present
  const fresh = generate(kind, userId)
  made.set(name, fresh)
  return fresh
}

async function generate(kind: KindName, userId: string) {
  const date = new Date((now - 60) * 1000)
  const options: Kind = kinds[kind]
  const { privateKey, publicKey } = await openpgp.generateKey({
    date,
    ...options,
    userIDs: [{ name: userId }],
    format: 'object',
  })
  return { secret: privateKey, armored: publicKey.armor() }
}

export const publicKey = async (kind: KindName): Promise<Uint8Array> =>
  new TextEncoder().encode((await pair(kind)).armored)

export async function revoked(): Promise<Uint8Array> {
  const { secret } = await pair('curve25519', 'Rita')
  const { publicKey } = await openpgp.revokeKey({ key: secret, format: 'object' })
  return new TextEncoder().encode(publicKey.armor())
}

export const secretKey = async (): Promise<Uint8Array> =>
  new TextEncoder().encode((await pair('curve25519')).secret.armor())

/** The text of a message, read with this pair's secret half. */
export async function open(armored: string, kind: KindName): Promise<string> {
  const { secret } = await pair(kind)
  const message = await openpgp.readMessage({ armoredMessage: armored })
  const { data } = await openpgp.decrypt({ message, decryptionKeys: [secret] })
  return String(data)
}
