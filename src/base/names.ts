// Names that come from outside. Each can only be made by its parser, so an unchecked string cannot
// become a path, a line of a file, an option or a log field.

export type LoginName = string & { readonly brand: 'LoginName' }
export type GroupName = string & { readonly brand: 'GroupName' }
export type Fingerprint = string & { readonly brand: 'Fingerprint' }

const posixName = /^[a-z_][a-z0-9_.-]{0,31}$/

/**
 * A user name this program is ready to handle: 1–32 characters, `a–z` or `_` first, then `a–z 0–9 _ - .`,
 * never ending in a dot. Narrower than useradd(8) allows, and what every file we write can carry.
 */
export function parseLoginName(text: string): LoginName | undefined {
  return posixName.test(text) && !text.endsWith('.') ? (text as LoginName) : undefined
}

/** A group name: the same rule without the dot, as groupadd(8). */
export function parseGroupName(text: string): GroupName | undefined {
  return posixName.test(text) && !text.includes('.') ? (text as GroupName) : undefined
}

/** `SHA256:` and 43 base64 characters without padding, as ssh-keygen(1) prints it. */
export function parseFingerprint(text: string): Fingerprint | undefined {
  return /^SHA256:[A-Za-z0-9+/]{43}$/.test(text) ? (text as Fingerprint) : undefined
}
