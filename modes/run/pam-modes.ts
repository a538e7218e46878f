// The modes that pam_exec runs.
import type { WholeEntry } from './mode.ts'

/** No argument, PAM_TYPE in the environment. */
export const pamModes = {
  login: { caller: 'pam', summary: '', deadlineSeconds: 25, load: () => import('../pam/pam.ts') },
  /** ob serve went away while it decided, and a token may be used up. */
  lost: { caller: 'pam', summary: '', deadlineSeconds: 10, load: () => import('../pam/lost.ts') },
  session: { caller: 'pam', summary: '', deadlineSeconds: 10, load: () => import('../pam/pam.ts') },
} as const satisfies Record<string, WholeEntry>

/** By PAM_TYPE; any name that is no session's is left to the login, which names the ones it serves. */
export const phaseEntry = (phase: string): WholeEntry =>
  phase.endsWith('_session') ? pamModes.session : pamModes.login

const gpg = { caller: 'pam', summary: '', deadlineSeconds: 25, load: () => import('../pam/gpg.ts') } as const

/** Programs of their own in a stack: all that stands in its line behind `ob`. */
export const pamVerbs: ReadonlyMap<string, WholeEntry> = new Map([
  ['gpg ask', gpg],
  ['gpg check', gpg],
])
