// The one importer of openpgp, in its lightweight build, loaded when a challenge is made or a key is looked at. It
// reads keys, says what is wrong with them, and encrypts.
import type { Config, Key, PartialConfig, PublicKey, Subkey } from 'openpgp'
import type { KeyFacts, KeyProblem } from './key-policy.ts'

export type OpenKey = { readonly facts: KeyFacts; readonly key: PublicKey }

export type ReadKeys = {
  readonly keys: readonly OpenKey[]
  /** Set when the bytes are no OpenPGP keys, or hold a secret key: then there are no keys. */
  readonly problem?: KeyProblem
}

export type Sealing = {
  readonly text: string
  readonly recipients: readonly OpenKey[]
  /** Armored secret key without passphrase: the host's own signing key. */
  readonly signer?: string | undefined
  /** Epoch seconds. */
  readonly now: number
  /** Nobody can read what comes out; to look at, it is the same. */
  readonly decoy?: boolean
}

export type Engine = {
  /** `whole`: a key ring, in which there may be any number of keys. */
  readonly read: (bytes: Uint8Array, now: number, options?: { readonly whole: boolean }) => Promise<ReadKeys>
  /** An armored message to every recipient, none of whom it names. */
  readonly seal: (sealing: Sealing) => Promise<string>
  readonly makeKey: (name: string, now: number) => Promise<{ readonly secret: string; readonly public: string }>
  /** The public half, armored, as it is stored. */
  readonly armor: (keys: readonly OpenKey[]) => string
  readonly publicHalf: (secret: string) => Promise<string | undefined>
}

const rules: PartialConfig = {
  showVersion: false,
  showComment: false,
  // RFC 9580, section 12.4. The package itself allows 2047.
  minRSABits: 2048,
  // A signature over a key of before 2023 may be made with SHA-1; such a key has to be certified again.
  aeadProtect: false,
}

/** More keys in one file are a mistake: every challenge would be encrypted to each of them. */
const mostKeys = 16

export async function openEngine(): Promise<Engine> {
  const openpgp = await import('../../node_modules/openpgp/dist/lightweight/openpgp.min.mjs')
  const config: Config = { ...openpgp.config, ...rules }

  const parse = async (bytes: Uint8Array): Promise<readonly Key[]> => {
    const blocks = armoredBlocks(bytes)
    if (!blocks) return openpgp.readKeys({ binaryKeys: Uint8Array.from(bytes), config })
    // The package reads the first block of a text and nothing behind it.
    return (await Promise.all(blocks.map((block) => openpgp.readKeys({ armoredKeys: block, config })))).flat()
  }

  const read: Engine['read'] = async (bytes, now, { whole } = { whole: false }) => {
    const found = await attempt(() => parse(bytes))
    if (!found || found.length === 0) return { keys: [], problem: 'not-a-key' }
    if (found.some((key) => key.isPrivate())) return { keys: [], problem: 'secret-key' }
    if (found.length > mostKeys && !whole) return { keys: [], problem: 'too-many-keys' }
    const keys = await Promise.all(
      found.map(async (key) => ({ key: key.toPublic(), facts: await factsOf(key.toPublic(), now, config) })),
    )
    return { keys }
  }

  const seal: Engine['seal'] = async ({ text, recipients, signer, now, decoy = false }) => {
    const date = new Date(now * 1000)
    const keys = recipients.map(({ key }) => key)
    if (decoy) await Promise.all(keys.map((key) => makeUnreadable(key, date, config)))
    const signingKeys = signer === undefined ? [] : [await openpgp.readPrivateKey({ armoredKey: signer, config })]
    return openpgp.encrypt({
      message: await openpgp.createMessage({ text, date }),
      encryptionKeys: keys,
      signingKeys,
      date,
      // Whoever asks for a challenge must not learn whose key it is for, and a decoy is for nobody's.
      wildcard: true,
      format: 'armored',
      config,
    })
  }

  const makeKey: Engine['makeKey'] = async (name, now) => {
    const options = { date: new Date(now * 1000), format: 'object', config } as const
    const made = await openpgp.generateKey({ type: 'ecc', curve: 'curve25519Legacy', ...options, userIDs: [{ name }] })
    return { secret: made.privateKey.armor(config), public: made.publicKey.armor(config) }
  }

  const publicHalf: Engine['publicHalf'] = async (secret) => {
    const key = await attempt(() => openpgp.readPrivateKey({ armoredKey: secret, config }))
    return key?.isDecrypted() ? key.toPublic().armor(config) : undefined
  }

  const armor: Engine['armor'] = (keys) => keys.map(({ key }) => key.armor(config)).join('')

  return { read, seal, makeKey, publicHalf, armor }
}

