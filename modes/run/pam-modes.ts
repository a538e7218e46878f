// What pam_exec runs.
import type { WholeEntry } from './mode.ts'

/** No argument, PAM_TYPE in the environment. */
export const pamModes = {
  login: { caller: 'pam', summary: '', deadlineSeconds: 25, load: () => import('../pam/pam.ts') },
  session: { caller: 'pam', summary: '', deadlineSeconds: 10, load: () => import('../pam/pam.ts') },
} as const satisfies Record<string, WholeEntry>
