// The lines with which hosts and clients trust this authority. Pure.
import type { PublicKey } from '../ssh/wire.ts'

const line = ({ type, blob }: PublicKey): string => `${type} ${blob.toBase64()}`

export type Authority = {
  readonly name: string
  readonly user: readonly PublicKey[]
  readonly host: readonly PublicKey[]
  /** What clients call the hosts: *.example.org. */
  readonly pattern: string
}

/** known_hosts lines (sshd(8)): clients then ask nobody about the key of a new host. */
export const clientTrust = ({ host, pattern, name }: Authority): string =>
  host.map((key) => `@cert-authority ${pattern} ${line(key)} ${name}\n`).join('')

/** The keys themselves are what a host puts into the file of TrustedUserCAKeys; everything else is a comment there. */
export function showAuthority(authority: Authority): string {
  const { user, host, name } = authority
  const comments = [
    `# Certificate authority ${name}`,
    '#',
    '# Hosts: keep these lines as /etc/ssh/open-bastion_ca.pub. The same file and lines on Debian, Ubuntu, RHEL, SUSE:',
    '#   TrustedUserCAKeys /etc/ssh/open-bastion_ca.pub     in /etc/ssh/sshd_config.d/ (or sshd_config where that is missing)',
    '#   sshd -t, then: systemctl reload ssh                (Debian, Ubuntu)   systemctl reload sshd (RHEL, SUSE)',
    ...(host.length === 0
      ? []
      : ['#', '# Clients: append to ~/.ssh/known_hosts or /etc/ssh/ssh_known_hosts, without the "# "']),
    ...clientTrust(authority)
      .split('\n')
      .filter((one) => one !== '')
      .map((one) => `# ${one}`),
  ]
  return `${comments.join('\n')}\n${user.map((key) => `${line(key)} ${name}\n`).join('')}`
}

/** Everything below the first part of the name: web1.example.org → *.example.org. */
export const patternOf = (name: string): string => (name.includes('.') ? `*.${name.slice(name.indexOf('.') + 1)}` : '*')
