// What a certificate of this authority says: whom it names, for how long it is good, and what it allows. Pure.
import { sanitizeGecos } from '../accounts/passwd-fields-format.ts'
import type { LoginName } from '../base/names.ts'
import { attributeExtensions, type CertificateBody, optionValue } from '../ssh/certificate-format.ts'
import type { PublicKey } from '../ssh/wire.ts'

export type CertificateRules = {
  /** The name of the authority, in every key ID. */
  readonly issuer: string
  readonly lifetimeSeconds: number
  readonly principals: readonly string[]
  readonly extensions: readonly string[]
  readonly options: readonly string[]
  readonly attributes: readonly string[]
}

export type CertificateRequest = {
  readonly key: PublicKey
  readonly user: LoginName
  readonly groups: readonly string[]
  readonly gecos: string | undefined
  /** The address that the key was proven from. */
  readonly source: string | undefined
  readonly serial: bigint
  readonly now: number
  readonly nonce: Uint8Array
  readonly signer: PublicKey
}

/** A clock that is behind by less than this still takes a fresh certificate. Seconds. */
export const toleranceSeconds = 60

const flag = new Uint8Array()

// No user can have a name with a colon: a group never logs in as a user of the same name.
const principalsOf = ({ principals }: CertificateRules, { user, groups }: CertificateRequest): readonly string[] => [
  user,
  ...(principals.includes('groups') ? groups.filter(isPlain).map((group) => `group:${group}`) : []),
]

const isPlain = (group: string): boolean => /^[A-Za-z0-9._-]{1,64}$/.test(group)

function optionsOf({ options }: CertificateRules, { source }: CertificateRequest): ReadonlyMap<string, Uint8Array> {
  const chosen = new Map<string, Uint8Array>()
  if (options.includes('verify-required')) chosen.set('verify-required', flag)
  if (options.includes('source-address') && source !== undefined)
    chosen.set('source-address', optionValue(`${source}/${source.includes(':') ? 128 : 32}`))
  return chosen
}

function extensionsOf(rules: CertificateRules, request: CertificateRequest): ReadonlyMap<string, Uint8Array> {
  const chosen = new Map<string, Uint8Array>(rules.extensions.map((name) => [name, flag]))
  const gecos = sanitizeGecos(request.gecos ?? '')
  if (rules.attributes.includes('gecos') && gecos !== '') chosen.set(attributeExtensions.gecos, optionValue(gecos))
  const groups = request.groups.filter(isPlain)
  if (rules.attributes.includes('groups') && groups.length > 0)
    chosen.set(attributeExtensions.groups, optionValue(groups.join(',')))
  return chosen
}

/** The body of the certificate for this person and key. */
export const userCertificate = (rules: CertificateRules, request: CertificateRequest): CertificateBody => ({
  key: request.key,
  nonce: request.nonce,
  serial: request.serial,
  type: 'user',
  keyId: `${request.user}@${rules.issuer} ${request.serial}`,
  principals: principalsOf(rules, request),
  validAfter: BigInt(Math.floor(request.now) - toleranceSeconds),
  validBefore: BigInt(Math.floor(request.now) + rules.lifetimeSeconds),
  criticalOptions: optionsOf(rules, request),
  extensions: extensionsOf(rules, request),
  signatureKeyBlob: request.signer.blob,
})
