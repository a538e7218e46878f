// Passwords that count while the portal is unreachable. Every change of an entry is made under the user's lock, and
// every refusal costs the same two hashes, for every user.
import { equalBytes, utf8 } from '../base/bytes.ts'
import { Fault, orElse } from '../base/fault.ts'
import type { LoginName } from '../base/names.ts'
import { paths } from '../base/paths.ts'
import type { Secret } from '../base/secret.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import type { KeepingConfig } from '../secrets/derived-keys.ts'
import { openCacheKey } from '../secrets/sealed-directory.ts'
import {
  type Argon2Cost,
  argon2SaltLength,
  libsodiumCost,
  openArgon2,
  parseVerifier,
  usualCost,
  type Verifier,
} from './argon2.ts'
import { type OpenedEntry, openPasswordFiles } from './password-files.ts'
import { newPassword, type OfflinePassword, type PasswordChange } from './password-format.ts'
import {
  afterWrongPassword,
  isLockTooLong,
  lockLeft,
  nextGeneration,
  type PasswordPolicy,
  type PasswordResult,
} from './password-policy.ts'

export type PasswordConfig = KeepingConfig &
  Pick<
    Config,
    | 'offline_cache_dir'
    | 'offline_cache_ttl'
    | 'offline_cache_max_failures'
    | 'offline_cache_lockout'
    | 'offline_cache_key_file'
  >

export type PasswordAttributes = { readonly gecos?: string; readonly shell?: string; readonly home?: string }

export type PasswordVerdict =
  | {
      readonly kind: 'accepted'
      readonly attributes: PasswordAttributes
      readonly createdAt: number
      readonly expiresAt: number
    }
  | {
      readonly kind: Exclude<PasswordResult, 'accepted'>
      readonly detail: string
      /** Until the next try counts; 0 unless locked. */
      readonly secondsLeft: number
    }

/** A proof that expires, as an access token does, expires here too. */
export type ConfirmedPassword =
  | { readonly password: Secret; readonly secondsLeft?: number }
  | { readonly verifier: string }

export type OfflinePasswords = {
  readonly verify: (user: LoginName, password: Secret) => Promise<PasswordVerdict>
  /** Keeps what proves the user from now on: a password the portal just confirmed, or a verifier it sent. */
  readonly store: (
    user: LoginName,
    proof: ConfirmedPassword,
    attributes: PasswordAttributes,
  ) => Promise<'stored' | 'refused'>
  /** Makes sure that no copy of the entry counts again. True when there was one. */
  readonly forget: (user: LoginName) => Promise<boolean>
  readonly unlock: (user: LoginName) => Promise<'unlocked' | 'unknown' | 'unreadable'>
}

export const passwordSalt = '.cred_salt'

/** Refusals end on whole multiples of this, so that what they did on the disk cannot be timed. Milliseconds. */
const grid = 500

