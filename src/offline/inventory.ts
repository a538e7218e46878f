// The inventory of everything cached for when the portal is unreachable, for the administrator. It changes nothing.
import { decodeBytewise } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { paths } from '../base/paths.ts'
import type { Parts } from '../base/world.ts'
import { type Config, groupOf } from '../config/load.ts'
import { openCacheKey } from '../secrets/sealed-directory.ts'
import { authSalt } from './grants.ts'
import { authCacheFileName, authCacheLimit, authCacheSuffix, openAuthBody, openAuthHeader } from './grants-format.ts'
import { openPasswordFiles } from './password-files.ts'
import { openPassword, passwordFileName, passwordLimit, passwordSuffix } from './password-format.ts'
import { lockLeft } from './password-policy.ts'
import { passwordSalt } from './passwords.ts'
import { tokenSalt } from './tokens.ts'
import { openTokenEntry, tokenCacheLimit, tokenCacheSuffix } from './tokens-format.ts'

export type CachedKind = 'authorization' | 'password' | 'token'

export type CachedState = 'valid' | 'expired' | 'locked' | 'tampered' | 'unreadable' | 'malformed'

export type CachedEntry = {
  readonly kind: CachedKind
  readonly file: string
  /** Out of the seal; or, for what does not open, found by the name of the file. */
  readonly user: string | undefined
  readonly state: CachedState
  readonly detail: string
  readonly expiresAt?: number
  readonly createdAt?: number | undefined
  readonly sudo?: boolean
  readonly groups?: readonly string[]
  /** How many keys the portal accepted. */
  readonly keys?: number
  readonly lastSuccessAt?: number
  readonly failures?: number
  readonly lockedSeconds?: number
}

export type Inventory = {
  /** Names of files, without opening any. */
  readonly files: () => readonly { readonly kind: CachedKind; readonly name: string }[]
  /** The entry in one file; undefined when it is gone. */
  readonly examine: (file: { readonly kind: CachedKind; readonly name: string }) => Promise<CachedEntry | undefined>
  /** The entries of one user on this host under its present name. Tokens cannot be found so. */
  readonly ofUser: (user: string) => Promise<readonly CachedEntry[]>
  /** Temporary files that a write which died left behind an hour ago or longer. */
  readonly leftovers: () => readonly string[]
  readonly pathOf: (kind: CachedKind, name: string) => string
}

type Finding = Omit<CachedEntry, 'kind' | 'file'>

const suffixes: Readonly<Record<CachedKind, string>> = {
  authorization: authCacheSuffix,
  password: passwordSuffix,
  token: tokenCacheSuffix,
}
const kinds = Object.keys(suffixes) as readonly CachedKind[]

export function openInventory(
  world: Parts<'now' | 'random' | 'hostname' | 'files' | 'keyring'>,
  config: Config,
): Inventory {
  const directories: Readonly<Record<CachedKind, string>> = {
    authorization: config.auth_cache_dir,
    password: config.offline_cache_dir,
    token: config.cache_dir,
  }
  const keyOf = (kind: CachedKind): (() => Promise<Uint8Array | undefined>) => {
    const directory = directories[kind]
    const place = {
      authorization: { directory, saltName: authSalt },
      password: { directory, saltName: passwordSalt, keyFile: config.offline_cache_key_file },
      token: { directory, saltName: tokenSalt },
    }[kind]
    let key: Promise<Uint8Array | undefined> | undefined
    return () => {
      key ??= openCacheKey(world, config, place).find()
      return key
    }
  }
  const findKey = { authorization: keyOf('authorization'), password: keyOf('password'), token: keyOf('token') }
  const open = {
    authorization: authorizations(world, config),
    password: passwords(world, config),
    token: tokens(world),
  }
  const pathOf = (kind: CachedKind, name: string): string => `${directories[kind]}/${name}`
  let names: Map<string, string> | undefined
  const guess = (name: string): string | undefined => {
    names ??= fileNames(world, config)
    return names.get(name)
  }

  const examine: Inventory['examine'] = async ({ kind, name }) => {
    const file = pathOf(kind, name)
    const entryOf = (finding: Finding): CachedEntry => ({ kind, file, ...finding, user: finding.user ?? guess(name) })
    try {
      const bytes = world.files.readTrusted(file, { limit: limits[kind], secret: true })
      if (!bytes) return undefined
      const key = await findKey[kind]()
      if (key) return entryOf(await open[kind](key, bytes, name))
      return entryOf({
        user: undefined,
        state: 'unreadable',
        detail: `${directories[kind]} has no salt to open it with`,
      })
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      return entryOf({ user: undefined, state: 'unreadable', detail: error.message })
    }
  }
  return {
    files: () =>
      kinds.flatMap((kind) =>
        (world.files.list(directories[kind]) ?? [])
          .filter((name) => name.endsWith(suffixes[kind]))
          .map((name) => ({ kind, name })),
      ),
    examine,
    ofUser: async (user) => {
      const found = await Promise.all([
        examine({ kind: 'authorization', name: authorizationFile(world, config, user) }),
        examine({ kind: 'password', name: passwordFileName(user) }),
      ])
      return found.flatMap((one) => one ?? [])
    },
    leftovers: () =>
      kinds.flatMap((kind) =>
        (world.files.list(directories[kind]) ?? [])
          .filter((name) => /\.tmp\.[0-9a-f]+$/.test(name))
          .map((name) => pathOf(kind, name))
          .filter((path) => world.now() - (world.files.stat(path)?.modifiedAt ?? world.now()) > 3600),
      ),
    pathOf,
  }
}

