// OBCRED01: the verifier of a user's password and the failures against it, sealed. The C implementation's file; members
// of our own come after its own, and it skips them. Beside each entry is a sealed generation number, so that
// an old copy of an entry is known for one.
import { concat, decodeBase64, decodeUtf8, equalBytes, hex, sha256, utf8 } from '../base/bytes.ts'
import { formatJsonC, type JsonObject, parseJsonObject, textMember, wholeMember } from '../base/json.ts'
import { open, seal } from '../secrets/sealed-format.ts'
import { type Argon2Cost, argon2SaltLength, hashLength, isCostBearable, type Verifier } from './argon2.ts'

export type PasswordState = {
  readonly failedAttempts: number
  /** Epoch seconds; 0 when there is no lock. */
  readonly lockedUntil: number
  /** Absent in entries that the C implementation wrote. */
  readonly lastFailureAt?: number | undefined
}

export type OfflinePassword = PasswordState & {
  readonly user: string
  readonly createdAt: number
  readonly expiresAt: number
  readonly lastSuccessAt: number
  readonly salt: Uint8Array<ArrayBuffer>
  readonly hash: Uint8Array<ArrayBuffer>
  /** Undefined in entries of the C implementation: it depends on how that was built. */
  readonly cost: Argon2Cost | undefined
  readonly gecos: string
  readonly shell: string
  readonly home: string
  /** Undefined in entries that this program never wrote. */
  readonly generation: number | undefined
  /** All members as they are in the file. */
  readonly members: JsonObject
}

const magic = utf8('OBCRED01')
const generationMagic = utf8('OBGEN01')
export const passwordSuffix = '.cred'
export const passwordLimit = 1024 * 1024

const digest = (user: string): string => hex(sha256(`cred:${user}`)).slice(0, 32)

export const passwordFileName = (user: string): string => `${digest(user)}${passwordSuffix}`
export const generationFileName = (user: string): string => `${digest(user)}.gen`

export type NewPassword = {
  readonly user: string
  readonly createdAt: number
  readonly expiresAt: number
  readonly verifier: Verifier
  readonly attributes: { readonly gecos?: string; readonly shell?: string; readonly home?: string }
  readonly generation: number
}

export function newPassword({ user, createdAt, expiresAt, verifier, attributes, generation }: NewPassword): JsonObject {
  const { gecos = '', shell = '', home = '' } = attributes
  return {
    v: 1,
    user,
    created_at: createdAt,
    expires_at: expiresAt,
    last_success: createdAt,
    failed_attempts: 0,
    locked_until: 0,
    password_hash: verifier.hash.toBase64(),
    salt: verifier.salt.toBase64(),
    ...(gecos === '' ? {} : { gecos }),
    ...(shell === '' ? {} : { shell }),
    ...(home === '' ? {} : { home }),
    ...ownMembers({ cost: verifier.cost, generation, lastFailureAt: undefined }),
  }
}

type OwnMembers = Pick<OfflinePassword, 'cost' | 'generation' | 'lastFailureAt'>

const ownMembers = ({ cost, generation, lastFailureAt }: OwnMembers): JsonObject => ({
  ...(cost === undefined ? {} : { argon2: { m: cost.memory, t: cost.passes, p: cost.lanes } }),
  ...(generation === undefined ? {} : { generation }),
  ...(lastFailureAt === undefined ? {} : { last_failure: lastFailureAt }),
})

const ourNames = ['argon2', 'generation', 'last_failure']

/** What changed in an entry: counters move to the end, as they do in the C implementation's. */
export type PasswordChange = OwnMembers & {
  readonly failedAttempts: number
  readonly lockedUntil?: number
  readonly lastSuccessAt?: number
}

export function changedMembers(members: JsonObject, change: PasswordChange): JsonObject {
  const counters: JsonObject = {
    failed_attempts: change.failedAttempts,
    ...(change.lockedUntil === undefined ? {} : { locked_until: change.lockedUntil }),
    ...(change.lastSuccessAt === undefined ? {} : { last_success: change.lastSuccessAt }),
  }
  const kept = Object.entries(members).filter(([name]) => !Object.hasOwn(counters, name) && !ourNames.includes(name))
  return { ...Object.fromEntries(kept), ...counters, ...ownMembers(change) }
}

