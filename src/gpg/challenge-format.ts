// What is encrypted in a challenge, and the code in it.
import { hex, sha256 } from '../base/bytes.ts'

export type Challenge = {
  readonly host: string
  readonly user: string
  /** Where the login comes from; absent for one on this host itself. */
  readonly from: string | undefined
  readonly service: string
  /** Eight digits that name this login in the audit log as well. */
  readonly reference: string
  /** Epoch seconds. */
  readonly expires: number
  readonly code: string
}

/** Bytes of chance in a code: 80 bits. */
export const codeBytes = 10

// Crockford's base 32: no I, L, O and U, so that nothing can be mistaken when it is read out or copied by hand.
const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/** Four groups of four letters and digits. */
export function formatCode(bytes: Uint8Array): string {
  let bits = 0n
  for (const byte of bytes.subarray(0, codeBytes)) bits = (bits << 8n) | BigInt(byte)
  const letters = Array.from({ length: 16 }, (_, at) => alphabet[Number((bits >> BigInt(75 - 5 * at)) & 31n)])
  return letters.join('').replace(/(.{4})(?=.)/g, '$1-')
}

/** The code that was typed, in its one spelling; undefined when it cannot be one. */
export function parseCode(text: string): string | undefined {
  const letters = text.toUpperCase().replace(/[\s-]/g, '').replace(/O/g, '0').replace(/[IL]/g, '1')
  if (!/^[0-9A-HJKMNP-TV-Z]{16}$/.test(letters)) return undefined
  return letters.replace(/(.{4})(?=.)/g, '$1-')
}

export const hashOfCode = (code: string): string => hex(sha256(`ob gpg code ${code}`))

const time = (seconds: number): string => `${new Date(seconds * 1000).toISOString().slice(0, 19).replace('T', ' ')} UTC`

// Names come from PAM: nothing in them may look like another line.
const oneLine = (text: string): string => text.replace(/[^!-~]/g, '?').slice(0, 64) || '-'

/**
 * The plaintext. Who decrypts it sees which login it is for, so that a challenge of somebody else's login, passed on as
 * one's own, can be told from a true one.
 */
export const formatChallenge = ({ host, user, from, service, reference, expires, code }: Challenge): string =>
  [
    'ob 1',
    `host ${oneLine(host)}`,
    `user ${oneLine(user)}`,
    `from ${oneLine(from ?? 'console')}`,
    `service ${oneLine(service)}`,
    `session ${oneLine(reference)}`,
    `expires ${time(expires)}`,
    `code ${code}`,
    'If you did not start this login, stop.',
    '',
  ].join('\n')

/** Without the checksum, which RFC 9580 (section 6.1) no longer asks for: six letters less in a QR code. */
export const withoutChecksum = (armored: string): string =>
  armored.replaceAll('\r', '').replace(/\n=[A-Za-z0-9+/]{4}\n/, '\n')
