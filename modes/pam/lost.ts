// A PAM phase whose decision was lost: ob serve ended or froze when a one-time token may have been used up. Deciding
// again could use it twice, so the answer is no, with a line in the audit log.
import { unavailable } from '../../src/base/outcome.ts'
import type { Phase } from '../../src/login/event-policy.ts'
import type { Mode } from '../run/mode.ts'
import { runDecision } from './phase.ts'
import { requestOf } from './request.ts'

export const mode: Mode = {
  run: (_args, world) => {
    const phase = world.env['PAM_TYPE'] as Phase
    const decide = async () => ({ outcome: unavailable('decision-lost'), notes: [] })
    return runDecision(phase, requestOf(world, phase), { world, decide })
  },
}
