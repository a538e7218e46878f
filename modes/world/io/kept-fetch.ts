// Requests of a process that lives long, over connections that the runtime keeps. One that was idle for long is never
// used again: a network in between may have forgotten it without a word, and the request would wait for its whole time.
import type { TlsOptions, World } from '../../../src/base/world.ts'
import { tlsFetch } from './network.ts'

/** Below what web servers (nginx: 75) and address translation keep at the least. Seconds. */
const longestIdle = 50

/** The runtime forgets unused ones; by then so have the servers. */
const mostGenerations = 4_096

/**
 * As tlsFetch. The runtime keeps connections apart by their TLS options, so one more line break behind the authorities
 * is a new generation of connections, and none of an older one is used. `monotonic` is in milliseconds.
 */
export function keptFetch(monotonic: () => number, idle = longestIdle): World['fetch'] {
  let generation = 0
  let usedAt = monotonic()
  let limit = idle
  const options = (tls: TlsOptions): TlsOptions => {
    if (monotonic() - usedAt > limit * 1000) generation = (generation + 1) % mostGenerations
    usedAt = monotonic()
    return { ...tls, ca: tls.ca + '\n'.repeat(generation) }
  }
  return async (url, init, tls, proxy) => {
    try {
      const response = await tlsFetch(url, init, options(tls), proxy)
      usedAt = monotonic()
      limit = Math.min(idle, idleOf(response.headers) ?? idle)
      return response
    } catch (error) {
      // Its neighbours may be as dead as this one.
      generation = (generation + 1) % mostGenerations
      throw error
    }
  }
}

/** A second less than the server says that it waits: `Keep-Alive: timeout=5` (RFC 2068, 19.7.1.1; Apache, Node.js). */
function idleOf(headers: Headers): number | undefined {
  const seconds = /(?:^|[\s,;])timeout=(\d{1,6})/i.exec(headers.get('keep-alive') ?? '')?.[1]
  return seconds === undefined ? undefined : Math.max(0, Number(seconds) - 1)
}
