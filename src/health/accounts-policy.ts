// What nsswitch.conf and /etc/passwd mean for portal users.

import { secondRoots } from '../accounts/second-roots.ts'
import { bad, type Finding } from '../base/finding.ts'

export type Answering = {
  /** `ob serve` answers nss-systemd here. */
  readonly isServed: boolean
  /** create_user_target = extrausers: the accounts are in its files. */
  readonly isExported: boolean
}

/** Where NSS looks for one database. */
export function judgeSources(
  database: string,
  sources: string,
  { isServed, isExported }: Answering,
): readonly Finding[] {
  const words = sources.replace(/\[[^\]]*\]/g, ' ').split(/\s+/)
  const [files, extra] = [words.indexOf('files'), words.indexOf('extrausers')]
  if (extra >= 0 && files > extra)
    return [
      {
        ...bad(
          `/etc/nsswitch.conf: "${database}: ${sources}" asks extrausers before files`,
          `write: ${database}: ${['files', 'extrausers', ...words.filter((word) => word !== 'files' && word !== 'extrausers')].join(' ')}`,
        ),
        lets: 'a portal user with the name of an account of this host takes its place',
      },
    ]
  const asksServe = words.includes('systemd')
  // Whether ob serve runs where all depends on it is a finding of its own (units.ts).
  if (isExported ? extra >= 0 || (isServed && asksServe) : asksServe) return []
  const better = files >= 0 ? sources.replace(/\bfiles\b/, 'files extrausers') : 'files extrausers'
  const remedy = isExported
    ? `install libnss-extrausers and write: ${database}: ${better}`
    : `install libnss-systemd and write: ${database}: ${`${sources} systemd`.trim()}`
  return [
    {
      ...bad(
        `/etc/nsswitch.conf: "${database}: ${sources}" does not look where the accounts of portal users are`,
        remedy,
      ),
      lets: 'portal users have no account here, and sshd refuses them',
    },
  ]
}

/** To the kernel they are root; ob refuses them, and what does not ask it lets them in. */
export const judgeSecondRoots = (passwd: string): readonly Finding[] =>
  secondRoots(passwd).map((name) => ({
    verdict: 'open',
    message: `/etc/passwd: ${name} is a second name for root (uid 0)`,
    lets: `whoever is ${name} is root: ob refuses the name, but su, cron and stacks that exempt uid 0 do not ask it`,
    remedy: `give ${name} a uid of its own, or remove it: userdel ${name}`,
  }))
