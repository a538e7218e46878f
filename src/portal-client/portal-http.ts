// The HTTP client for the portal: every request to it is signed where request_signing_secret is set, whichever endpoint
// it goes to. What goes elsewhere (a list on another web server, keys of another issuer) is not.
import type { Parts } from '../base/world.ts'
import { type Config, hasPortal } from '../config/load.ts'
import { secretFor } from '../secrets/resolve.ts'
import { type Http, type HttpSettings, openHttp } from './http.ts'
import { makeNonce, signRequest } from './request-signature.ts'

export type PortalHttpWorld = Parts<'now' | 'random' | 'timeout' | 'fetch' | 'files' | 'keyring'>

export function openPortalHttp(world: PortalHttpWorld, config: Config, settings: HttpSettings = config): Http {
  const http = openHttp(world, settings)
  return async (request) => {
    const path = signedPath(config, request.url)
    const secret = path === undefined ? undefined : await secretFor(world, config, 'request_signing_secret')
    if (path === undefined || secret === undefined) return http(request)
    const { method, body } = request
    const now = world.now()
    const nonce = makeNonce(Math.floor(now * 1000), world.random(16))
    const signature = { secret: secret.expose(), method, path, body, seconds: Math.floor(now), nonce }
    return http({ ...request, headers: { ...request.headers, ...signRequest(signature) } })
  }
}

/**
 * What the signature says of the address: the part behind portal_url, as the C implementation signs it; for other
 * addresses of the same origin the whole path. Without a query. Undefined: not the portal's.
 */
export function signedPath(config: Pick<Config, 'portal_url'>, url: string): string | undefined {
  if (!hasPortal(config)) return undefined
  const [portal, asked] = [new URL(config.portal_url), new URL(url, config.portal_url)]
  if (asked.origin !== portal.origin) return undefined
  const base = portal.pathname.replace(/\/+$/, '')
  return asked.pathname.startsWith(`${base}/`) ? asked.pathname.slice(base.length) : asked.pathname
}
