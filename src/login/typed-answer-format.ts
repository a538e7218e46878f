// The text that a person typed at "Password:", as pam_exec's expose_authtok hands it over on standard input.
import { decodeUtf8 } from '../base/bytes.ts'
import { cutLength, isPlaceholder, withoutEnd } from '../base/pam-answer.ts'
import { Secret } from '../base/secret.ts'

/** The kind of the typed text; the token itself never enters the policy. */
export type AnswerKind = 'token' | 'absent' | 'cut' | 'malformed' | 'placeholder'

export type UserToken = { readonly kind: AnswerKind; readonly token: Secret }

/** The greeter of Open Bastion's desktop writes this before a password when it finds the portal unreachable. */
const greeterPrefix = 'OFFLINE:'

/**
 * Classifies the bytes. Spaces around a pasted token are dropped; a token is otherwise 1–510 printable ASCII characters
 * without spaces. Where passwords count while the portal is unreachable, any UTF-8 without control characters may be
 * one; what a greeter says about the portal is not believed.
 */
export function parseUserToken(bytes: Uint8Array, passwords = false): UserToken {
  const typed = withoutEnd(bytes)
  if (typed.length >= cutLength) return { kind: 'cut', token: nothing }
  if (isPlaceholder(typed)) return { kind: 'placeholder', token: nothing }
  const whole = decodeUtf8(typed)?.replace(/^[ \t]+|[ \t\r\n]+$/g, '')
  const text = passwords && whole?.startsWith(greeterPrefix) ? whole.slice(greeterPrefix.length) : whole
  if (text === '') return { kind: 'absent', token: nothing }
  const shape = passwords ? /^[^\u0000-\u001f\u007f-\u009f]+$/ : /^[!-~]+$/
  if (text === undefined || !shape.test(text)) return { kind: 'malformed', token: nothing }
  return { kind: 'token', token: new Secret(text) }
}

const nothing = new Secret('')
