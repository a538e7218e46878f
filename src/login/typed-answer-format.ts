// What a person typed at "Password:", as pam_exec's expose_authtok hands it over on standard input.
import { decodeUtf8 } from '../base/bytes.ts'
import { Secret } from '../base/secret.ts'

/** What kind of thing was typed; the token itself never enters the policy. */
export type AnswerKind = 'token' | 'absent' | 'cut' | 'malformed' | 'placeholder'

export type UserToken = { readonly kind: AnswerKind; readonly token: Secret }

/** pam_exec cuts an answer here without saying so (PAM_MAX_RESP_SIZE 512 less the final NUL). */
export const cutLength = 511

// OpenSSH auth-pam.c: for a user it does not know, sshd repeats this over the length of what was typed.
const placeholder = [8, 10, 13, 127, ...[...'INCORRECT'].map((letter) => letter.charCodeAt(0))]

/** The greeter of Open Bastion's desktop writes this before a password when it finds the portal away. */
const greeterPrefix = 'OFFLINE:'

/**
 * Classifies the bytes. Spaces around a pasted token are dropped; a token is otherwise 1–510 printable ASCII
 * characters without spaces. Where passwords count while the portal is away, any UTF-8 without control characters may
 * be one; what a greeter says about the portal is not believed.
 */
export function parseUserToken(bytes: Uint8Array, passwords = false): UserToken {
  const typed = bytes.at(-1) === 0 ? bytes.subarray(0, -1) : bytes
  if (typed.length >= cutLength) return { kind: 'cut', token: nothing }
  if (typed.length > 0 && typed.every((byte, i) => byte === placeholder[i % placeholder.length]))
    return { kind: 'placeholder', token: nothing }
  const whole = decodeUtf8(typed)?.replace(/^[ \t]+|[ \t\r\n]+$/g, '')
  const text = passwords && whole?.startsWith(greeterPrefix) ? whole.slice(greeterPrefix.length) : whole
  if (text === '') return { kind: 'absent', token: nothing }
  const shape = passwords ? /^[^\u0000-\u001f\u007f-\u009f]+$/ : /^[!-~]+$/
  if (text === undefined || !shape.test(text)) return { kind: 'malformed', token: nothing }
  return { kind: 'token', token: new Secret(text) }
}

const nothing = new Secret('')
