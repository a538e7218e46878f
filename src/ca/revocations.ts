// The revocations of this authority on the disk.
import { decodeUtf8 } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { paths } from '../base/paths.ts'
import type { Parts } from '../base/world.ts'
import { noRevocations, parseRevocations, type Revocations } from './revocations-format.ts'

export const revocationsFile = `${paths.ca}/revoked`

export function readRevocations(world: Parts<'files'>): Revocations {
  const bytes = world.files.readTrusted(revocationsFile, { limit: 64 << 20, secret: false })
  const revoked = bytes ? parseRevocations(decodeUtf8(bytes) ?? '?') : noRevocations
  if (!revoked)
    throw new Fault(`${revocationsFile} is damaged`, { hint: 'correct the file; until then nothing is signed' })
  return revoked
}
