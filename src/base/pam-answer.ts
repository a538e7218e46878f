// What pam_exec's expose_authtok does to an answer, and what sshd puts in its place.

/** pam_exec cuts an answer here without saying so (PAM_MAX_RESP_SIZE 512 less the final NUL). */
export const cutLength = 511

/** Some versions hand over the NUL at the end of the text, too. */
export const withoutEnd = (bytes: Uint8Array): Uint8Array => (bytes.at(-1) === 0 ? bytes.subarray(0, -1) : bytes)

// OpenSSH auth-pam.c: for a user it does not know, sshd repeats this over the length of what was typed.
const placeholder = [8, 10, 13, 127, ...[...'INCORRECT'].map((letter) => letter.charCodeAt(0))]

export const isPlaceholder = (typed: Uint8Array): boolean =>
  typed.length > 0 && typed.every((byte, i) => byte === placeholder[i % placeholder.length])
