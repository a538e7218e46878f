// Which proven keys this host takes, by kind and by real size (the size is in the key; an algorithm name does not tell
// it).

export type KeyKind = 'rsa' | 'ed25519' | 'ecdsa' | 'sk' | 'dsa'

export type KeyPolicy = {
  readonly enabled: boolean
  /** As the configuration gives them: `all` and `fido2` are spelled out already. */
  readonly allowedTypes: readonly string[]
  readonly minRsaBits: number
  readonly minEcdsaBits: number
}

export type KeyVerdict = 'accepted' | 'type-refused' | 'too-small'

const kindOf: ReadonlyMap<string, KeyKind> = new Map<string, KeyKind>([
  ['ssh-rsa', 'rsa'],
  ['ssh-ed25519', 'ed25519'],
  ['ecdsa-sha2-nistp256', 'ecdsa'],
  ['ecdsa-sha2-nistp384', 'ecdsa'],
  ['ecdsa-sha2-nistp521', 'ecdsa'],
  ['sk-ssh-ed25519@openssh.com', 'sk'],
  ['sk-ecdsa-sha2-nistp256@openssh.com', 'sk'],
  ['ssh-dss', 'dsa'],
])

/** Is this key one of the allowed kinds, and large enough? A certificate is judged by the key in it. */
export function judgeKey(policy: KeyPolicy, key: { readonly plainType: string; readonly bits: number }): KeyVerdict {
  if (!policy.enabled) return 'accepted'
  const kind = kindOf.get(key.plainType)
  if (kind === undefined || !policy.allowedTypes.includes(kind)) return 'type-refused'
  if (kind === 'rsa' && key.bits < policy.minRsaBits) return 'too-small'
  if (key.plainType.includes('ecdsa') && key.bits < policy.minEcdsaBits) return 'too-small'
  return 'accepted'
}
