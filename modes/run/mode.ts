// The type of a mode, and the facts that are known before a mode is loaded. The list of modes is modes.ts.
import type { Outcome } from '../../src/base/outcome.ts'
import type { ReadOnlyWorld, World } from '../../src/base/world.ts'

/**
 * Who runs us and reads our exit status: pam_exec, sshd's AuthorizedKeysCommand, an administrator or script, a person
 * far away, by way of sshd, or one who expects what ssh does.
 */
export type Caller = 'pam' | 'sshd' | 'admin' | 'person' | 'ssh'

export type Ending =
  | { readonly kind: 'outcome'; readonly outcome: Outcome; readonly text?: string }
  | { readonly kind: 'usage'; readonly text: string }

export type Mode<Needed = World> = { readonly run: (args: readonly string[], world: Needed) => Promise<Ending> }
/** A mode that sshd runs. */
export type ReadingMode = Mode<ReadOnlyWorld> & {
  /** When none of these files exists, the answer is empty. Undefined where that cannot be said. */
  readonly sources: (args: readonly string[]) => readonly string[] | undefined
}

/**
 * The description that help and the manual page print about a mode; the parser of its arguments has the same object.
 */
export type Described = { readonly summary: string; readonly args: Readonly<Record<string, DescribedArgument>> }
export type DescribedArgument = {
  readonly type: string
  readonly description: string
  /** Of a word: false where it may be left out. */
  readonly required?: boolean
  /** What stands for the value of an option; the last word of its name unless told. */
  readonly valueHint?: string
  readonly default?: string | boolean
}

type Entry<Kind> = {
  readonly summary: string
  /** Another program runs it, and nobody types it. What sshd runs is one without being told. */
  readonly isHelper?: true
  /** After so many seconds the answer is no; 0 for modes that a person watches. */
  readonly deadlineSeconds: number
  readonly load: () => Promise<{ readonly mode: Kind; readonly syntax?: Described }>
}

/** A mode that sshd runs only reads: it holds no secret and has no rights. */
export type ReadingEntry = Entry<ReadingMode> & { readonly caller: 'sshd' }
export type WholeEntry = Entry<Mode> & {
  readonly caller: Exclude<Caller, 'sshd'>
  /** Some of its verbs are for administrators: without PAM_TYPE in the environment a person runs it. */
  readonly byHand?: 'admin'
}
export type ModeEntry = ReadingEntry | WholeEntry

export const ended = (outcome: Outcome, text = ''): Ending => ({ kind: 'outcome', outcome, text })
export const usage = (text: string): Ending => ({ kind: 'usage', text })