/** Undefined for bytes that are no text with armor (RFC 9580, section 6.2). */
function armoredBlocks(bytes: Uint8Array): readonly string[] | undefined {
  const text = new TextDecoder('latin1').decode(bytes)
  return text.match(/^-----BEGIN PGP [A-Z ]+-----[\s\S]*?^-----END PGP [A-Z ]+-----/gm) ?? undefined
}

/** The package rejects with plain errors whatever it does not like; each is "no" here. */
async function attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work()
  } catch {
    return undefined
  }
}

async function factsOf(key: PublicKey, now: number, config: Config): Promise<KeyFacts> {
  const date = new Date(now * 1000)
  const expires = await attempt(() => key.getExpirationTime())
  const encryption = await attempt(() => key.getEncryptionKey(undefined, date, undefined, config))
  const about = (encryption ?? key).getAlgorithmInfo()
  const problem = encryption ? undefined : await problemOf(key, date, config)
  return {
    fingerprint: key.getFingerprint().toUpperCase(),
    version: key.keyPacket.version,
    algorithm: nameOf(about),
    created: Math.floor(key.getCreationTime().getTime() / 1000),
    ...(expires instanceof Date ? { expires: Math.floor(expires.getTime() / 1000) } : {}),
    userIds: key.getUserIDs(),
    ...(problem === undefined ? {} : { problem }),
  }
}

type Algorithm = { readonly algorithm: string; readonly bits?: number; readonly curve?: string }

function nameOf({ algorithm, bits, curve }: Algorithm): string {
  if (bits !== undefined) return `${algorithm === 'rsaEncryptSign' ? 'rsa' : algorithm}${bits}`
  return curve ?? algorithm
}

/** Why there is no key to encrypt to. */
async function problemOf(key: PublicKey, date: Date, config: Config): Promise<KeyProblem> {
  if (await attempt(() => key.isRevoked(undefined, undefined, date))) return 'revoked'
  const expires = await attempt(() => key.getExpirationTime())
  if (expires instanceof Date && expires <= date) return 'expired'
  if (key.getCreationTime() > date) return 'from-the-future'
  const isSound = await attempt(async () => {
    await key.verifyPrimaryKey(date, undefined, config)
    return true
  })
  if (!isSound) return 'unsound'
  if ([key, ...key.subkeys].some(isSmallRsa)) return 'rsa-too-small'
  const ends = await Promise.all(key.subkeys.map((one) => attempt(() => one.getExpirationTime())))
  if (ends.some((end) => end instanceof Date && end <= date)) return 'subkey-expired'
  return 'no-encryption-key'
}

const isSmallRsa = (key: PublicKey | Subkey): boolean => {
  const { algorithm, bits } = key.getAlgorithmInfo()
  return algorithm.startsWith('rsa') && (bits ?? 0) < 2048
}

/** Puts random numbers in the place of the public key: what is encrypted to it afterwards, nobody can read. */
async function makeUnreadable(key: PublicKey, date: Date, config: Config): Promise<void> {
  const { keyPacket } = await key.getEncryptionKey(undefined, date, undefined, config)
  const parameters = keyPacket.publicParams as Record<string, Uint8Array & { readonly getName?: () => string }>
  const fill = (bytes: Uint8Array, from: number): Uint8Array => {
    const random = crypto.getRandomValues(new Uint8Array(bytes.length))
    random.set(bytes.subarray(0, from))
    return random
  }
  if (parameters['n']) parameters['n'] = oddNumber(fill(parameters['n'], 1))
  else if (parameters['A']) parameters['A'] = fill(parameters['A'], 0)
  else if (parameters['Q']) parameters['Q'] = await newPoint(parameters['Q'], fill)
}

function oddNumber(bytes: Uint8Array): Uint8Array {
  bytes[bytes.length - 1]! |= 1
  return bytes
}

const nist: Readonly<Record<number, string>> = { 65: 'P-256', 97: 'P-384', 133: 'P-521' }

/** A point of curve25519 is any 32 bytes after 0x40; one of the other curves has to be made. */
async function newPoint(point: Uint8Array, fill: (bytes: Uint8Array, from: number) => Uint8Array): Promise<Uint8Array> {
  const namedCurve = nist[point.length]
  if (point[0] === 0x40 || namedCurve === undefined) return fill(point, 1)
  const made = await crypto.subtle.generateKey({ name: 'ECDH', namedCurve }, true, ['deriveBits'])
  return new Uint8Array(await crypto.subtle.exportKey('raw', (made as CryptoKeyPair).publicKey))
}
