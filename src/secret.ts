/**
 * A string that must never be printed by accident: every conversion gives `[secret]`, and `expose` can be searched
 * for.
 */
export class Secret {
  readonly #text: string
  constructor(text: string) {
    this.#text = text
  }
  /** The secret itself, for a header, a body or a MAC key; never for a message. */
  expose(): string {
    return this.#text
  }
  toString(): string {
    return '[secret]'
  }
  toJSON(): string {
    return '[secret]'
  }
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[secret]'
  }
}
