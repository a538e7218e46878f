// pam_exec: `ob gpg ask` in an auth line shows a challenge for the person's OpenPGP key, `ob gpg check` in the line
// below judges what was typed.
import { Fault } from '../../src/base/fault.ts'
import { type Mode, usage } from '../run/mode.ts'
import { runDecision } from './phase.ts'
import { requestOf } from './request.ts'

export const mode: Mode = {
  run: async ([verb], world) => {
    if (world.env['PAM_TYPE'] !== 'auth')
      return usage('gpg ask and gpg check belong in auth lines of a PAM stack; to look at keys: ob gpg check USER')
    return runDecision('auth', requestOf(world, 'auth'), {
      world,
      decide: async (request, about) => {
        if (world.userId !== 0)
          throw new Fault('ob gpg was started without the rights of root', { hint: 'add seteuid to its line in pam.d' })
        const { ask, check } = await import('../../src/login/gpg-phase.ts')
        return (verb === 'ask' ? ask : check)(request, about)
      },
    })
  },
}
