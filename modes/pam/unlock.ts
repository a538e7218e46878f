// ob serve runs this for a screen locker: the authentication and the account phase in one process, because many lockers
// ask for the first alone.

import { correlationId } from '../../src/audit/event-format.ts'
import { hex } from '../../src/base/bytes.ts'
import { Fault } from '../../src/base/fault.ts'
import { parseLoginName } from '../../src/base/names.ts'
import { unlockService } from '../../src/base/pam-service.ts'
import { type Mode, usage } from '../run/mode.ts'
import { runPhase } from './phase.ts'

export const mode: Mode = {
  run: async ([name = '', phase, ...more], world) => {
    const user = parseLoginName(name)
    if (!user || (phase !== 'auth' && phase !== 'account') || more.length > 0)
      return usage('unlock is what ob serve runs for screen lockers: ob unlock USER auth|account')
    if (world.userId !== 0) throw new Fault('unlock must be started by root')
    const connection = correlationId(hex(world.random(16)))
    const request = { service: unlockService, user, rhost: undefined, connection }
    if (phase === 'account') return runPhase('account', request, world)
    const proven = await runPhase('auth', request, world)
    if (proven.kind !== 'outcome' || proven.outcome.kind !== 'allowed') return proven
    return runPhase('account', request, world)
  },
}
