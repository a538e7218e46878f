// Hops on this host: whether a bastion can vouch, and whether a backend can verify and nobody gets around it.
import { decodeUtf8 } from '../base/bytes.ts'
import { bad, type Finding, good } from '../base/finding.ts'
import { paths } from '../base/paths.ts'
import type { Parts } from '../base/world.ts'
import { formatHopPolicy } from '../bastion/policy-format.ts'
import { hasHops, policyOf, readHopPolicy, readKeys } from '../bastion/rules.ts'
import type { Config } from '../config/load.ts'
import { judgeHopWays } from './hops-policy.ts'
import { stackOf } from './pam-stack-policy.ts'
import type { SshdAnswer } from './sshd.ts'
import { settingOf } from './sshd-policy.ts'
import type { SshdSettings } from './sshd-settings-format.ts'

type HopWorld = Parts<'files' | 'now' | 'hostname'>

export function judgeHops(world: HopWorld, config: Config, sshd: SshdAnswer): readonly Finding[] {
  return [
    ...(config.serve_hops ? [judgeSocket(world)] : []),
    ...(hasHops(config) ? judgeBackend(world, config) : []),
    ...(hasHops(config) && 'portal' in sshd ? judgeSshdForHops(world, config, sshd.portal) : []),
  ]
}

const judgeSocket = (world: HopWorld): Finding =>
  world.files.stat(paths.hopSocket)
    ? good('ob serve listens for ob proxy')
    : bad('ob serve does not listen for ob proxy', 'systemctl restart ob-serve')

function judgeBackend(world: HopWorld, config: Config): readonly Finding[] {
  if (config.bastion_jwt_allowed_bastions.length === 0)
    return [
      {
        verdict: 'shut',
        message: 'bastion_jwt_required is set and bastion_jwt_allowed_bastions names no bastion',
        lets: 'everybody is refused but root and the accounts in bastion_jwt_exempt',
        remedy: 'name the bastions; ob status on a bastion shows its id',
      },
    ]
  const policy = policyOf(config, world.hostname())
  const published = readHopPolicy(world)
  const rules: readonly Finding[] =
    published && formatHopPolicy(published) === formatHopPolicy(policy)
      ? []
      : [bad(`${paths.hopPolicy} is not what openbastion.conf says`, 'ob heartbeat --once')]
  const ages = readKeys(world, policy.keysFile).map(({ fetchedAt }) => Math.max(0, world.now() - fetchedAt))
  if (ages.length < policy.issuers.length)
    return [
      ...rules,
      bad(`${policy.keysFile} lacks the keys of the portal`, 'ob heartbeat --once; its output says why'),
    ]
  const oldest = Math.max(...ages)
  const text = `the keys of the portal were fetched ${Math.floor(oldest / 60)} min ago`
  if (oldest > policy.keysMaxAge) return [...rules, bad(`${text}; no hop counts any more`, 'ob heartbeat --once')]
  return [...rules, good(text)]
}

function judgeSshdForHops(world: HopWorld, config: Config, settings: SshdSettings): readonly Finding[] {
  const command = settingOf(settings, 'authorizedkeyscommand')
  const asks = /^\/usr\/sbin\/ob keys %u %t %k( %f)?$/.test(command)
  const wiring = asks
    ? []
    : [bad(`sshd does not ask ob keys (${command || 'none'})`, 'AuthorizedKeysCommand /usr/sbin/ob keys %u %t %k %f')]
  if (!config.bastion_jwt_required) return wiring
  const service = settingOf(settings, 'pamservicename') || 'sshd'
  const session = stackOf(service, 'session', (file) => {
    const path = file.startsWith('/') ? file : `/etc/pam.d/${file}`
    const bytes = world.files.stat(path)?.kind === 'file' ? world.files.read(path, 1 << 20) : undefined
    return bytes && (decodeUtf8(bytes) ?? '')
  })
  return [...wiring, ...judgeHopWays({ settings, session })]
}
