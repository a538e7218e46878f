// What a person typed at "Password:", as pam_exec's expose_authtok hands it over on standard input.
import { Secret } from '../secret.ts'

/** What kind of thing was typed; the token itself never enters the policy. */
export type AnswerKind = 'token' | 'absent' | 'cut' | 'malformed' | 'placeholder'

export type UserToken = { readonly kind: AnswerKind; readonly token: Secret }

/** pam_exec cuts an answer here without saying so (PAM_MAX_RESP_SIZE 512 less the final NUL). */
export const cutLength = 511

// OpenSSH auth-pam.c: for a user it does not know, sshd repeats this over the length of what was typed.
const placeholder = [8, 10, 13, 127, ...[...'INCORRECT'].map((letter) => letter.charCodeAt(0))]

/**
 * Classifies the bytes. Spaces around a pasted token are dropped; a token is otherwise 1–510 printable ASCII
 * characters without spaces.
 */
export function parseUserToken(bytes: Uint8Array): UserToken {
  const typed = bytes.at(-1) === 0 ? bytes.subarray(0, -1) : bytes
  if (typed.length >= cutLength) return { kind: 'cut', token: nothing }
  if (typed.length > 0 && typed.every((byte, i) => byte === placeholder[i % placeholder.length]))
    return { kind: 'placeholder', token: nothing }
  const text = String.fromCharCode(...typed).replace(/^[ \t]+|[ \t\r\n]+$/g, '')
  if (text === '') return { kind: 'absent', token: nothing }
  if (!/^[!-~]+$/.test(text)) return { kind: 'malformed', token: nothing }
  return { kind: 'token', token: new Secret(text) }
}

const nothing = new Secret('')
