// Which accounts are nobody's. Every login asks this, so it loads nothing.

/** The front door of the certificate authority, or an account that turns into a person. */
export type FunctionalRole = 'authority' | 'person'

/** What such an account is here; undefined for everybody else. */
export function functionalRole(
  user: string | undefined,
  config: { readonly ca_user: string | undefined; readonly functional_accounts: readonly string[] },
): FunctionalRole | undefined {
  if (user === undefined) return undefined
  if (user === config.ca_user) return 'authority'
  return config.functional_accounts.includes(user) ? 'person' : undefined
}
