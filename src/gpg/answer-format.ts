// What a person typed at the prompt below a challenge, as pam_exec's expose_authtok hands it over.
import { decodeUtf8 } from '../base/bytes.ts'
import { cutLength, isPlaceholder, withoutEnd } from '../base/pam-answer.ts'
import { parseCode } from './challenge-format.ts'
import type { TypedKind } from './policy.ts'
import { parseRecoveryCode, type RecoveryCode } from './recovery-format.ts'

export type Typed = {
  readonly kind: TypedKind
  /** In its one spelling. */
  readonly code?: string
  readonly recovery?: RecoveryCode
}

export function parseTyped(bytes: Uint8Array): Typed {
  const typed = withoutEnd(bytes)
  if (typed.length >= cutLength) return { kind: 'cut' }
  if (isPlaceholder(typed)) return { kind: 'placeholder' }
  const text = decodeUtf8(typed)?.trim()
  if (text === '') return { kind: 'absent' }
  // Both may be typed with the word in front of them, as they are written.
  const bare = text?.replace(/^code[\s:]+/i, '') ?? ''
  const recovery = parseRecoveryCode(bare)
  if (recovery) return { kind: 'recovery-code', recovery }
  const code = parseCode(bare)
  return code === undefined ? { kind: 'other' } : { kind: 'code', code }
}
