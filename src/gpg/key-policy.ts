// Which OpenPGP keys a challenge may be encrypted to, and what is said about the others.

export type KeyProblem =
  | 'not-a-key'
  | 'secret-key'
  | 'too-many-keys'
  | 'revoked'
  | 'expired'
  | 'subkey-expired'
  | 'from-the-future'
  | 'unsound'
  | 'rsa-too-small'
  | 'no-encryption-key'

export type KeyFacts = {
  /** Upper-case hexadecimal: 40 digits of a version 4 key, 64 of a version 6 key. */
  readonly fingerprint: string
  readonly version: number
  /** Of the key that is encrypted to, e.g. rsa3072 or curve25519. */
  readonly algorithm: string
  /** Epoch seconds. */
  readonly created: number
  readonly expires?: number
  /** As the key says them: anything may be in there. */
  readonly userIds: readonly string[]
  /** Why no challenge is encrypted to it. */
  readonly problem?: KeyProblem
}

const problems: Readonly<Record<KeyProblem, readonly [string, string]>> = {
  'not-a-key': ['there is no OpenPGP public key in it', 'export one: gpg --export --armor FINGERPRINT'],
  'secret-key': [
    'THIS IS A SECRET KEY. Nothing of it was stored. A secret key must never be on this host',
    'remove the file here, ask its owner whether others could read it, and export the public key: gpg --export --armor',
  ],
  'too-many-keys': [
    'it holds more than 16 keys',
    'export the keys of this one person: gpg --export --armor FINGERPRINT',
  ],
  revoked: ['its owner revoked it', 'ask the owner for the key that replaces it'],
  expired: ['it is expired', 'the owner extends it (gpg --quick-set-expire) and exports it again'],
  'subkey-expired': ['its encryption subkey is expired', 'the owner extends the subkey and exports the key again'],
  'from-the-future': ['it was made in the future, as this host’s clock says', 'set the clock: timedatectl'],
  unsound: [
    'its own signatures do not count (a broken key, or one signed with SHA-1 only)',
    'the owner signs it again with a program of today and exports it again',
  ],
  'rsa-too-small': ['its RSA key has less than 2048 bits', 'the owner makes a new key: gpg --quick-gen-key'],
  'no-encryption-key': ['it has no key for encryption', 'the owner adds an encryption subkey (gpg --quick-add-key)'],
}

export const problemText = (problem: KeyProblem): string => problems[problem][0]
export const problemRemedy = (problem: KeyProblem): string => problems[problem][1]

/** Only to such keys. */
export const isUsable = ({ problem }: Pick<KeyFacts, 'problem'>): boolean => problem === undefined

/** A user id may hold escapes and newlines; this is what may go to a terminal. */
export const printableId = (text: string): string =>
  [...text.slice(0, 200).toWellFormed()]
    .map((letter) => (/^[\p{L}\p{N}\p{P}\p{S}\p{M} ]$/u.test(letter) ? letter : '?'))
    .join('')

/** 40 or 64 hexadecimal digits, spaces allowed; upper case, or undefined. */
export function parseKeyFingerprint(text: string): string | undefined {
  const digits = text.replace(/ /g, '').replace(/^0x/i, '').toUpperCase()
  return /^(?:[0-9A-F]{40}|[0-9A-F]{64})$/.test(digits) ? digits : undefined
}
