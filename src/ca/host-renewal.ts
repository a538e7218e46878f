// The certificate of this host's own key: fetched with stock ssh from the authority that enrolled the host, which signs
// whatever key the connection proves under the names that it knows for it.
import { decodeUtf8 } from '../base/bytes.ts'
import { paths } from '../base/paths.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import { type PublicKey, parsePublicKeyLine } from '../ssh/wire.ts'

const privateKey = '/etc/ssh/ssh_host_ed25519_key'

type Host = Parts<'files' | 'spawn' | 'timeout' | 'now'>

/** A problem in words; undefined when nothing is wrong. */
export async function renewHostCertificate(world: Host, config: Config): Promise<string | undefined> {
  const from = config.host_certificate_from
  if (from === undefined) return undefined
  const own = keyIn(world, `${privateKey}.pub`)
  if (!own) return `${privateKey}.pub cannot be read, so this host has no certificate`
  const present = keyIn(world, paths.hostCertificate)
  if (present && isFresh(present, own, world.now())) return undefined
  const options = ['BatchMode=yes', 'StrictHostKeyChecking=yes', 'IdentitiesOnly=yes', 'CertificateFile=none']
  const argv = ['ssh', '-F', 'none', '-T', ...options.flatMap((one) => ['-o', one]), '-i', privateKey, from, 'host']
  const { code, stdout, stderr } = await world.spawn(argv, { signal: world.timeout(20), limit: 1 << 18 })
  if (code !== 0) return `${from} gives no certificate for this host: ${stderr.trim().split('\n').at(-1) ?? ''}`
  const parsed = parsePublicKeyLine(stdout)
  if ('problem' in parsed || !isGood(parsed.key, own, world.now()))
    return `${from} answered with no certificate for the key of this host`
  world.files.makeDirectory(paths.state, 0o711)
  world.files.writeAtomic(paths.hostCertificate, stdout, { mode: 0o644 })
  // OpenSSH 9.8 and later read certificates when they start; before, at every connection.
  if (world.files.stat('/run/systemd/system'))
    await world.spawn(['systemctl', 'reload', 'ssh.service'], { signal: world.timeout(10) })
  return undefined
}

function keyIn(world: Host, path: string): PublicKey | undefined {
  const bytes = world.files.read(path, 1 << 18)
  const parsed = bytes && parsePublicKeyLine(decodeUtf8(bytes) ?? '')
  return parsed && !('problem' in parsed) ? parsed.key : undefined
}

const isGood = ({ certificate, fingerprint }: PublicKey, own: PublicKey, now: number): boolean =>
  certificate?.type === 'host' && fingerprint === own.fingerprint && certificate.validBefore > BigInt(Math.floor(now))

/** A third of its time is left. */
function isFresh(key: PublicKey, own: PublicKey, now: number): boolean {
  if (!isGood(key, own, now) || !key.certificate) return false
  const { validAfter, validBefore } = key.certificate
  return Number(validBefore) - now > Number(validBefore - validAfter) / 3
}
