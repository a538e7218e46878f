// Argon2id (RFC 9106) and the PHC string that keeps its result. The only importer of hash-wasm, which works wherever
// this program does; where the runtime has an Argon2 of its own that says the same, that is faster.
import { decodeBase64, equalBytes, utf8 } from '../base/bytes.ts'
import type { NativeArgon2 } from '../base/world.ts'

export type Argon2Cost = {
  /** KiB. */
  readonly memory: number
  readonly passes: number
  readonly lanes: number
}

export type Verifier = {
  readonly cost: Argon2Cost
  readonly salt: Uint8Array<ArrayBuffer>
  readonly hash: Uint8Array<ArrayBuffer>
}

/** The cost of new verifiers: 64 MiB, three passes, four lanes. */
export const usualCost: Argon2Cost = { memory: 65_536, passes: 3, lanes: 4 }
/** The cost in the C implementation's libsodium builds, whatever an entry says. */
export const libsodiumCost: Argon2Cost = { memory: 65_536, passes: 3, lanes: 1 }

export const hashLength = 32
export const argon2SaltLength = 16

/** A lower cost does not protect; a higher one would let the sender of a verifier stop every login. */
export const isCostBearable = ({ memory, passes, lanes }: Argon2Cost): boolean =>
  [memory, passes, lanes].every(Number.isInteger) &&
  memory >= 16_384 &&
  memory <= 262_144 &&
  passes >= 2 &&
  passes <= 16 &&
  lanes >= 1 &&
  lanes <= 16

const phc =
  /^\$argon2id\$v=19\$m=([1-9]\d{0,6}),t=([1-9]\d?),p=([1-9]\d?)\$([A-Za-z0-9+/]+)={0,2}\$([A-Za-z0-9+/]+)={0,2}$/

/** A PHC string, its base64 padded or not; undefined when it is no Argon2id verifier that this program accepts. */
export function parseVerifier(text: string): Verifier | undefined {
  const match = phc.exec(text)
  if (match === null) return undefined
  const [memory, passes, lanes] = match.slice(1, 4).map(Number)
  const cost = { memory: memory!, passes: passes!, lanes: lanes! }
  const [salt, hash] = [unpadded(match[4]!), unpadded(match[5]!)]
  if (!isCostBearable(cost) || !salt || salt.length < argon2SaltLength || salt.length > 48) return undefined
  return hash?.length === hashLength ? { cost, salt, hash } : undefined
}

const unpadded = (text: string): Uint8Array<ArrayBuffer> | undefined =>
  decodeBase64(text + '='.repeat((4 - (text.length % 4)) % 4))

export function formatVerifier({ cost, salt, hash }: Verifier): string {
  const [saltText, hashText] = [salt, hash].map((bytes) => bytes.toBase64({ omitPadding: true }))
  return `$argon2id$v=19$m=${cost.memory},t=${cost.passes},p=${cost.lanes}$${saltText}$${hashText}`
}

export type Argon2 = (password: Uint8Array, salt: Uint8Array, cost: Argon2Cost) => Promise<Uint8Array<ArrayBuffer>>

/** Argon2id: the runtime's own when there is one and it agrees with the reference on a small case. */
export function openArgon2(native: NativeArgon2 | undefined): Argon2 {
  let trusted: Promise<boolean> | undefined
  return async (password, salt, cost) => {
    trusted ??= agrees(native)
    return native && (await trusted)
      ? native(password, { ...cost, salt, length: hashLength })
      : reference(password, salt, cost)
  }
}

const reference: Argon2 = async (password, salt, { memory, passes, lanes }) => {
  const { argon2id } = await import('hash-wasm')
  const hash = await argon2id({
    password,
    salt,
    memorySize: memory,
    iterations: passes,
    parallelism: lanes,
    hashLength,
    outputType: 'binary',
  })
  return Uint8Array.from(hash)
}

/** argon2(1): echo -n 'a known answer' | argon2 'of sixteen bytes' -id -t 2 -k 64 -p 2 -l 32 */
const known = {
  password: 'a known answer',
  salt: 'of sixteen bytes',
  cost: { memory: 64, passes: 2, lanes: 2 },
  hash: 'ac34713d3f99150dde9177668ca7dd24d4a69a8bebede80b163af440cd6b2c7f',
}

async function agrees(native: NativeArgon2 | undefined): Promise<boolean> {
  try {
    const how = { ...known.cost, salt: utf8(known.salt), length: hashLength }
    const hash = await native?.(utf8(known.password), how)
    return hash !== undefined && equalBytes(hash, Uint8Array.fromHex(known.hash))
  } catch {
    return false
  }
}
