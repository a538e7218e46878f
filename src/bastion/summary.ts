// What `ob status` shows about hops: the id of this bastion, which backends need, and how old a backend's keys are.
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import type { HttpAnswer } from '../portal-client/http.ts'
import type { NoAnswer } from '../portal-client/reply-format.ts'
import { parseHopGrant, tokenPath } from './portal-reply-format.ts'
import { hasHops, policyOf, readKeys } from './rules.ts'

type Send = (path: string, body: object) => Promise<HttpAnswer | NoAnswer>

/** What the portal calls this host in its bastion tokens and certificates; undefined when it does not say. */
export async function bastionId(send: Send): Promise<string | undefined> {
  const grant = parseHopGrant(await send(tokenPath, { probe: true }), tokenPath, 'bastion_id')
  return grant.kind === 'given' && /^[\x21-\x7e]{1,255}$/.test(grant.text) ? grant.text : undefined
}

export type HopSummary = {
  readonly bastion?: { readonly id: string | undefined }
  /** Bastions that are allowed, and the age of the oldest keys in seconds; undefined when some are missing. */
  readonly backend?: { readonly bastions: number; readonly keysAge: number | undefined }
}

export async function summarizeHops(
  world: Parts<'files' | 'now' | 'hostname'>,
  config: Config,
  send: Send,
): Promise<HopSummary> {
  const bastions = config.bastion_jwt_allowed_bastions.length
  return {
    ...(config.serve_hops ? { bastion: { id: await bastionId(send) } } : {}),
    ...(hasHops(config) ? { backend: { bastions, keysAge: ageOf(world, config) } } : {}),
  }
}

function ageOf(world: Parts<'files' | 'now' | 'hostname'>, config: Config): number | undefined {
  const { issuers, keysFile } = policyOf(config, world.hostname())
  const sets = readKeys(world, keysFile)
  if (sets.length < issuers.length) return undefined
  return Math.max(...sets.map(({ fetchedAt }) => Math.max(0, Math.floor(world.now() - fetchedAt))))
}
