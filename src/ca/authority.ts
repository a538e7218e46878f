// Makes the authority and changes its keys. ssh-keygen makes the keys as the agent's user, and ssh-add gives them to
// the agent as that user: this program sees the public halves.
import { decodeUtf8 } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import { formatKeyLine } from '../ssh/certificate-format.ts'
import { type PublicKey, parsePublicKeyLine } from '../ssh/wire.ts'
import { agentDirectory, agentUnit, agentUser } from './agent-unit.ts'
import type { LedgerEntry } from './ledger-format.ts'
import { type AskAgent, probeAgent, readAuthorityKeys } from './signing.ts'

export type Kind = 'user' | 'host'
type Host = Parts<'files' | 'spawn' | 'timeout'>

export const keysFile = (config: Config, kind: Kind): string =>
  kind === 'user' ? config.ca_public_keys : config.ca_host_public_keys

async function must(world: Host, argv: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await world.spawn(argv, { signal: world.timeout(30), limit: 1 << 20 })
  if (code !== 0) throw new Fault(`${argv.join(' ')} ended with ${code}: ${stderr.split('\n')[0]?.slice(0, 200) ?? ''}`)
  return stdout
}

const asAgent = ['setpriv', `--reuid=${agentUser}`, `--regid=${agentUser}`, '--clear-groups', '--']

/** A system account; true when it was made now. */
export async function ensureAccount(world: Host, name: string, shell: string): Promise<boolean> {
  const { code } = await world.spawn(['getent', 'passwd', name], { signal: world.timeout(5) })
  if (code === 0) return false
  await must(world, ['useradd', '--system', '--user-group', '--home-dir', '/', '--shell', shell, name])
  return true
}

/** The public half of a new key, whose private half only the agent's user can read. */
export async function makeKey(world: Host, config: Config, kind: Kind): Promise<PublicKey> {
  await must(world, ['install', '-d', '-o', agentUser, '-g', agentUser, '-m', '0700', agentDirectory])
  let number = 1
  while (world.files.stat(`${agentDirectory}/${kind}-${number}.key`)) number++
  const path = `${agentDirectory}/${kind}-${number}.key`
  const comment = `${config.ca_name ?? 'authority'} ${kind} ${number}`
  await must(world, [...asAgent, 'ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', comment, '-f', path])
  return readPublicKey(world, `${path}.pub`)
}

export function readPublicKey(world: Parts<'files'>, path: string): PublicKey {
  const bytes = world.files.read(path, 1 << 16)
  const parsed = parsePublicKeyLine((bytes && decodeUtf8(bytes)) ?? '')
  if ('problem' in parsed || parsed.key.certificate) throw new Fault(`${path} holds no plain public key`)
  return parsed.key
}

/** Writes the list of public keys; the first signs. */
export function writeKeys(world: Parts<'files'>, config: Config, kind: Kind, keys: readonly PublicKey[]): void {
  const path = keysFile(config, kind)
  const name = config.ca_name ?? 'authority'
  const text = keys
    .map((key, at) => `${formatKeyLine(key.blob, `${name} ${at === 0 ? 'signs' : 'trusted'}`)}\n`)
    .join('')
  world.files.makeDirectory(path.slice(0, path.lastIndexOf('/')), 0o755)
  world.files.writeAtomic(path, text, { mode: 0o644 })
}

/** Gives the agent every key of its directory; false when no agent runs. */
export async function loadAgent(world: Host, config: Config): Promise<boolean> {
  if (world.files.stat(config.ca_agent) === undefined) return false
  const names = (await must(world, ['ls', agentDirectory])).split('\n').filter((name) => name.endsWith('.key'))
  const socket = `SSH_AUTH_SOCK=${config.ca_agent}`
  for (const name of names) await must(world, [...asAgent, 'env', socket, 'ssh-add', '-q', `${agentDirectory}/${name}`])
  return true
}

const unitPlaces = ['/etc/systemd/system', '/usr/lib/systemd/system', '/lib/systemd/system']

/** The unit of the agent; true when it was written now. */
export function ensureUnit(world: Parts<'files'>): boolean {
  const name = 'ob-ca-agent.service'
  if (unitPlaces.some((place) => world.files.stat(`${place}/${name}`))) return false
  world.files.makeDirectory('/etc/systemd/system', 0o755)
  world.files.writeAtomic(`/etc/systemd/system/${name}`, agentUnit, { mode: 0o644 })
  return true
}

/** A second key, which is trusted and does not sign yet: hosts have to learn it first. */
export async function prepareRotation(world: Host, config: Config, kind: Kind): Promise<PublicKey> {
  const present = readAuthorityKeys(world, keysFile(config, kind))
  if (present.length > 1)
    throw new Fault('a rotation has begun already', { hint: 'ob ca rotate --activate, and later --finish' })
  const next = await makeKey(world, config, kind)
  writeKeys(world, config, kind, [...present, next])
  await loadAgent(world, config)
  return next
}

/** The second key signs from now on; the first stays trusted. */
export async function activateRotation(world: Host, config: Config, kind: Kind, ask: AskAgent): Promise<PublicKey> {
  const [present, next, ...more] = readAuthorityKeys(world, keysFile(config, kind))
  if (!present || !next) throw new Fault('there is no second key', { hint: 'ob ca rotate makes one' })
  const agent = await probeAgent(ask, next)
  if (agent.kind !== 'ready') throw new Fault(agent.detail, { hint: 'systemctl restart ob-ca-agent' })
  writeKeys(world, config, kind, [next, present, ...more])
  return next
}

/** Only the key that signs stays. Refused while a certificate of another one is still good. */
export function finishRotation(
  world: Parts<'files' | 'now'>,
  config: Config,
  kind: Kind,
  entries: readonly LedgerEntry[],
): PublicKey {
  const [signer, ...old] = readAuthorityKeys(world, keysFile(config, kind))
  if (!signer || old.length === 0) throw new Fault('no rotation has begun', { hint: 'ob ca rotate begins one' })
  const last = Math.max(
    0,
    ...entries.filter((one) => one.type === kind && one.signer !== signer.fingerprint).map((one) => one.validBefore),
  )
  if (last > world.now())
    throw new Fault(`a certificate of the old key is good until ${new Date(last * 1000).toISOString()}`, {
      hint: 'ob ca list shows them; wait, or revoke them first',
    })
  writeKeys(world, config, kind, [signer])
  return signer
}
