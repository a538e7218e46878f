// The rules about hops on this host: from the configuration for root, from root's public copy for what sshd runs. And
// the keys of the portals, as they are kept.
import { decodeUtf8 } from '../base/bytes.ts'
import { paths } from '../base/paths.ts'
import type { Files, Parts } from '../base/world.ts'
import { type Config, groupOf } from '../config/load.ts'
import { type IssuerKeys, parseKeysFile } from './keys-format.ts'
import { comparableName, formatHopPolicy, type HopPolicy, parseHopPolicy } from './policy-format.ts'

type Reader = { readonly files: Pick<Files, 'stat' | 'readTrusted'> }

const limit = 256 << 10

/** Whether this host has a word to say about hops at all. */
export const hasHops = (config: Config): boolean =>
  config.bastion_jwt_allowed_bastions.length > 0 || config.bastion_jwt_required

export function policyOf(config: Config, hostname: string): HopPolicy {
  const own = [hostname, hostname.split('.')[0] ?? '']
  const names = config.bastion_jwt_target_names.length > 0 ? config.bastion_jwt_target_names : own
  const { bastion_jwt_issuer: issuers, bastion_jwt_target_groups: groups } = config
  return {
    issuers: issuers.length > 0 ? issuers : [config.portal_url],
    allowedBastions: config.bastion_jwt_allowed_bastions,
    algorithms: config.bastion_jwt_algorithms,
    clockSkew: config.bastion_jwt_clock_skew,
    names: [...new Set(names.map(comparableName))],
    groups: groups.length > 0 ? groups : [groupOf(config)],
    required: config.bastion_jwt_required,
    exempt: config.bastion_jwt_exempt,
    permits: config.bastion_jwt_permits,
    sources: config.bastion_jwt_sources,
    keysFile: config.bastion_jwt_jwks_cache,
    keysMaxAge: config.bastion_jwt_offline_max,
  }
}

/** root's public copy; undefined when there is none, a Fault when others could have written it. */
export function readHopPolicy({ files }: Reader): HopPolicy | undefined {
  if (!files.stat(paths.hopPolicy)) return undefined
  const bytes = files.readTrusted(paths.hopPolicy, { limit, secret: false })
  return bytes && parseHopPolicy(decodeUtf8(bytes) ?? '')
}

/** Writes the copy where it changed, and takes it away where hops are not configured. */
export function publishHopPolicy({ files, hostname }: Parts<'files' | 'hostname'>, config: Config): void {
  const present = files.stat(paths.hopPolicy) && files.read(paths.hopPolicy, limit)
  if (!hasHops(config)) {
    if (present) files.remove(paths.hopPolicy)
    return
  }
  const wanted = formatHopPolicy(policyOf(config, hostname()))
  if (present && decodeUtf8(present) === wanted) return
  files.makeDirectory(paths.state, 0o711)
  files.writeAtomic(paths.hopPolicy, wanted, { mode: 0o644 })
}

/** The keys kept on this host; none when there is no file. */
export function readKeys({ files }: Reader, path: string): readonly IssuerKeys[] {
  if (!files.stat(path)) return []
  const bytes = files.readTrusted(path, { limit, secret: false })
  return bytes ? parseKeysFile(decodeUtf8(bytes) ?? '') : []
}
