// The rules of a backend about hops, as root leaves them for `ob keys` and `ob principals`, which run as a user who
// cannot read openbastion.conf. No secret is in it, and the session phase judges by the configuration itself.
import { flagMember, parseJsonObject, textMember, textsMember, wholeMember } from '../base/json.ts'

export type HopPolicy = {
  readonly issuers: readonly string[]
  readonly allowedBastions: readonly string[]
  readonly algorithms: readonly string[]
  readonly clockSkew: number
  /** Names and addresses of this host, in lower case. */
  readonly names: readonly string[]
  readonly groups: readonly string[]
  readonly required: boolean
  /** Accounts that need no hop. */
  readonly exempt: readonly string[]
  readonly permits: readonly string[]
  /** Addresses and networks that hops may come from; none means any. */
  readonly sources: readonly string[]
  readonly keysFile: string
  /** Seconds. */
  readonly keysMaxAge: number
}

/** The same text for the same rules, in whatever order their members were made: it is compared. */
export function formatHopPolicy(policy: HopPolicy): string {
  const { issuers, allowedBastions, algorithms, names, groups, exempt, permits, sources } = policy
  const { required, clockSkew, keysFile, keysMaxAge } = policy
  const lists = { issuers, allowedBastions, algorithms, names, groups, exempt, permits, sources }
  return `${JSON.stringify({ version: 1, ...lists, required, clockSkew, keysFile, keysMaxAge })}\n`
}

export function parseHopPolicy(text: string): HopPolicy | undefined {
  const object = parseJsonObject(text)
  if (object?.['version'] !== 1) return undefined
  const list = (name: string): readonly string[] | undefined => textsMember(object, name)
  const [issuers, allowedBastions, algorithms] = [list('issuers'), list('allowedBastions'), list('algorithms')]
  const [names, groups, exempt, permits] = [list('names'), list('groups'), list('exempt'), list('permits')]
  const sources = list('sources')
  const required = flagMember(object, 'required')
  const clockSkew = wholeMember(object, 'clockSkew')
  const keysMaxAge = wholeMember(object, 'keysMaxAge')
  const keysFile = textMember(object, 'keysFile')
  if (!issuers || !allowedBastions || !algorithms || !names || !groups || !exempt || !permits || !sources)
    return undefined
  if (required === undefined || clockSkew === undefined || keysMaxAge === undefined || !keysFile) return undefined
  const lists = { issuers, allowedBastions, algorithms, names, groups, exempt, permits, sources }
  return { ...lists, required, clockSkew, keysFile, keysMaxAge }
}

/** The name as it is compared: case, a final dot and the brackets of an address do not count. */
export const comparableName = (name: string): string =>
  name
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '')

/** An address of an issuer as it is compared: with or without a final slash. */
export const comparableIssuer = (issuer: string): string => issuer.replace(/\/$/, '')
