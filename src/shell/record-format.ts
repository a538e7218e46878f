// What root's session phase leaves for the one process of the same connection that may act on it: which account was
// logged in to, what was proven, and who that makes the person.
import { decodeBase64, decodeUtf8 } from '../base/bytes.ts'
import { type LoginName, parseLoginName } from '../base/names.ts'

export type ProvenRecord = {
  /** Epoch seconds. */
  readonly writtenAt: number
  /** The account that sshd was asked for: a functional account, or the one of the certificate authority. */
  readonly account: LoginName
  /** The correlation id of the connection, for the audit lines. */
  readonly connection: string
  /** SSH_CONNECTION as sshd said it. */
  readonly sshConnection: string
  readonly proven:
    | { readonly kind: 'key'; readonly blob: Uint8Array }
    | { readonly kind: 'person'; readonly person: LoginName }
    /** Named by a token in the auth phase; nobody becomes this person before the session phase has said so. */
    | { readonly kind: 'typed'; readonly person: LoginName }
}

export function formatProvenRecord({ proven, ...record }: ProvenRecord): string {
  const what = proven.kind === 'key' ? { key: proven.blob.toBase64() } : { [proven.kind]: proven.person }
  return `${JSON.stringify({ version: 1, ...record, ...what })}\n`
}

function readObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

function provenIn(record: Readonly<Record<string, unknown>>): ProvenRecord['proven'] | undefined {
  const kinds = (['key', 'person', 'typed'] as const).filter((kind) => record[kind] !== undefined)
  const [kind] = kinds
  const value = kind && record[kind]
  if (!kind || kinds.length > 1 || typeof value !== 'string') return undefined
  if (kind === 'key') {
    const blob = decodeBase64(value)
    return blob && blob.length > 0 ? { kind, blob } : undefined
  }
  const person = parseLoginName(value)
  return person && { kind, person }
}

export function parseProvenRecord(bytes: Uint8Array): ProvenRecord | undefined {
  const value = readObject(decodeUtf8(bytes) ?? '')
  if (value === undefined) return undefined
  const { version, writtenAt, account: name, connection, sshConnection } = value
  const account = typeof name === 'string' ? parseLoginName(name) : undefined
  const proven = provenIn(value)
  if (version !== 1 || typeof writtenAt !== 'number' || !Number.isFinite(writtenAt) || !account || !proven)
    return undefined
  if (typeof connection !== 'string' || typeof sshConnection !== 'string') return undefined
  return { writtenAt, account, connection, sshConnection, proven }
}
