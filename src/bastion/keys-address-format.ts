// Where the keys of an issuer are, as the issuer's own description says it (OpenID Connect Discovery 1.0 §3, jwks_uri).
import { parseJsonObject, textMember } from '../base/json.ts'

/** Undefined when it says nothing usable, or names another origin: whoever writes it must not send us elsewhere. */
export function parseKeysAddress(text: string, issuer: string): string | undefined {
  const object = parseJsonObject(text)
  const address = object && textMember(object, 'jwks_uri')
  if (address === undefined || !/^https:[!-~]{1,512}$/.test(address) || !URL.canParse(address)) return undefined
  const { origin, username, password, hash, href } = new URL(address)
  if (username !== '' || password !== '' || hash !== '' || origin !== new URL(issuer).origin) return undefined
  return href
}
