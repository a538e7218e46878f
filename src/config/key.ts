// The description of one key of openbastion.conf.
import type * as v from 'valibot'

export const sections = {
  portal: 'The portal and how it is reached',
  host: 'This host, as the portal knows it',
  keys: 'Keys and certificates',
  authority: 'This host as a certificate authority',
  secrets: 'Secrets at rest',
  weblogin: 'Login in a web browser',
  bastion: 'Bastions and the hosts behind them',
  accounts: 'Accounts on this host',
  lockout: 'Lockouts after failures',
  offline: 'When the portal is away',
  gpg: 'OpenPGP challenges and recovery codes',
  audit: 'Audit and logging',
  notify: 'Webhooks',
} as const

export type Section = keyof typeof sections

/** The facts about one key besides its default. */
export type Facts<T> = {
  readonly schema: v.GenericSchema<string, T>
  readonly says: string
  readonly section: Section
  readonly unit?: string
  readonly secret?: true
  readonly example?: string
  /** Only for keys that the C implementation does not have. */
  readonly since?: string
}

/**
 * One key. `fallback` is its value when no line sets it. The facts are made for keys that a file does set:
 * 40 ready schemas would cost every login 4 M instructions.
 */
export type Key<T> = {
  readonly fallback: T | undefined
  readonly required: boolean
  readonly facts: () => Facts<NonNullable<T>>
}

export const key = <T>(fallback: T & {}, facts: () => Facts<T & {}>): Key<T> => ({ fallback, required: false, facts })

export const optional = <T>(facts: () => Facts<T & {}>): Key<T | undefined> => ({
  fallback: undefined,
  required: false,
  facts,
})

export const required = <T>(facts: () => Facts<T & {}>): Key<T> => ({ fallback: undefined, required: true, facts })
