// The revocations of this authority on the disk, and the list that is made of them. The number of the list only grows.
import { decodeUtf8 } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import type { Fingerprint } from '../base/names.ts'
import { paths } from '../base/paths.ts'
import type { Parts } from '../base/world.ts'
import { parseRevocationList } from '../revocation/krl-format.ts'
import type { PublicKey } from '../ssh/wire.ts'
import { formatOwnRevocationList } from './krl-format.ts'
import { formatRevocations, noRevocations, parseRevocations, type Revocations } from './revocations-format.ts'

const revocationsFile = `${paths.ca}/revoked`
const lockFile = `${paths.ca}/lock`
const sizeLimit = 64 << 20

export function readRevocations(world: Parts<'files'>): Revocations {
  const bytes = world.files.readTrusted(revocationsFile, { limit: sizeLimit, secret: false })
  const revoked = bytes ? parseRevocations(decodeUtf8(bytes) ?? '?') : noRevocations
  if (!revoked)
    throw new Fault(`${revocationsFile} is damaged`, { hint: 'correct the file; until then nothing is signed' })
  return revoked
}

/** Changes the revocations, and writes the list that hosts fetch. Returns its number. */
export function changeRevocations(
  world: Parts<'files' | 'now'>,
  signers: readonly PublicKey[],
  change: (present: Revocations) => Revocations,
): Promise<bigint> {
  world.files.makeDirectory(paths.state, 0o711)
  world.files.makeDirectory(paths.ca, 0o700)
  return world.files.withLock(lockFile, () => {
    const next = change(readRevocations(world))
    world.files.writeAtomic(revocationsFile, formatRevocations(next), { mode: 0o600 })
    return writeList(world, signers, next)
  })
}

function writeList(world: Parts<'files' | 'now'>, signers: readonly PublicKey[], revoked: Revocations): bigint {
  const bytes = world.files.read(paths.ownRevocations, sizeLimit)
  const before = bytes && parseRevocationList(bytes)
  if (before && 'problem' in before)
    throw new Fault(`${paths.ownRevocations} is damaged: ${before.problem}`, {
      hint: 'put the last good copy back: hosts refuse a list with a smaller number',
    })
  const version = (before?.version ?? 0n) + 1n
  const generatedAt = Math.max(before?.generatedAt ?? 0, Math.floor(world.now()))
  const serialsOf = (signer: Fingerprint | string): readonly bigint[] =>
    [...revoked.serials].flatMap(([serial, by]) => (by === signer ? [serial] : []))
  const list = formatOwnRevocationList({
    version,
    generatedAt,
    comment: '',
    serials: signers.map(({ blob, fingerprint }) => ({ signer: blob, serials: serialsOf(fingerprint) })),
    keys: [...revoked.keys],
  })
  world.files.writeAtomic(paths.ownRevocations, list, { mode: 0o644 })
  return version
}
