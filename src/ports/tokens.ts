// This host's own credentials: the access token that every portal call carries, and its renewal by heartbeat.

import { decodeUtf8 } from '../bytes.ts'
import type { Config } from '../config/load.ts'
import { Fault } from '../fault.ts'
import type { Renewal } from '../formats/replies.ts'
import { formatTokenFile, parseTokenFile, type TokenFile } from '../formats/token-file.ts'
import type { Secret } from '../secret.ts'
import type { World } from '../world.ts'

export type Tokens = {
  readonly read: () => TokenFile
  /** After a 401 with this access token: the one to retry with, or why there is none. */
  readonly renew: (refused: Secret, heartbeat: (refresh: Secret) => Promise<Renewal>) => Promise<Renewed>
}

export type Renewed = { readonly kind: 'token'; readonly accessToken: Secret } | Exclude<Renewal, { kind: 'renewed' }>

export function openTokens(world: World, config: Config): Tokens {
  const path = config.server_token_file
  return {
    read: () => readTokenFile(world, path),
    renew: (refused, heartbeat) =>
      world.files.withLock(`${path}.lock`, async () => {
        const current = readTokenFile(world, path)
        // Another login was faster: its token is the answer, and the portal is asked once for all of us.
        if (current.accessToken.expose() !== refused.expose())
          return { kind: 'token', accessToken: current.accessToken }
        if (!current.refreshToken)
          return {
            kind: 'refuses-host',
            detail: `the portal refuses the token in ${path} and it holds no refresh token; run: ob enroll`,
          }
        const renewal = await heartbeat(current.refreshToken)
        if (renewal.kind !== 'renewed') return renewal
        saveRenewal(world, path, current, renewal)
        return { kind: 'token', accessToken: renewal.accessToken }
      }),
  }
}

/** Saved before it is used: a token that cannot be kept would be asked for again by every login. */
function saveRenewal(world: World, path: string, current: TokenFile, renewal: Renewal & { kind: 'renewed' }): void {
  const expiresAt = Math.floor(world.now()) + renewal.expiresIn
  world.files.writeAtomic(path, formatTokenFile({ ...current, accessToken: renewal.accessToken, expiresAt }), {
    mode: 0o600,
  })
}

export function readTokenFile(world: World, path: string): TokenFile {
  const bytes = world.files.readTrusted(path, { limit: 1 << 20, secret: true })
  if (!bytes) throw new Fault(`this host is not enrolled: ${path} does not exist`, { hint: 'run: ob enroll' })
  const parsed = parseTokenFile(decodeUtf8(bytes) ?? '')
  if ('problem' in parsed) throw new Fault(`${path}: ${parsed.problem}`, { hint: 'run: ob enroll' })
  return parsed
}
