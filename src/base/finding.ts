// What a check of this host found: `ob doctor` and `ob status` print it, and every part of the program may make one.

export type Finding = {
  /**
   * `note`: worth knowing. `bad`: an administrator has to act. `open`: somebody gets in who must not. `shut`: nobody
   * gets in.
   */
  readonly verdict: 'good' | 'note' | 'bad' | 'open' | 'shut'
  /** The observation: one sentence without a final stop. */
  readonly message: string
  /** What that lets happen. */
  readonly lets?: string
  /** What the administrator does about it. */
  readonly remedy?: string
  /** The proof, line by line. */
  readonly path?: readonly string[]
}

export const good = (message: string): Finding => ({ verdict: 'good', message })
export const bad = (message: string, remedy: string): Finding => ({ verdict: 'bad', message, remedy })
export const note = (message: string): Finding => ({ verdict: 'note', message })
