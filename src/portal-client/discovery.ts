// Asks the portal where its OAuth endpoints are. Without a usable answer they are where LemonLDAP::NG puts them.

import { decodeUtf8 } from '../base/bytes.ts'
import { Fault, orElse } from '../base/fault.ts'
import { paths } from '../base/paths.ts'
import { dirname } from '../base/text.ts'
import type { Parts } from '../base/world.ts'
import { type Config, hasPortal, noPortal } from '../config/load.ts'
import { defaultEndpoints, type Endpoints, parseDiscovery } from './discovery-format.ts'
import type { Http } from './http.ts'

export type Discovered =
  | { readonly kind: 'found'; readonly endpoints: Endpoints; readonly document: string | undefined }
  | { readonly kind: 'unreachable'; readonly detail: string }

/** OpenID Connect Discovery 1.0 §4, then RFC 8414 §3. */
export async function discover(config: Config, http: Http): Promise<Discovered> {
  if (!hasPortal(config)) throw noPortal()
  const { origin, pathname } = new URL(config.portal_url)
  const metadata = `${origin}/.well-known/oauth-authorization-server${pathname === '/' ? '' : pathname}`
  for (const url of [`${config.portal_url}/.well-known/openid-configuration`, metadata]) {
    const answer = await http({ method: 'GET', url, headers: {} })
    if (answer.kind === 'unreachable') return answer
    if (answer.kind !== 'answer' || answer.status !== 200) continue
    const endpoints = believed(answer.text, config, url)
    if (endpoints) return { kind: 'found', endpoints, document: answer.text }
  }
  return { kind: 'found', endpoints: defaultEndpoints(config.portal_url), document: undefined }
}

function believed(text: string, config: Config, url: string): Endpoints | undefined {
  const parsed = parseDiscovery(text, config.portal_url)
  if (parsed && 'problem' in parsed)
    throw new Fault(`${url}: ${parsed.problem}`, {
      hint: 'set portal_url to the address that the portal itself goes by, or correct its OpenID Connect settings',
    })
  return parsed
}

/** A document is asked for again after so many seconds. */
const keptSeconds = 3600

/** As discover, with a copy of the document in /run, so that a login asks one question and not two. */
export async function discoverOnce(world: Parts<'now' | 'files'>, config: Config, http: Http): Promise<Discovered> {
  const facts = world.files.stat(paths.discovery)
  if (facts && Math.abs(world.now() - facts.modifiedAt) < keptSeconds) {
    const bytes = world.files.readTrusted(paths.discovery, { limit: 1 << 20, secret: true })
    const [portal, document] = split((bytes && decodeUtf8(bytes)) ?? '')
    if (portal === config.portal_url) {
      if (document === '') return { kind: 'found', endpoints: defaultEndpoints(portal), document: undefined }
      const endpoints = believed(document, config, paths.discovery)
      if (endpoints) return { kind: 'found', endpoints, document }
    }
  }
  const found = await discover(config, http)
  if (found.kind === 'found') keep(world, `${config.portal_url}\n${found.document ?? ''}`)
  return found
}

const split = (text: string): readonly [string, string] => {
  const end = text.indexOf('\n')
  return end < 0 ? ['', ''] : [text.slice(0, end), text.slice(end + 1)]
}

function keep(world: Parts<'files'>, text: string): void {
  orElse(
    () => {
      world.files.makeDirectory(dirname(paths.discovery), 0o755)
      world.files.writeAtomic(paths.discovery, text, { mode: 0o600 })
    },
    // A copy is a convenience: without it the portal is asked each time.
    () => undefined,
  )
}
