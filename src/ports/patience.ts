// A portal that accepts connections and never answers would cost every login its whole timeout. After one such wait the
// next ones are short for a minute. The portal is still asked each time: nobody goes by the cache unasked.
import type { Config } from '../config/load.ts'
import { Fault } from '../fault.ts'
import { paths } from '../paths.ts'
import type { World } from '../world.ts'
import { type Http, openHttp } from './http.ts'

/** How long a wait is remembered, and how long the next ones are. Seconds. */
const rememberedSeconds = 60
const shortSeconds = 2

export function openPatientHttp(world: World, config: Config): Http {
  return async (request) => {
    const silent = world.files.stat(paths.silentPortal)
    const isImpatient = silent !== undefined && Math.abs(world.now() - silent.modifiedAt) < rememberedSeconds
    const timeout = isImpatient ? Math.min(config.timeout, shortSeconds) : config.timeout
    const startedAt = world.monotonic()
    const answer = await openHttp(world, { ...config, timeout })(request)
    const waitedSeconds = (world.monotonic() - startedAt) / 1000
    if (answer.kind === 'unreachable' && !answer.heard && waitedSeconds >= timeout * 0.9)
      tell(() => {
        world.files.makeDirectory('/run/open-bastion', 0o755)
        world.files.writeAtomic(paths.silentPortal, '', { mode: 0o600 })
      })
    else if (silent && answer.kind === 'answer') tell(() => world.files.remove(paths.silentPortal))
    return answer
  }
}

/** It only saves time: what cannot be written is done without. */
function tell(work: () => unknown): void {
  try {
    work()
  } catch (error) {
    if (!(error instanceof Fault)) throw error
  }
}
