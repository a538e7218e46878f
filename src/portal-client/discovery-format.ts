// The description that a portal gives of its OAuth endpoints (RFC 8414, OpenID Connect Discovery 1.0). Its lists of
// methods and grants are not believed: a LemonLDAP::NG portal leaves out what it does accept.
import * as v from 'valibot'

export type Endpoints = {
  readonly device_authorization_endpoint: string
  readonly token_endpoint: string
  readonly introspection_endpoint: string
}

export type EndpointName = keyof Endpoints

const names = ['device_authorization_endpoint', 'token_endpoint', 'introspection_endpoint'] as const

/** Where a LemonLDAP::NG portal has them. */
export const defaultEndpoints = (portalUrl: string): Endpoints => ({
  device_authorization_endpoint: `${portalUrl}/oauth2/device`,
  token_endpoint: `${portalUrl}/oauth2/token`,
  introspection_endpoint: `${portalUrl}/oauth2/introspect`,
})

/** The document, as far as it can be believed: endpoints named in it, the usual ones for the rest. */
export function parseDiscovery(text: string, portalUrl: string): Endpoints | { readonly problem: string } | undefined {
  const member = v.optional(v.string())
  const document = v.object({
    issuer: v.string(),
    device_authorization_endpoint: member,
    token_endpoint: member,
    introspection_endpoint: member,
  })
  const read = v.safeParse(v.pipe(v.string(), v.parseJson(), document), text)
  if (!read.success) return undefined
  const found: Record<EndpointName, string> = { ...defaultEndpoints(portalUrl) }
  for (const name of names) {
    const named = read.output[name]
    if (named === undefined) continue
    if (!belongs(named, portalUrl)) return { problem: `${name} is not at ${new URL(portalUrl).origin}` }
    found[name] = named
  }
  return found
}

// The author of the document must not be able to send our proofs elsewhere.
function belongs(address: string, portalUrl: string): boolean {
  if (!URL.canParse(address) || !/^[!-~]{1,512}$/.test(address)) return false
  const { origin, username, password, hash } = new URL(address)
  if (username !== '' || password !== '' || hash !== '') return false
  // The origin says https too, as portal_url does.
  return origin === new URL(portalUrl).origin
}
