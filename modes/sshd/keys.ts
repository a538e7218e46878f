// AuthorizedKeysCommand: which keys count for a user. Asked before anything is proven and by an unprivileged user,
// so it has no side effects, uses no network, and prints nothing rather than something doubtful.
import { isSecondRoot } from '../../src/accounts/second-roots.ts'
import { decodeBase64, decodeUtf8 } from '../../src/base/bytes.ts'
import { Fault } from '../../src/base/fault.ts'
import { type LoginName, parseLoginName } from '../../src/base/names.ts'
import { allowed, denied } from '../../src/base/outcome.ts'
import { paths } from '../../src/base/paths.ts'
import type { ReadOnlyWorld } from '../../src/base/world.ts'
import type { JudgeKey, KeySource, Offer } from '../../src/ssh/select-keys-policy.ts'
import type { PublicKey } from '../../src/ssh/wire.ts'
import { type Ending, ended, type ReadingMode, usage } from '../run/mode.ts'

const limit = 1 << 20

export const mode: ReadingMode = {
  sources: (args) => {
    const user = isComplete(args) ? parseLoginName(args[0] ?? '') : undefined
    if (!user) return undefined
    const { service, administrator, portal } = filesOf(user)
    return [service, administrator, portal, paths.authorizedKeysChain, paths.hopPolicy]
  },
  run: async (args, world) => {
    const [name = '', type = '', blob, fingerprint] = args
    if (!isComplete(args)) return usage('AuthorizedKeysCommand /usr/sbin/ob keys %u %t %k %f')
    const user = parseLoginName(name)
    if (!user) return ended(denied('bad-login-name'))
    const hasHops = world.files.stat(paths.hopPolicy) !== undefined
    const { offer, key, problem } = await offerOf(blob, fingerprint)
    // Elsewhere keys of any kind are offered all day, and nobody vouches for one.
    if (problem !== undefined && hasHops)
      world.syslog('info', `the key that is offered for ${user} cannot be read: ${problem}`)
    const hop = hasHops && problem === undefined ? await hopOf(world, user, key) : undefined
    if (hop) return listed(isRefused(world, user) ? [] : hop)
    if (!offer) return ended(denied('no-keys'))
    const tokens = { u: user, t: type, k: blob ?? '', f: fingerprint ?? '' }
    const sources = await collect(world, user, () => chained(world, tokens))
    const lines = sources.length > 0 ? await select(world, sources, offer) : []
    return listed(lines.length > 0 && isRefused(world, user) ? [] : lines)
  },
}

const listed = (lines: readonly string[]): Ending =>
  lines.length > 0 ? ended(allowed('keys-listed'), `${lines.join('\n')}\n`) : ended(denied('no-keys'))

/** Looked up only for names that have a key here. */
function isRefused(world: ReadOnlyWorld, user: LoginName): boolean {
  if (!isSecondRoot(world, user)) return false
  world.syslog('warning', `no key counts for ${user}, a second name for root (uid 0)`)
  return true
}

// Loaded where hops are configured.
async function hopOf(world: ReadOnlyWorld, user: LoginName, key: PublicKey | undefined) {
  return (await import('../../src/bastion/offered.ts')).hopLines(world, user, key)
}

type Offered = {
  /** Undefined for what no source of keys can list. */
  readonly offer?: Offer
  readonly key?: PublicKey
  readonly problem?: string
}

/** sshd asks for one key at a time and need not read the others. */
async function offerOf(blob: string | undefined, fingerprint: string | undefined): Promise<Offered> {
  if (blob === undefined) return { offer: { kind: 'anything' } }
  const { parsePublicKey } = await import('../../src/ssh/wire.ts')
  const bytes = decodeBase64(blob)
  const key = bytes ? parsePublicKey(bytes) : { problem: 'not base64' }
  if ('problem' in key) return { problem: key.problem }
  if (fingerprint !== undefined && key.fingerprint !== fingerprint) return { problem: 'its fingerprint is another' }
  const { certificate } = key
  if (!certificate) return { key, offer: { kind: 'key', fingerprint: key.fingerprint } }
  const { principals, signatureKey } = certificate
  if (certificate.type === 'host') return { key }
  return { key, offer: { kind: 'certificate', authority: signatureKey.fingerprint, principals } }
}

const isComplete = (args: readonly string[]): boolean => args.length >= 1 && args.length <= 4

const filesOf = (user: LoginName) => ({
  service: `${paths.serviceKeys}/${user}.pub`,
  administrator: `${paths.authorizedKeys}/${user}`,
  portal: `${paths.exportedKeys}/${user}`,
})

type Chained = () => Promise<string | undefined>

/** Every source of keys of this user. A source that is unsafe or fails is left out and reported to syslog. */
async function collect(world: ReadOnlyWorld, user: LoginName, chain: Chained): Promise<readonly KeySource[]> {
  const file = (path: string) => (): string | undefined => {
    if (!world.files.stat(path)) return undefined
    const bytes = world.files.readTrusted(path, { limit, secret: false })
    return bytes && (decodeUtf8(bytes) ?? '')
  }
  const sources: KeySource[] = []
  const add = async (from: KeySource['from'], read: () => string | undefined | Promise<string | undefined>) => {
    try {
      const text = await read()
      if (text) sources.push({ from, text })
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      world.syslog('err', `${error.message}${error.hint === undefined ? '' : ` (${error.hint})`}`)
    }
  }
  const { service, administrator, portal } = filesOf(user)
  await add('root', file(service))
  await add('root', file(administrator))
  // Only the administrator of this host names keys of root.
  if (user === 'root') return sources
  await add('portal', file(portal))
  await add('chain', chain)
  return sources
}

async function chained(world: ReadOnlyWorld, tokens: { u: string; t: string; k: string; f: string }) {
  if (!world.files.stat(paths.authorizedKeysChain)) return undefined
  return (await import('../../src/ssh/chained-command.ts')).runChain(world, tokens)
}

// Loaded only for users with an entry here: sshd asks about every name.
async function select(world: ReadOnlyWorld, sources: readonly KeySource[], offer: Offer): Promise<readonly string[]> {
  const { selectKeys } = await import('../../src/ssh/select-keys-policy.ts')
  return selectKeys(sources, offer, await judgeOf(world))
}

// The session phase judges the proven key by the configuration itself; this spares sshd and the person the detour.
async function judgeOf(world: ReadOnlyWorld): Promise<JudgeKey> {
  // Most hosts leave no policy here, and need none of the code that reads it.
  if (!world.files.stat(paths.publicPolicy)) return () => true
  const { readPublicPolicy } = await import('../../src/ssh/published-keys.ts')
  const policy = readPublicPolicy(world)
  if (!policy?.keys.enabled) return () => true
  const { judgeKey } = await import('../../src/ssh/key-policy.ts')
  return (key) => judgeKey(policy.keys, key) === 'accepted'
}
