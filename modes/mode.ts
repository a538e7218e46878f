// What a mode is. The map of all modes is in ob.ts.
import type { Outcome } from '../src/outcome.ts'
import type { World } from '../src/world.ts'

/** Who runs us and reads our exit status: pam_exec, sshd's AuthorizedKeysCommand, or a person or script. */
export type Caller = 'pam' | 'sshd' | 'admin'

export type Ending =
  | { readonly kind: 'outcome'; readonly outcome: Outcome; readonly text?: string }
  | { readonly kind: 'usage'; readonly text: string }

export type Mode = { readonly run: (args: readonly string[], world: World) => Promise<Ending> }

export const ended = (outcome: Outcome, text = ''): Ending => ({ kind: 'outcome', outcome, text })
export const usage = (text: string): Ending => ({ kind: 'usage', text })
