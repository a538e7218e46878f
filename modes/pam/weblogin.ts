// pam_exec: the login in a web browser. `ask` shows the address (a line with `stdout`), `check` takes the code that the
// person types back (a line with `stdout expose_authtok`). The other verbs are for administrators.
import { decideWebPhase, type WebVerb } from '../../src/login/web-phase.ts'
import { type Mode, usage } from '../run/mode.ts'
import { runDecision } from './phase.ts'
import { requestOf } from './request.ts'

const verbs: ReadonlySet<string> = new Set<WebVerb>(['ask', 'check'])

export const mode: Mode = {
  run: async (args, world) => {
    const [verb = '', ...more] = args
    if (!verbs.has(verb) || more.length > 0) return usage('weblogin takes ask or check, in a PAM stack')
    const phase = world.env['PAM_TYPE'] ?? ''
    if (phase !== 'auth') return usage(`weblogin ${verb} belongs in an auth line of a PAM stack`)
    if (world.userId !== 0) return usage('weblogin decides as root only; screen lockers cannot use it')
    const decide = decideWebPhase.bind(undefined, verb as WebVerb)
    return runDecision('auth', requestOf(world, phase), { world, decide })
  },
}