const limits: Readonly<Record<CachedKind, number>> = {
  authorization: authCacheLimit,
  password: passwordLimit,
  token: tokenCacheLimit,
}

const authorizationFile = (world: Parts<'hostname'>, config: Config, user: string): string =>
  authCacheFileName({ user, host: world.hostname(), group: groupOf(config) })

type Opening = (key: Uint8Array, bytes: Uint8Array, name: string) => Promise<Finding>

const asState = (kind: 'tampered' | 'unreadable'): CachedState => (kind === 'tampered' ? 'tampered' : 'malformed')

function authorizations(world: Parts<'now' | 'hostname'>, config: Config): Opening {
  return async (key, bytes, name) => {
    const header = openAuthHeader(key, bytes)
    if (header.kind !== 'header') return { user: undefined, state: asState(header.kind), detail: header.detail }
    const opened = await openAuthBody(key, header.body, header.expiresAt)
    if (opened.kind !== 'entry') return { user: undefined, state: asState(opened.kind), detail: opened.detail }
    const { user, expiresAt, createdAt, sudoAllowed: sudo, groups, fingerprints, authorized } = opened.entry
    const here = name === authorizationFile(world, config, user)
    const state = expiresAt > world.now() ? 'valid' : 'expired'
    const detail = [authorized ? '' : 'a refusal', here ? '' : 'under another host name or group'].filter(Boolean)
    const facts = { expiresAt, createdAt, sudo, groups, keys: fingerprints?.size ?? 0 }
    return { user, state, detail: detail.join(', '), ...facts }
  }
}

function passwords(world: Parts<'now' | 'random' | 'files'>, config: Config): Opening {
  const files = openPasswordFiles(world, config.offline_cache_dir)
  const policy = { maxFailures: config.offline_cache_max_failures, lockoutSeconds: config.offline_cache_lockout }
  return async (key, bytes, name) => {
    const opened = await openPassword(key, bytes)
    if (opened.kind !== 'credential')
      return opened.kind === 'sealed'
        ? { user: undefined, state: 'unreadable', detail: 'it was changed, or the key file, machine-id or salt was' }
        : { user: undefined, state: 'malformed', detail: 'it is not a kept password' }
    const { credential } = opened
    const { user, expiresAt, createdAt, lastSuccessAt, failedAttempts: failures } = credential
    const lockedSeconds = lockLeft(credential, policy, world.now())
    const facts = { user, expiresAt, createdAt, lastSuccessAt, failures, lockedSeconds }
    if (name !== passwordFileName(user))
      return { ...facts, state: 'tampered', detail: 'it was sealed for this user under another name' }
    const doubtful = await files.doubt(key, credential)
    if (doubtful !== undefined) return { ...facts, state: 'tampered', detail: doubtful }
    if (expiresAt <= world.now()) return { ...facts, state: 'expired', detail: '' }
    return { ...facts, state: lockedSeconds > 0 ? 'locked' : 'valid', detail: '' }
  }
}

function tokens(world: Parts<'now'>): Opening {
  return async (key, bytes) => {
    const opened = await openTokenEntry(key, bytes)
    if (opened.kind !== 'entry') return { user: undefined, state: asState(opened.kind), detail: opened.detail }
    const { user, expiresAt, authorized } = opened.entry
    return {
      user,
      expiresAt,
      state: expiresAt > world.now() ? 'valid' : 'expired',
      detail: authorized ? '' : 'a refusal',
    }
  }
}

/** Who a file that does not open would be about, for every name this host knows. */
function fileNames(world: Parts<'hostname' | 'files'>, config: Config): Map<string, string> {
  const names = new Map<string, string>()
  for (const path of ['/etc/passwd', `${paths.extrausers}/passwd`])
    for (const line of decodeBytewise(world.files.read(path, 64 * 1024 * 1024) ?? new Uint8Array(0)).split('\n')) {
      const user = line.slice(0, Math.max(0, line.indexOf(':')))
      if (user === '') continue
      names.set(authorizationFile(world, config, user), user)
      names.set(passwordFileName(user), user)
    }
  return names
}
