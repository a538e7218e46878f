// AuthorizedPrincipalsCommand: which names in a certificate of the portal's authority may log in as this user: the
// user's own. Asked before the key is proven and by an unprivileged user; changes nothing.
import { isSecondRoot } from '../../src/accounts/second-roots.ts'
import { decodeBase64, decodeBytewise } from '../../src/base/bytes.ts'
import { type LoginName, parseLoginName } from '../../src/base/names.ts'
import { denied } from '../../src/base/outcome.ts'
import { paths } from '../../src/base/paths.ts'
import type { Reason } from '../../src/base/reason.ts'
import type { ReadOnlyWorld } from '../../src/base/world.ts'
import { judgeKey } from '../../src/ssh/key-policy.ts'
import { decidePrincipal, personIn } from '../../src/ssh/principals-policy.ts'
import { hopKind } from '../../src/ssh/proof.ts'
import { readPublicPolicy } from '../../src/ssh/published-keys.ts'
import { type PublicKey, parsePublicKey } from '../../src/ssh/wire.ts'
import { ended, type ReadingMode, usage } from '../run/mode.ts'

export const mode: ReadingMode = {
  // It answers from its arguments, and is stricter where there are files.
  sources: () => undefined,
  run: async (args, world) => {
    if (args.length !== 5) return usage('AuthorizedPrincipalsCommand /usr/sbin/ob principals %u %i %s %f %k')
    const [name = '', keyId = '', serial = '', fingerprint = '', blob = ''] = args
    const user = parseLoginName(name)
    if (user && isSecondRoot(world, user)) return ended(denied('no-principal'))
    const policy = readPublicPolicy(world)
    const bytes = decodeBase64(blob)
    const key = bytes ? parsePublicKey(bytes) : { problem: 'not base64' }
    const names = 'problem' in key ? [] : (key.certificate?.principals ?? [])
    const functional = user !== undefined && !names.includes(user) && isFunctional(world, user)
    const hop = user && !('problem' in key) ? await judgeHop(world, user, key) : undefined
    const outcome = decidePrincipal({
      user,
      key,
      hop,
      functional,
      ids: { keyId, serial, fingerprint },
      accepted: policy === undefined || 'problem' in key || judgeKey(policy.keys, key) === 'accepted',
      stale: await isListStale(world, policy?.krlMaxAge ?? 0),
    })
    return ended(outcome, outcome.kind === 'allowed' ? `${functional ? personIn(names) : user}\n` : '')
  },
}

// Loaded for certificates that are for a hop.
async function judgeHop(
  world: ReadOnlyWorld,
  user: LoginName,
  { certificate }: PublicKey,
): Promise<Reason | undefined> {
  if (!certificate || hopKind(certificate) !== 'certificate') return undefined
  const { judgeHopCertificate } = await import('../../src/bastion/hop-certificate-policy.ts')
  const { readHopPolicy } = await import('../../src/bastion/rules.ts')
  return judgeHopCertificate(certificate, user, readHopPolicy(world))
}

/** Whether the login shell of this local account (passwd(5)) can do nothing but turn it into a person. */
function isFunctional(world: ReadOnlyWorld, user: LoginName): boolean {
  const text = decodeBytewise(world.files.read('/etc/passwd', 64 << 20) ?? new Uint8Array())
  const line = text.split('\n').find((one) => one.startsWith(`${user}:`))
  return line?.split(':')[6] === paths.functionalShell
}

async function isListStale(world: ReadOnlyWorld, maxAge: number): Promise<boolean> {
  if (maxAge === 0) return false
  const { isStale, readKrl } = await import('../../src/revocation/krl.ts')
  return isStale(readKrl(world), maxAge)
}
