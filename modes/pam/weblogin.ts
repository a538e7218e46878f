// The login in a web browser, as pam_exec runs it: `ask` shows the address (a line with `stdout`), `check` takes the
// code that the person types back (a line with `stdout expose_authtok`), `approved` lets an earlier web login count.
// The other verbs are for administrators.
import type { WebVerb } from '../../src/login/web-phase.ts'
import { type Mode, usage } from '../run/mode.ts'
import { syntax } from './weblogin-syntax.ts'

export { syntax }

const verbs: ReadonlySet<string> = new Set<WebVerb>(['approved', 'ask', 'check'])

export const mode: Mode = {
  run: async (args, world) => {
    const phase = world.env['PAM_TYPE']
    if (phase === undefined) return (await import('./weblogin-by-hand.ts')).runByHand(args, world)
    const [verb = '', ...more] = args
    if (!verbs.has(verb) || more.length > 0) return usage('weblogin takes approved, ask or check in a PAM stack')
    if (phase !== 'auth') return usage(`weblogin ${verb} belongs in an auth line of a PAM stack`)
    if (world.userId !== 0) return usage('weblogin decides as root only; screen lockers cannot use it')
    const [{ runDecision }, { requestOf }, { decideWebPhase }] = await Promise.all([
      import('./phase.ts'),
      import('./request.ts'),
      import('../../src/login/web-phase.ts'),
    ])
    const decide = decideWebPhase.bind(undefined, verb as WebVerb)
    return runDecision('auth', requestOf(world, phase), { world, decide })
  },
}
