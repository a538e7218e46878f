// PAM services. A portal knows ssh and sudo and denies everything else, so this host says as what the others count.

/** `sudo -i` runs as its own PAM service but is the same right; the portal only knows `sudo`. */
export const isSudo = (service: string): boolean => service === 'sudo' || service === 'sudo-i'
export const isSsh = (service: string): boolean => service === 'sshd' || service === 'ssh'

/** Under this name a screen locker is decided about, whatever it calls itself: it is a process of the user. */
export const unlockService = 'unlock'

export type ServiceMap = ReadonlyMap<string, string>

/** What the portal is asked about; undefined when there is nothing it would understand. */
export function askedService(service: string, map: ServiceMap): string | undefined {
  if (isSudo(service)) return 'sudo'
  return isSsh(service) ? service : map.get(service)
}

/** What is kept of the portal's answers is about ssh and sudo. */
export const isCacheable = (asked: string | undefined): boolean =>
  asked === 'sudo' || (asked !== undefined && isSsh(asked))