export function openOfflinePasswords(
  world: Parts<'now' | 'monotonic' | 'random' | 'sleep' | 'files' | 'keyring' | 'argon2'>,
  config: PasswordConfig,
): OfflinePasswords {
  const { offline_cache_dir: directory, offline_cache_key_file: keyFile } = config
  const policy: PasswordPolicy = {
    maxFailures: config.offline_cache_max_failures,
    lockoutSeconds: config.offline_cache_lockout,
  }
  const keys = openCacheKey(world, config, { directory, saltName: passwordSalt, keyFile })
  const argon2 = openArgon2(world.argon2)
  const entries = openPasswordFiles(world, directory)
  const opened = async (user: LoginName): Promise<OpenedEntry & { readonly key?: Uint8Array }> => {
    try {
      const key = await keys.find()
      if (!key) return withoutKey(world, directory, entries.isThere(user))
      const found = await entries.open(key, user)
      // An administrator who shortens offline_cache_ttl means the cached entries, too.
      if (found.kind === 'entry' && isOutlived(found.credential, config.offline_cache_ttl, world.now()))
        return { kind: 'expired', detail: 'what was kept for the user is older than offline_cache_ttl' }
      return { ...found, key }
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      return { kind: 'io', detail: error.message }
    }
  }

  const judge = async (user: LoginName, typed: Uint8Array): Promise<PasswordVerdict & { readonly spent: number }> => {
    const found = await opened(user)
    if (found.kind !== 'entry' || !found.key) return { ...asRefusal(found), spent: 0 }
    const { credential, key } = found
    const now = world.now()
    const change = (next: PasswordChange): Promise<void> => entries.change(key, credential, next)
    const secondsLeft = lockLeft(credential, policy, now)
    if (secondsLeft > 0) {
      if (isLockTooLong(credential, policy, now))
        await change({ ...unchanged(credential), lockedUntil: Math.floor(now) + policy.lockoutSeconds })
      return { kind: 'locked', detail: `locked for ${secondsLeft} s`, secondsLeft, spent: 0 }
    }
    const { cost, spent } = await matchingCost(argon2, credential, typed)
    if (cost) {
      const clean = { failedAttempts: 0, lockedUntil: 0, lastSuccessAt: Math.floor(now), lastFailureAt: undefined }
      await change({ ...clean, cost, generation: credential.generation })
      return acceptedOf(credential)
    }
    const failed = afterWrongPassword(credential, policy, now)
    await change({ cost: credential.cost, generation: credential.generation, ...lockOf(credential, failed) })
    const left = lockLeft(failed, policy, now)
    return { kind: 'wrong-password', detail: `failure ${failed.failedAttempts}`, secondsLeft: left, spent }
  }

  return {
    verify: async (user, password) => {
      const startedAt = world.monotonic()
      const typed = utf8(password.expose())
      const { spent, ...verdict } = await orElse(() => entries.alone(user, () => judge(user, typed)), heldBySomebody)
      if (verdict.kind === 'accepted') return verdict
      for (let count = spent; count < 2; count++) await argon2(someText, someSalt, usualCost)
      const elapsed = world.monotonic() - startedAt
      await world.sleep((Math.ceil(elapsed / grid) * grid - elapsed) / 1000)
      return verdict
    },
    store: async (user, proof, attributes) => {
      const verifier =
        'verifier' in proof ? parseVerifier(proof.verifier) : await verifierOf(world, argon2, proof.password)
      if (!verifier) return 'refused'
      const key = await keys.make()
      await entries.alone(user, async () => {
        const now = Math.floor(world.now())
        const past = await orElse<OpenedEntry, undefined>(
          () => entries.open(key, user),
          () => undefined,
        )
        const written = past?.kind === 'entry' ? past.credential : nothingKnown
        const generation = nextGeneration(written, now, await entries.generation(key, user))
        const ownEnd = 'password' in proof ? (proof.secondsLeft ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY
        const life = { createdAt: now, expiresAt: now + Math.min(config.offline_cache_ttl, Math.floor(ownEnd)) }
        await entries.write(key, user, newPassword({ user, ...life, verifier, attributes, generation }))
        await entries.setGeneration(key, user, generation)
      })
      return 'stored'
    },
    forget: (user) =>
      entries.alone(user, async () => {
        const key = await keys.find()
        const found = key ? await entries.open(key, user) : undefined
        const past = found?.kind === 'entry' ? found.credential : nothingKnown
        const there = entries.destroy(user)
        if (key && there) {
          const known = (await entries.generation(key, user)) ?? 0
          await entries.setGeneration(key, user, nextGeneration(past, world.now() + 1, known))
        }
        return there
      }),
    unlock: (user) =>
      entries.alone(user, async () => {
        const found = await opened(user)
        if (found.kind === 'unknown' || found.kind === 'expired') return 'unknown'
        if (found.kind !== 'entry' || !found.key) return 'unreadable'
        const change = { ...unchanged(found.credential), failedAttempts: 0, lockedUntil: 0, lastFailureAt: undefined }
        await entries.change(found.key, found.credential, change)
        return 'unlocked'
      }),
  }
}

/** A failure that cannot be counted counts as a lock: the holder of the lock may be stopped, and by the very user. */
function heldBySomebody(fault: Fault): PasswordVerdict & { readonly kind: 'locked'; readonly spent: number } {
  if (fault.kind !== 'busy') throw fault
  return { kind: 'locked', detail: fault.message, secondsLeft: heldSeconds, spent: 0 }
}

const heldSeconds = 5

/** The C implementation's entries say themselves when they end. */
const isOutlived = ({ createdAt, generation }: OfflinePassword, ttl: number, now: number): boolean =>
  generation !== undefined && createdAt + ttl <= now

const nothingKnown = { createdAt: 0, lastSuccessAt: 0, generation: undefined }

const lostSaltRemedy = 'restore it, or run: ob cache invalidate-all --yes'

const lostSalt = (world: Parts<'files'>, directory: string): string => {
  const path = `${directory}/${passwordSalt}`
  return world.files.stat(path) ? `${path} is too short, or ${paths.machineId} is empty` : `${path} is gone`
}

/** Without the salt nothing opens, and a lost salt is no empty cache. */
const withoutKey = (world: Parts<'files'>, directory: string, isKept: boolean): OpenedEntry =>
  isKept
    ? { kind: 'unreadable', detail: `${lostSalt(world, directory)}: nothing kept there opens; ${lostSaltRemedy}` }
    : { kind: 'unknown', detail: 'no password is kept on this host' }

const someText = utf8('nobody’s password')
const someSalt = new Uint8Array(argon2SaltLength)

type Argon2 = ReturnType<typeof openArgon2>

/** An entry without a cost is upstream's, which depends on how that was built: both are tried. */
async function matchingCost(
  argon2: Argon2,
  { salt, hash, cost }: OfflinePassword,
  typed: Uint8Array,
): Promise<{ readonly cost?: Argon2Cost; readonly spent: number }> {
  // An empty password never counts, whatever an entry says.
  if (typed.length === 0) return { spent: 0 }
  const costs = cost ? [cost] : [libsodiumCost, usualCost]
  for (const [index, one] of costs.entries())
    if (equalBytes(await argon2(typed, salt, one), hash)) return { cost: one, spent: index + 1 }
  return { spent: costs.length }
}

async function verifierOf(world: Parts<'random'>, argon2: Argon2, password: Secret): Promise<Verifier | undefined> {
  const typed = utf8(password.expose())
  if (typed.length === 0) return undefined
  const salt = world.random(argon2SaltLength)
  return { cost: usualCost, salt, hash: await argon2(typed, salt, usualCost) }
}

function acceptedOf({ gecos, shell, home, createdAt, expiresAt }: OfflinePassword) {
  const attributes = { ...(gecos && { gecos }), ...(shell && { shell }), ...(home && { home }) }
  return { kind: 'accepted', attributes, createdAt, expiresAt, spent: 0 } as const
}

const asRefusal = (found: OpenedEntry) => {
  if (found.kind === 'entry') throw new Fault('an entry was opened without a key')
  return { kind: found.kind, detail: found.detail, secondsLeft: 0 } as const
}

const unchanged = ({ failedAttempts, cost, generation, lastFailureAt }: OfflinePassword): PasswordChange => ({
  failedAttempts,
  cost,
  generation,
  lastFailureAt,
})

/** The C implementation leaves locked_until unchanged while there is no lock to write down. */
const lockOf = (
  before: OfflinePassword,
  { lockedUntil, ...failed }: ReturnType<typeof afterWrongPassword>,
): Pick<PasswordChange, 'failedAttempts' | 'lockedUntil' | 'lastFailureAt'> =>
  lockedUntil === before.lockedUntil ? failed : { ...failed, lockedUntil }
