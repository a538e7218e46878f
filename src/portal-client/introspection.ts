// Asks the portal about an access token that a person typed (RFC 7662). This host proves itself as a client, not with
// its server token.

import { Fault } from '../base/fault.ts'
import type { Secret } from '../base/secret.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import { openClientAuth } from './client-auth.ts'
import { discoverOnce } from './discovery.ts'
import { expectJson } from './endpoints.ts'
import { clockRemark, skewOf } from './enrollment-policy.ts'
import type { Http } from './http.ts'
import { type Introspection, parseIntrospection } from './introspection-format.ts'

export async function introspect(
  world: Parts<'now' | 'random' | 'files' | 'keyring'>,
  config: Config,
  http: Http,
  token: Secret,
): Promise<Introspection> {
  const auth = await openClientAuth(world, config)
  // RFC 7662 §2.1: the endpoint is not for everybody.
  if (auth.method === 'none')
    throw new Fault('oauth2_token_auth needs client_secret or client_key_file, and neither is set', {
      hint: 'set one of them as registered at the portal',
    })
  const discovered = await discoverOnce(world, config, http)
  if (discovered.kind === 'unreachable') return discovered
  const url = discovered.endpoints.introspection_endpoint
  const body = new URLSearchParams({ token: token.expose(), token_type_hint: 'access_token' })
  const headers = new Headers({ 'content-type': 'application/x-www-form-urlencoded;charset=UTF-8' })
  await auth.proofFor(url)({ issuer: config.portal_url }, auth.client, body, headers)
  const answer = await http({ method: 'POST', url, headers: Object.fromEntries(headers), body: body.toString() })
  const { pathname } = new URL(url)
  // RFC 6749 §5.2: a client that did not prove itself gets 401, from some portals 400.
  if (answer.kind === 'answer' && [400, 401, 403].includes(answer.status)) {
    const asked = `${pathname}: the portal refuses client ${auth.client.client_id} proven by ${auth.method}`
    const clock = clockRemark(skewOf(answer.headers, world.now()))
    const remark = clock === undefined ? '' : `; ${clock}`
    return { kind: 'refuses-host', detail: `${asked} (HTTP ${answer.status})${remark}` }
  }
  const reply = expectJson(answer, pathname)
  return reply.kind === 'json' ? parseIntrospection(reply.json, world.now()) : reply
}
