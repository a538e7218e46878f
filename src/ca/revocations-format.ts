// What this authority revoked: people, serials and keys, one a line.
import { type Fingerprint, type LoginName, parseFingerprint, parseLoginName } from '../base/names.ts'

export type Revocations = {
  /** They get no new certificate. */
  readonly users: ReadonlySet<LoginName>
  /** With the fingerprint of the key that signed. */
  readonly serials: ReadonlyMap<bigint, Fingerprint>
  readonly keys: ReadonlySet<Fingerprint>
}

export const noRevocations: Revocations = { users: new Set(), serials: new Map(), keys: new Set() }

export const formatRevocations = ({ users, serials, keys }: Revocations): string =>
  [
    ...[...users].map((user) => `user ${user}\n`),
    ...[...serials].map(([serial, signer]) => `serial ${serial} ${signer}\n`),
    ...[...keys].map((key) => `key ${key}\n`),
  ].join('')

/** Undefined when a line says something else: a damaged list must not lose a revocation in silence. */
export function parseRevocations(text: string): Revocations | undefined {
  if (text !== '' && !text.endsWith('\n')) return undefined
  const users = new Set<LoginName>()
  const serials = new Map<bigint, Fingerprint>()
  const keys = new Set<Fingerprint>()
  for (const line of text.split('\n').slice(0, -1)) {
    const [kind, first = '', second = '', ...more] = line.split(' ')
    const user = kind === 'user' && second === '' ? parseLoginName(first) : undefined
    const key = kind === 'key' && second === '' ? parseFingerprint(first) : undefined
    const signer = kind === 'serial' && /^[1-9]\d{0,19}$/.test(first) ? parseFingerprint(second) : undefined
    if (more.length > 0 || (!user && !key && !signer)) return undefined
    if (user) users.add(user)
    if (key) keys.add(key)
    if (signer) serials.set(BigInt(first), signer)
  }
  return { users, serials, keys }
}
