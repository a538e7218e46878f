// The list of users for whom nothing cached on this host counts.

/** The users whose logins always need the portal. */
export type ForceOnline = 'nobody' | 'everybody' | ReadonlySet<string>

/**
 * One name a line, # comments, blank lines. A file without any name means everybody, so that `touch` is enough in an
 * emergency and emptying the list never frees a user by accident; no file means no user.
 */
export function parseForceOnline(text: string | undefined): ForceOnline {
  if (text === undefined) return 'nobody'
  const names = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
  return names.length === 0 ? 'everybody' : new Set(names)
}

/** The file of these names; without names there is no file. */
export const formatForceOnline = (users: Exclude<ForceOnline, 'nobody'>): string =>
  users === 'everybody' ? '' : [...users].map((name) => `${name}\n`).join('')

export const mustBeOnline = (list: ForceOnline, user: string): boolean =>
  list === 'everybody' || (list !== 'nobody' && list.has(user))
