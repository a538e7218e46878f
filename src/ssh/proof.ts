// What a connection proved, as sshd says it.
import type { Fingerprint } from '../base/names.ts'
import type { KeyVerdict } from './key-policy.ts'

/** What sshd says was proven. Without a key: a password or a keyboard-interactive answer. */
export type Proof =
  | {
      readonly kind: 'key'
      readonly fingerprint: Fingerprint
      readonly certificate: boolean
      readonly judged: KeyVerdict | 'krl-stale'
      /** For the log: serial and key ID of a certificate. */
      readonly about?: string
    }
  | { readonly kind: 'no-key' }
  | { readonly kind: 'unreadable' }

export type Binding = 'certificates' | 'always' | 'never'
