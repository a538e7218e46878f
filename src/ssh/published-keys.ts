// Files that root leaves for `ob keys` and `ob principals`, which run as a user without rights: the keys that the
// portal exported, and the public part of the configuration. Only root can write them.
import { decodeBytewise, decodeUtf8 } from '../base/bytes.ts'
import type { LoginName } from '../base/names.ts'
import { paths } from '../base/paths.ts'
import type { Parts, ReadOnlyWorld } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import { formatPublicPolicy, type PublicPolicy, parsePublicPolicy } from './public-policy-format.ts'
import { parsePublicKeyLine } from './wire.ts'

export type Published = {
  /** The public part of the configuration. */
  readonly policy: () => void
  /** The keys that the portal exports for this user; when it exports none, the copy goes. */
  readonly keys: (user: LoginName, lines: readonly string[] | undefined) => void
}

export const openPublished = (world: Parts<'now' | 'files'>, config: Config): Published => ({
  policy: () => publishPolicy(world, config),
  keys: (user, lines) => publishKeys(world, user, lines ?? []),
})

const mostKeys = 32
const sizeLimit = 1 << 20
/** An unchanged copy is written again after this time, so that its age shows when the portal last answered. Seconds. */
const freshSeconds = 86_400

const policyOf = (config: Config): PublicPolicy => ({
  keys: {
    enabled: config.ssh_key_policy_enabled,
    allowedTypes: config.ssh_key_allowed_types,
    minRsaBits: config.ssh_key_min_rsa_bits,
    minEcdsaBits: config.ssh_key_min_ecdsa_bits,
  },
  krlMaxAge: config.krl_max_age,
})

const textAt = (world: Parts<'files'>, path: string): string | undefined => {
  const bytes = world.files.stat(path) && world.files.read(path, sizeLimit)
  return bytes && decodeUtf8(bytes)
}

/** Writes the public part of the configuration where it changed; a host that asks for nothing gets no file. */
function publishPolicy(world: Parts<'files'>, config: Config): void {
  const wanted = formatPublicPolicy(policyOf(config))
  const present = textAt(world, paths.publicPolicy)
  const asksForNothing = !config.ssh_key_policy_enabled && config.krl_max_age === 0
  if (present === wanted || (present === undefined && asksForNothing)) return
  world.files.makeDirectory(paths.state, 0o711)
  world.files.writeAtomic(paths.publicPolicy, wanted, { mode: 0o644 })
}

/** The public part of the configuration, or undefined when root has left none. A Fault when it cannot be trusted. */
export function readPublicPolicy(world: ReadOnlyWorld): PublicPolicy | undefined {
  if (!world.files.stat(paths.publicPolicy)) return undefined
  const bytes = world.files.readTrusted(paths.publicPolicy, { limit: sizeLimit, secret: false })
  return bytes && parsePublicPolicy(decodeUtf8(bytes) ?? '')
}

function publishKeys(world: Parts<'now' | 'files'>, user: LoginName, exported: readonly string[]): void {
  const path = `${paths.exportedKeys}/${user}`
  const lines = exported.flatMap((line) => {
    const parsed = parsePublicKeyLine(line.trim())
    if ('problem' in parsed || parsed.key.certificate) return []
    return [`${parsed.key.type} ${parsed.key.blob.toBase64()}\n`]
  })
  const facts = world.files.stat(path)
  if (lines.length === 0 || isLocal(world, user)) {
    if (facts) world.files.remove(path)
    return
  }
  const body = [...new Set(lines)].slice(0, mostKeys).join('')
  const isFresh = facts !== undefined && Math.abs(world.now() - facts.modifiedAt) < freshSeconds
  if (isFresh && textAt(world, path)?.replace(/^#.*\n/, '') === body) return
  const heard = new Date(Math.floor(world.now()) * 1000).toISOString().replace('.000Z', 'Z')
  world.files.makeDirectory(paths.state, 0o711)
  world.files.makeDirectory(paths.exportedKeys, 0o755)
  world.files.writeAtomic(path, `# keys of ${user} as the portal exported them at ${heard}\n${body}`, { mode: 0o644 })
}

/** A portal names no keys for accounts that are not its own (passwd(5); the C library skips blanks before a name). */
function isLocal(world: Parts<'files'>, user: LoginName): boolean {
  const bytes = world.files.read('/etc/passwd', 64 << 20)
  const name = user.replaceAll('.', '\\.')
  return bytes !== undefined && new RegExp(`^[ \\t]*${name}:`, 'm').test(decodeBytewise(bytes))
}