/** The entry, or undefined. A member that has to be a number and is none makes it no entry. */
export function parsePassword(text: string): OfflinePassword | undefined {
  const members = parseJsonObject(text)
  if (!members || wholeMember(members, 'v') !== 1) return undefined
  const number = (name: string): number | undefined => wholeMember(members, name)
  const [user, createdAt, expiresAt] = [textMember(members, 'user'), number('created_at'), number('expires_at')]
  const [failedAttempts, lockedUntil] = [number('failed_attempts'), number('locked_until')]
  const [salt, hash] = [bytesMember(members, 'salt'), bytesMember(members, 'password_hash')]
  if (user === undefined || createdAt === undefined || expiresAt === undefined) return undefined
  if (failedAttempts === undefined || lockedUntil === undefined || hash?.length !== hashLength) return undefined
  if (!salt || salt.length < argon2SaltLength) return undefined
  const own = readOwnMembers(members)
  if (!own) return undefined
  const attributes = {
    gecos: textMember(members, 'gecos') ?? '',
    shell: textMember(members, 'shell') ?? '',
    home: textMember(members, 'home') ?? '',
  }
  const lastSuccessAt = number('last_success') ?? 0
  return {
    ...{ user, createdAt, expiresAt, lastSuccessAt, failedAttempts, lockedUntil, salt, hash },
    ...attributes,
    ...own,
    members,
  }
}

function readOwnMembers(members: JsonObject): OwnMembers | undefined {
  const generation = wholeMember(members, 'generation')
  const lastFailureAt = wholeMember(members, 'last_failure')
  const value = Object.hasOwn(members, 'argon2') ? members['argon2'] : undefined
  if (value === undefined) return { cost: undefined, generation, lastFailureAt }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const how = value as JsonObject // neither null nor a list
  const [memory, passes, lanes] = [wholeMember(how, 'm'), wholeMember(how, 't'), wholeMember(how, 'p')]
  const cost = { memory: memory ?? 0, passes: passes ?? 0, lanes: lanes ?? 0 }
  return isCostBearable(cost) ? { cost, generation, lastFailureAt } : undefined
}

const bytesMember = (members: JsonObject, name: string): Uint8Array<ArrayBuffer> | undefined =>
  decodeBase64(textMember(members, name) ?? '')

type Bytes = Uint8Array<ArrayBuffer>

export const sealPassword = async (key: Uint8Array, members: JsonObject, iv: Uint8Array): Promise<Bytes> =>
  concat(magic, await seal(key, utf8(formatJsonC(members)), { iv }))

export type OpenedPassword =
  | { readonly kind: 'credential'; readonly credential: OfflinePassword }
  /** `sealed`: the key or the bytes are not those it was sealed with. `malformed`: it is no such entry. */
  | { readonly kind: 'sealed' | 'malformed' }

export async function openPassword(key: Uint8Array, file: Uint8Array): Promise<OpenedPassword> {
  if (!equalBytes(file.subarray(0, magic.length), magic)) return { kind: 'malformed' }
  const plain = await open(key, file.subarray(magic.length))
  if (!plain) return { kind: 'sealed' }
  const credential = parsePassword(decodeUtf8(plain) ?? '')
  return credential ? { kind: 'credential', credential } : { kind: 'malformed' }
}

/** The user's name is bound to it, so that one user's number says nothing about another's entry. */
export const sealGeneration = async (
  key: Uint8Array,
  { user, generation }: { readonly user: string; readonly generation: number },
  iv: Uint8Array,
): Promise<Bytes> => concat(generationMagic, await seal(key, utf8(`${generation}\n`), { iv, aad: utf8(user) }))

export async function openGeneration(key: Uint8Array, file: Uint8Array, user: string): Promise<number | undefined> {
  if (!equalBytes(file.subarray(0, generationMagic.length), generationMagic)) return undefined
  const plain = await open(key, file.subarray(generationMagic.length), { aad: utf8(user) })
  const match = /^([1-9]\d{0,14})\n$/.exec((plain && decodeUtf8(plain)) ?? '')
  return match === null ? undefined : Number(match[1])
}
