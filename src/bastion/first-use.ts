// A bastion token belongs to the first key that proved itself with it: who read it off a command line (`ps` shows it
// while sshd asks) has no use of it. Kept on the disk, so that a restart forgets nothing.
import { decodeUtf8, hex, sha256 } from '../base/bytes.ts'
import { olderThan, sweep } from '../base/expire-files.ts'
import type { Fingerprint } from '../base/names.ts'
import { paths } from '../base/paths.ts'
import type { Parts } from '../base/world.ts'
import type { BastionClaims } from './token-format.ts'

/** Longer than the longest life of a token and both clocks' errors. */
const keptSeconds = 2 * 3600

/** True for the key that came first, each time; false for every other. */
export function claimToken(
  world: Parts<'files' | 'now'>,
  { issuer, id }: Pick<BastionClaims, 'issuer' | 'id'>,
  key: Fingerprint,
): Promise<boolean> {
  const { files } = world
  files.makeDirectory(paths.hops, 0o700)
  const path = `${paths.hops}/${hex(sha256(JSON.stringify([issuer, id])))}`
  return files.withLock(`${paths.hops}/.lock`, () => {
    sweep(world, paths.hops, olderThan(world, keptSeconds))
    const bytes = files.readTrusted(path, { limit: 256, secret: true })
    if (bytes) return decodeUtf8(bytes) === key
    files.writeAtomic(path, key, { mode: 0o600 })
    return true
  })
}
