// Where NSS looks for the accounts of portal users, and what stands in their way.

import { unadopted } from '../accounts/adopt.ts'
import { sudoGroup } from '../accounts/groups.ts'
import { decodeUtf8 } from '../base/bytes.ts'
import { bad, type Finding, good, note } from '../base/finding.ts'
import { paths } from '../base/paths.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import type { Ports } from '../login/ports.ts'
import { judgeSecondRoots, judgeSources } from './accounts-policy.ts'

type Here = Parts<'files' | 'spawn'>

export async function judgeAccounts(
  world: Here,
  config: Config,
  ports: Pick<Ports, 'accounts'>,
): Promise<readonly Finding[]> {
  const findings = [
    ...judgeNsswitch(world, config),
    ...judgeSecondRoots(textOf(world, '/etc/passwd')),
    ...judgeCache(world),
  ]
  const accounts = await ports.accounts()
  const users = [...accounts.registry().users].filter(([, { state }]) => state === 'active')
  const [first] = users
  if (first) {
    const { code, stdout } = await world.spawn(['getent', 'passwd', first[0]])
    const uid = Number(stdout.split(':')[2])
    if (code !== 0)
      findings.push(
        bad(
          `getent passwd ${first[0]} finds nothing, although ${paths.registry} has this user`,
          unfoundRemedy(config.create_user_target),
        ),
      )
    else if (uid !== first[1].uid)
      findings.push(
        bad(
          `${first[0]} has uid ${uid} here but ${first[1].uid} in ${paths.registry}`,
          'remove the other account of that name, or rename it',
        ),
      )
  }
  const sudoer = users.find(([, { sudo }]) => sudo)?.[0]
  findings.push(...(sudoer === undefined ? [] : await judgeSudoGroup(world, sudoer)))
  findings.push(...judgeLeftAlone(world, config))
  return findings.length > 0 ? findings : [good(`${users.length} accounts of portal users`)]
}

/** sudoers gives rights to the group, so that NSS must find who may sudo in it. */
export async function judgeSudoGroup(world: Here, user: string): Promise<readonly Finding[]> {
  const { code, stdout } = await world.spawn(['id', '-nG', user])
  if (code !== 0 || stdout.trim().split(/\s+/).includes(sudoGroup)) return []
  const message = `the portal lets ${user} sudo, but NSS does not find ${user} in ${sudoGroup}`
  const finding = bad(message, `ob nss export; then look at the group and initgroups lines of /etc/nsswitch.conf`)
  return [{ ...finding, lets: 'sudo refuses portal users, whatever the portal says' }]
}

/** Accounts that the C implementation made: they come in at their next login, or now. */
function judgeLeftAlone(world: Here, config: Config): readonly Finding[] {
  const names = unadopted(world, config)
  if (names.length === 0) return []
  const shown = names.length > 5 ? `${names.slice(0, 5).join(', ')} and ${names.length - 5} more` : names.join(', ')
  return [note(`${shown}: made in /etc/passwd by Open Bastion, adopted at the next login, or by: ob nss adopt`)]
}

/** What makes NSS find an account that the registry has. */
export const unfoundRemedy = (target: Config['create_user_target']): string =>
  target === 'userdb' ? 'systemctl restart ob-serve; and nsswitch.conf must name systemd for passwd' : 'ob nss export'

function textOf(world: Here, path: string): string {
  const bytes = world.files.read(path, 1 << 24)
  return (bytes && decodeUtf8(bytes)) ?? ''
}

function judgeNsswitch(world: Here, config: Config): readonly Finding[] {
  if (!config.create_user || config.create_user_target === 'passwd') return []
  const text = textOf(world, '/etc/nsswitch.conf')
  const isServed = world.files.stat(`${paths.userdb}/io.openbastion`) !== undefined
  return ['passwd', 'group', 'shadow'].flatMap((database) => {
    const sources = new RegExp(`^\\s*${database}:\\s*(.*?)\\s*(?:#.*)?$`, 'm').exec(text)?.[1] ?? ''
    return judgeSources(database, sources, { isServed, isExported: config.create_user_target === 'extrausers' })
  })
}

/** nscd(8) remembers that a name was unknown, and tells sshd so after the account was made. */
function judgeCache(world: Here): readonly Finding[] {
  if (world.files.stat('/run/nscd/socket') === undefined && world.files.stat('/var/run/nscd/socket') === undefined)
    return []
  return [
    {
      ...bad(
        'nscd runs',
        'systemctl disable --now nscd, or set enable-cache no for passwd, group and netgroup in /etc/nscd.conf',
      ),
      lets: 'a first login fails, and a new user stays unknown for half a minute',
    },
  ]
}
