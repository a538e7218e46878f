// The file that holds this host's own credentials, and the lock under which it changes.
import { decodeUtf8 } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { paths } from '../base/paths.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import { keepRefreshToken, type SealPlan } from './enrollment-seal.ts'
import { formatTokenFile, parseTokenFile, type TokenFile } from './server-token-format.ts'

export function readTokenFile(world: Parts<'files'>, path: string): TokenFile {
  const bytes = world.files.readTrusted(path, { limit: 1 << 20, secret: true })
  if (!bytes) throw new Fault(`this host is not enrolled: ${path} does not exist`, { hint: 'run: ob enroll' })
  const parsed = parseTokenFile(decodeUtf8(bytes) ?? '')
  if ('problem' in parsed) throw new Fault(`${path}: ${parsed.problem}`, { hint: 'run: ob enroll' })
  return parsed
}

/**
 * A new enrollment, never overwritten by a login that renews the old one at the same time. Returns why the refresh
 * token could not be sealed, if so.
 */
export const saveEnrollment = (
  world: Parts<'random' | 'files' | 'keyring'>,
  config: Config,
  tokens: TokenFile,
  plan: SealPlan,
): Promise<string | undefined> =>
  withTokenLock(world, async () => {
    const { refreshToken: given, ...others } = tokens
    const kept = given && (await keepRefreshToken(world, config, plan, given))
    writeTokenFile(world, config.server_token_file, { ...others, ...(kept ? { refreshToken: kept.written } : {}) })
    return kept?.problem
  })

export const writeTokenFile = (world: Parts<'files'>, path: string, tokens: TokenFile): void =>
  world.files.writeAtomic(path, formatTokenFile(tokens), { mode: 0o600 })

/** Longer than a portal that is well takes to renew a token. */
const waitSeconds = 2

/** In /run, so that it can be taken when the disk is full or read-only. */
export function withTokenLock<T>(world: Parts<'files'>, work: () => T | Promise<T>): Promise<T> {
  world.files.makeDirectory(paths.run, 0o755)
  return world.files.withLock(paths.tokenLock, work, waitSeconds).catch((error: unknown) => {
    // A holder that is stopped must not stop all others. Two renewals at once give two tokens that are both good.
    if (!(error instanceof Fault) || error.kind !== 'busy') throw error
    return work()
  })
}
