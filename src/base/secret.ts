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

/** The name of a secret in the sealed store. */
export const isSecretName = (text: string): boolean => /^[a-z][a-z0-9_-]{0,63}$/.test(text)

/** The text in a file that refers to a secret in the sealed store by its name. */
export const reference = 'sealed:'

/** The name in the sealed store to which this text refers, if it refers to one. */
export const sealedName = (written: Secret): string | undefined =>
  written.expose().startsWith(reference) ? written.expose().slice(reference.length) : undefined

export const sealedAs = (name: string): Secret => new Secret(`${reference}${name}`)
