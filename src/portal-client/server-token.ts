// This host's own credentials: the access token that every portal call carries. How it is renewed is heartbeat.ts,
// which a login loads only when the portal refused the token.

import type { Secret } from '../base/secret.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import type { Renewed } from './heartbeat.ts'
import type { Renewal } from './reply-format.ts'
import type { TokenFile } from './server-token-format.ts'
import { readTokenFile } from './token-file.ts'

export type Tokens = {
  readonly read: () => TokenFile
  /** After a 401 with this access token: the one to retry with, or why there is none. */
  readonly renew: (refused: Secret, heartbeat: (refresh: Secret) => Promise<Renewal>) => Promise<Renewed>
}

export function openTokens(world: Parts<'now' | 'files' | 'syslog'>, config: Config): Tokens {
  return {
    read: () => readTokenFile(world, config.server_token_file),
    renew: async (refused, heartbeat) => (await import('./heartbeat.ts')).renew({ world, config }, refused, heartbeat),
  }
}
