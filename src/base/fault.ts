/**
 * The only thing this program throws: a broken installation, an unsafe file, an impossible state.
 * Its text is lower case, names the file and the remedy, holds no secret, and is safe to log and print.
 * `refused` marks a peer that failed authentication to us (certificate or pin), which is a security event of its own.
 */
export class Fault extends Error {
  readonly kind: 'broken' | 'refused'
  readonly hint: string | undefined
  constructor(text: string, options: { hint?: string; kind?: 'broken' | 'refused' } = {}) {
    super(text)
    this.name = 'Fault'
    this.kind = options.kind ?? 'broken'
    this.hint = options.hint
  }
}
