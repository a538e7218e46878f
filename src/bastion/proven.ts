// What the session phase does with a certificate for a hop once sshd has proven it: everything is verified again, by
// the configuration itself, and the token is bound to its key. Only this counts.
import { decodeUtf8, hex, sha256 } from '../base/bytes.ts'
import { olderThan, sweep } from '../base/expire-files.ts'
import type { Fingerprint, LoginName } from '../base/names.ts'
import { paths } from '../base/paths.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import { type Hop, hopKind } from '../ssh/proof.ts'
import type { PublicKey } from '../ssh/wire.ts'
import { judgeHopCertificate, parseHopKeyId } from './hop-certificate-policy.ts'
import { hasHops, policyOf, readKeys } from './rules.ts'
import { verifyCarrier } from './token.ts'
import type { BastionClaims } from './token-format.ts'

export async function judgeProven(
  world: Parts<'files' | 'now' | 'hostname'>,
  config: Config,
  { key, user }: { readonly key: PublicKey; readonly user: LoginName },
): Promise<Hop> {
  const { certificate } = key
  if (!certificate) return { kind: 'refused', reason: 'hop-certificate' }
  const policy = hasHops(config) ? policyOf(config, world.hostname()) : undefined
  if (hopKind(certificate) === 'certificate') {
    const reason = judgeHopCertificate(certificate, user, policy)
    if (reason) return { kind: 'refused', reason }
    const bastion = parseHopKeyId(certificate.keyId)?.bastion ?? ''
    return { kind: 'vouched', by: 'certificate', about: `hop from ${bastion}` }
  }
  if (!policy || policy.allowedBastions.length === 0) return { kind: 'refused', reason: 'hop-not-configured' }
  const keys = readKeys(world, policy.keysFile)
  const verdict = await verifyCarrier(key, { user, policy, keys, now: world.now() })
  if (verdict.kind === 'refused') return verdict
  const { claims, keysAgeSeconds } = verdict
  if (!(await claimToken(world, claims, key.fingerprint))) return { kind: 'refused', reason: 'hop-replayed' }
  const about = `hop from ${claims.bastion}, token ${claims.id}, keys of the portal ${keysAgeSeconds} s old`
  return { kind: 'vouched', by: 'token', about }
}

/** Longer than the longest life of a token and both clocks' errors. */
const keptSeconds = 2 * 3600

/**
 * True for the key that came first, each time; false for every other. Who read a token off a command line (`ps`
 * shows it while sshd asks) has no use of it. Kept on the disk, so that a restart forgets nothing.
 */
function claimToken(
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
