// Whether a user's logins always need the portal, by the administrator's file.
import { decodeUtf8 } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import { mustBeOnline, parseForceOnline } from './force-online-format.ts'

const limit = 16 * 1024 * 1024

/** A file that cannot be trusted or read lists everybody: it was made to take something away. */
export function forcedOnline(
  world: Parts<'files'>,
  config: Pick<Config, 'auth_cache_force_online'>,
  user: string,
): 'listed' | 'free' {
  try {
    const bytes = world.files.readTrusted(config.auth_cache_force_online, { limit, secret: false })
    const text = bytes && decodeUtf8(bytes)
    if (bytes && text === undefined) return 'listed'
    return mustBeOnline(parseForceOnline(text), user) ? 'listed' : 'free'
  } catch (error) {
    if (error instanceof Fault) return 'listed'
    throw error
  }
}
