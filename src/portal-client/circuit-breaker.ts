// The circuit breaker: this host remembers that the portal was unreachable a moment ago, so that the next logins wait
// less. The portal is still asked each time: the cache never counts before that.

import { orElse } from '../base/fault.ts'
import { paths } from '../base/paths.ts'
import type { FileFacts, Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import type { Http } from './http.ts'

/** How long it is remembered. Seconds. */
const rememberedSeconds = 60
/** A portal that accepts connections and never answers would cost every login its whole timeout. Seconds. */
const shortSeconds = 2

/** While it waits, this process looks at the clock so often; a busy machine makes it late. Seconds. */
const tickSeconds = 0.25
const longestGap = 2

/** The work's result, and the longest time for which this process did not run meanwhile. */
async function watched<T>(world: Parts<'monotonic' | 'timeout'>, work: () => Promise<T>) {
  let last = world.monotonic()
  let gapSeconds = 0
  let isWaiting = true
  const look = (): void => {
    const now = world.monotonic()
    gapSeconds = Math.max(gapSeconds, (now - last) / 1000)
    last = now
  }
  const tick = (): void => {
    const next = world.timeout(tickSeconds)
    // The deadline of the whole phase.
    if (next.aborted || !isWaiting) return
    next.addEventListener(
      'abort',
      () => {
        look()
        tick()
      },
      { once: true },
    )
  }
  tick()
  const result = await work().finally(() => {
    isWaiting = false
  })
  look()
  return { result, gapSeconds }
}

export function openHttpWithBreaker(
  world: Parts<'now' | 'monotonic' | 'random' | 'timeout' | 'fetch' | 'probeTcp' | 'files' | 'keyring'>,
  config: Config,
): Http {
  const isRecent = (facts: FileFacts | undefined): boolean =>
    facts !== undefined && Math.abs(world.now() - facts.modifiedAt) < rememberedSeconds
  return async (request) => {
    const timedOut = world.files.stat(paths.timedOutPortal)
    const absent = world.files.stat(paths.refusedPortal)
    const isImpatient = isRecent(timedOut)
    if (!isImpatient && isRecent(absent)) {
      const host = await refusing(world, config, request.url)
      if (host) return { kind: 'unreachable', detail: `no connection to ${host} (ECONNREFUSED)`, responded: false }
    }
    const timeout = isImpatient ? Math.min(config.timeout, shortSeconds) : config.timeout
    const startedAt = world.monotonic()
    // Not loaded before, because a portal that refuses once more needs none of it.
    const { openPortalHttp } = await import('./portal-http.ts')
    const { result: answer, gapSeconds } = await watched(world, () =>
      openPortalHttp(world, { ...config, timeout })(request),
    )
    // A user who can stop this process can keep it from reading the answer. Only a process that ran all the time may
    // say that there was no answer; the caches stay closed, and other logins learn of no outage.
    // A refused connection is no wait: stopping this process causes none at a portal that takes it.
    if (answer.kind === 'unreachable' && gapSeconds > longestGap && !/Refused|ECONNREFUSED/.test(answer.detail))
      return { kind: 'garbled', detail: `this process was stopped for ${Math.round(gapSeconds)} s while it waited` }
    const waitedSeconds = (world.monotonic() - startedAt) / 1000
    if (answer.kind === 'unreachable' && !answer.responded)
      tell(() => {
        world.files.makeDirectory(paths.run, 0o755)
        const path = waitedSeconds >= timeout * 0.9 ? paths.timedOutPortal : paths.refusedPortal
        world.files.writeAtomic(path, '', { mode: 0o600 })
      })
    else if (answer.kind === 'answer') {
      if (timedOut) tell(() => world.files.remove(paths.timedOutPortal))
      if (absent) tell(() => world.files.remove(paths.refusedPortal))
    }
    return answer
  }
}

/**
 * The host that refuses a connection, which is what the whole request would end with. It costs half of that; what is
 * less clear is left to the request itself, and so is a proxy.
 */
async function refusing(
  world: Parts<'timeout' | 'probeTcp'>,
  { proxy }: Config,
  url: string,
): Promise<string | undefined> {
  if (proxy !== undefined) return undefined
  const { host, hostname, port } = new URL(url)
  const name = hostname.replace(/^\[|\]$/g, '')
  const problem = await world.probeTcp(name, port === '' ? 443 : Number(port), world.timeout(shortSeconds))
  return problem === 'ECONNREFUSED' ? host : undefined
}

/** It only saves time: what cannot be written is done without. */
function tell(work: () => unknown): void {
  orElse(work, () => undefined)
}
