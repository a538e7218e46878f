// What `ob keys` says where hops are configured. For a certificate that carries a bastion token it prints the line of
// this very key as its own authority, for this user alone, with what the configuration permits; sshd proves the key.
import { Fault } from '../base/fault.ts'
import type { LoginName } from '../base/names.ts'
import type { ReadOnlyWorld } from '../base/world.ts'
import { formatAuthorizedKeysLine } from '../ssh/authorized-keys-format.ts'
import { hopKind } from '../ssh/proof.ts'
import type { PublicKey } from '../ssh/wire.ts'
import type { HopPolicy } from './policy-format.ts'
import { readHopPolicy, readKeys } from './rules.ts'

/** The only lines that count, or undefined when the other sources of keys are to be asked. */
export async function hopLines(
  world: ReadOnlyWorld,
  user: LoginName,
  key: PublicKey | undefined,
): Promise<readonly string[] | undefined> {
  const policy = readHopPolicy(world)
  if (!policy) return undefined
  const mustHop = policy.required && !policy.exempt.includes(user)
  const carries = key?.certificate !== undefined && hopKind(key.certificate) === 'token'
  if (!key || !carries) return mustHop ? [] : undefined
  // The session phase refuses root as well; root comes in by root's own keys.
  if (user === 'root') return []
  return offeredLine(world, policy, { key, user })
}

async function offeredLine(
  world: ReadOnlyWorld,
  policy: HopPolicy,
  { key, user }: { readonly key: PublicKey; readonly user: LoginName },
): Promise<readonly string[]> {
  // Loaded for a certificate that carries a token: other keys need no JWT.
  const { verifyCarrier } = await import('./token.ts')
  const verdict = await verifyCarrier(key, { user, policy, keys: keysOf(world, policy), now: world.now() })
  if (verdict.kind === 'refused') {
    world.syslog('info', `the hop of ${user} is refused: ${verdict.reason}`)
    return []
  }
  const base64 = key.plainBlob.toBase64()
  const from = policy.sources.length > 0 ? [['from', policy.sources.join(',')] as const] : []
  const options = ['cert-authority', 'restrict', ...policy.permits, ...from, ['principals', user] as const]
  return [formatAuthorizedKeysLine(options, { type: key.plainType, base64 })]
}

function keysOf(world: ReadOnlyWorld, policy: HopPolicy) {
  try {
    return readKeys(world, policy.keysFile)
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    world.syslog('err', error.message)
    return []
  }
}
