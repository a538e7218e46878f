// PAM services. A portal knows ssh and sudo and denies every other service. service_map says how each other service
// counts.

/** `sudo -i` runs as its own PAM service but is the same right; the portal only knows `sudo`. */
export const isSudo = (service: string): boolean => service === 'sudo' || service === 'sudo-i' || service === ownSudo
export const isSsh = (service: string): boolean => service === 'sshd' || service === 'ssh' || service === ownSsh

/** Stacks of our own, beside those of Debian: PAMServiceName of sshd, pam_service of sudo (`ob setup`). */
const ownSsh = 'open-bastion-sshd'
export const ownSudo = 'open-bastion-sudo'

/** The service that a stack of our own stands for; every other one is itself. */
export function canonicalService(service: string): string {
  if (service === ownSsh) return 'sshd'
  return service === ownSudo ? 'sudo' : service
}

/** The service under which every screen locker is decided, whatever its own name is: it runs as the user. */
export const unlockService = 'unlock'

export type ServiceMap = ReadonlyMap<string, string>

/** The service that the portal is asked about; undefined when it knows none that fits. */
export function askedService(service: string, map: ServiceMap): string | undefined {
  if (isSudo(service)) return 'sudo'
  return isSsh(service) ? canonicalService(service) : map.get(service)
}

/** Only answers about ssh and sudo are cached. */
export const isCacheable = (asked: string | undefined): boolean =>
  asked === 'sudo' || (asked !== undefined && isSsh(asked))
