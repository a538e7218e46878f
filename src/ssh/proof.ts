// The proof of a connection, by sshd's word, and whether this host accepts that key.
import type { Fingerprint } from '../base/names.ts'
import type { Reason } from '../base/reason.ts'
import type { KeyPolicy, KeyVerdict } from './key-policy.ts'
import type { Certificate, PublicKey } from './wire.ts'

/** The proof by sshd's word. Without a key: a password or a keyboard-interactive answer. */
export type Proof =
  | {
      readonly kind: 'key'
      readonly fingerprint: Fingerprint
      readonly certificate: boolean
      readonly judged: KeyVerdict | 'krl-stale'
      /** For the log: serial and key ID of a certificate. */
      readonly about?: string
      /** Present for a certificate that was made for a hop. */
      readonly hop?: Hop | undefined
    }
  | { readonly kind: 'no-key' }
  | { readonly kind: 'unreadable' }

/** Which logins the portal is asked about together with the key (fingerprint_binding). */
export type Binding = 'certificates' | 'always' | 'never'

/** The fingerprint that this host's configuration binds the login to, if any. */
export function boundFingerprint(proof: Proof, binding: Binding): Fingerprint | undefined {
  if (proof.kind !== 'key' || binding === 'never') return undefined
  // The portal knows the bastion token and not the key that lives for one hop.
  if (proof.hop?.kind === 'vouched' && proof.hop.by === 'token') return undefined
  return proof.certificate || binding === 'always' ? proof.fingerprint : undefined
}

export type ProofSource = {
  /** SSH_AUTH_INFO_0 and SSH_CONNECTION of PAM's environment (sshd(8)). */
  readonly authInfo: string | undefined
  readonly connection: string | undefined
  /** Before the session phase sshd lists only the methods before the last one. */
  readonly isSession: boolean
  readonly policy: KeyPolicy
  /** Whether the revocation list is too old to believe any certificate (krl_max_age). */
  readonly isRevocationListStale: () => Promise<boolean>
  /** What a certificate for a hop is worth; asked in the session phase only, where it is proven. */
  readonly judgeHop: (key: PublicKey) => Promise<Hop | undefined>
}

/** Reads and judges the proof. The parsers are loaded only where a key was used. */
export async function readProof(source: ProofSource): Promise<Proof> {
  const { authInfo: text, isSession, policy } = source
  if (text === undefined) return source.connection === undefined ? { kind: 'no-key' } : { kind: 'unreadable' }
  if (text === '') return { kind: isSession ? 'unreadable' : 'no-key' }
  const [{ parseAuthInfo }, { judgeKey }] = await Promise.all([
    import('./auth-info-format.ts'),
    import('./key-policy.ts'),
  ])
  const info = parseAuthInfo(text)
  if ('problem' in info) return { kind: 'unreadable' }
  const keys = info.methods.flatMap(({ key }) => (key ? [key] : []))
  const key = keys.find(({ certificate }) => certificate) ?? keys[0]
  if (!key) return { kind: 'no-key' }
  const refused = keys.map((one) => judgeKey(policy, one)).find((verdict) => verdict !== 'accepted')
  const { fingerprint, certificate } = key
  if (!certificate) return { kind: 'key', fingerprint, certificate: false, judged: refused ?? 'accepted' }
  const judged = refused ?? ((await source.isRevocationListStale()) ? 'krl-stale' : 'accepted')
  const about = `certificate serial ${certificate.serial} ID "${certificate.keyId.slice(0, 128)}"`
  const hop = isSession && hopKind(certificate) ? await source.judgeHop(key) : undefined
  return { kind: 'key', fingerprint, certificate: true, judged, about, hop }
}

/** Whether a portal vouches for this connection, by a bastion token or by a certificate for the hop. */
export type Hop =
  | { readonly kind: 'vouched'; readonly by: 'token' | 'certificate'; readonly about: string }
  | { readonly kind: 'refused'; readonly reason: Reason }

/** Under this name a bastion token lies in a certificate. */
export const carrierExtension = 'bastion-jwt@openbastion.io'

/** What kind of proof of a hop this certificate claims to be; undefined for every other certificate. */
export function hopKind({ keyId, extensions, criticalOptions }: Certificate): 'token' | 'certificate' | undefined {
  if (extensions.has(carrierExtension) || criticalOptions.has(carrierExtension)) return 'token'
  return /^\s*bastion=/i.test(keyId) ? 'certificate' : undefined
}
