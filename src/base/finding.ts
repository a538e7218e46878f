// What a check of this host found: `ob doctor` and `ob status` print it, and every part of the program may make one.

export type Finding = {
  readonly verdict: 'good' | 'bad' | 'note'
  /** The observation: one sentence without a final stop. */
  readonly message: string
  /** What the administrator does about it. */
  readonly remedy?: string
}

export const good = (message: string): Finding => ({ verdict: 'good', message })
export const bad = (message: string, remedy: string): Finding => ({ verdict: 'bad', message, remedy })
export const note = (message: string): Finding => ({ verdict: 'note', message })
