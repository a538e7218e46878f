/**
 * The only thing this program throws: a broken installation, an unsafe file, an impossible state.
 * Its text is lower case, names the file and the remedy, holds no secret, and is safe to log and print.
 * `refused` marks a peer that failed authentication to us (certificate or pin), which is a security event of its own.
 * `busy` marks a lock that another process holds.
 */
export class Fault extends Error {
  readonly kind: 'broken' | 'refused' | 'busy'
  readonly hint: string | undefined
  constructor(text: string, options: { hint?: string; kind?: 'broken' | 'refused' | 'busy' } = {}) {
    super(text)
    this.name = 'Fault'
    this.kind = options.kind ?? 'broken'
    this.hint = options.hint
  }
}

/** What the work returns; where it throws a Fault, what the fallback makes of that. Every other error goes on. */
export function orElse<T, U>(work: () => Promise<T>, fallback: (fault: Fault) => U | Promise<U>): Promise<T | U>
export function orElse<T, U>(work: () => T, fallback: (fault: Fault) => U): T | U
export function orElse<T, U>(work: () => T | Promise<T>, fallback: (fault: Fault) => U) {
  const judge = (error: unknown): U => {
    if (error instanceof Fault) return fallback(error)
    throw error
  }
  try {
    const result = work()
    return result instanceof Promise ? result.catch(judge) : result
  } catch (error) {
    return judge(error)
  }
}
