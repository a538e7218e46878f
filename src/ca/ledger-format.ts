// The list of certificates that this authority issued: one line each, so that a person's certificates can be revoked.
import { type Fingerprint, type LoginName, parseFingerprint, parseLoginName } from '../base/names.ts'

export type LedgerEntry = {
  readonly serial: bigint
  readonly type: 'user' | 'host'
  /** The person, or the first name of the host. */
  readonly name: string
  readonly fingerprint: Fingerprint
  /** The key that signed. */
  readonly signer: Fingerprint
  /** Epoch seconds. */
  readonly validBefore: number
}

export const formatLedgerLine = ({ serial, type, name, fingerprint, signer, validBefore }: LedgerEntry): string =>
  `${serial} ${type} ${name} ${fingerprint} ${signer} ${validBefore}\n`

const line = /^([1-9]\d{0,19}) (user|host) (\S{1,255}) (\S+) (\S+) (\d{1,12})$/

export function parseLedgerLine(text: string): LedgerEntry | undefined {
  const match = line.exec(text)
  if (match === null) return undefined
  const [, serial = '', type = '', name = '', key = '', by = '', until = ''] = match
  const [fingerprint, signer] = [parseFingerprint(key), parseFingerprint(by)]
  if (!fingerprint || !signer || BigInt(serial) >= 1n << 64n) return undefined
  if (type === 'user' && !parseLoginName(name)) return undefined
  return {
    serial: BigInt(serial),
    type: type === 'user' ? 'user' : 'host',
    name,
    fingerprint,
    signer,
    validBefore: Number(until),
  }
}

/** Every whole line; a line that a full disk cut says nothing. */
export const parseLedger = (text: string): readonly LedgerEntry[] =>
  text.split('\n').flatMap((one) => parseLedgerLine(one) ?? [])

/** The certificates of this person. */
export const certificatesOf = (entries: readonly LedgerEntry[], user: LoginName): readonly LedgerEntry[] =>
  entries.filter(({ type, name }) => type === 'user' && name === user)
