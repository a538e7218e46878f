// pam_exec: one process a phase. Standard output reaches the person when the stack says `stdout`; the exit status is
// the verdict.

import { isPhase } from '../../src/login/event-policy.ts'
import { type Mode, usage } from '../run/mode.ts'
import { runPhase } from './phase.ts'
import { requestOf } from './request.ts'

export const mode: Mode = {
  run: async (args, world) => {
    const phase = world.env['PAM_TYPE'] ?? ''
    if (args.length > 0) return usage('pam_exec passes no arguments to ob; remove them from the PAM line')
    if (!isPhase(phase)) return usage(`PAM_TYPE is "${phase}"; ob serves auth, account, open_session and close_session`)
    // A screen locker is a process of the user, and only root may read the configuration and the token.
    if (world.userId !== 0 && (phase === 'auth' || phase === 'account'))
      return (await import('./ask-daemon.ts')).askServe(phase, world)
    return runPhase(phase, requestOf(world, phase), world)
  },
}
