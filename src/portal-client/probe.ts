// One question to the portal that needs no credentials: is it there, how fast, and what time has it.

import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import { skewOf } from './enrollment-policy.ts'
import { openPortalHttp, type PortalHttpWorld } from './portal-http.ts'

export type Probe = {
  /** Why there was no usable answer. */
  readonly problem: string | undefined
  readonly tookMs: number
  /** This host's clock minus the portal's, in seconds. */
  readonly skew: number | undefined
}

export async function probePortal(world: PortalHttpWorld & Parts<'monotonic'>, config: Config): Promise<Probe> {
  const startedAt = world.monotonic()
  const url = `${config.portal_url}/.well-known/openid-configuration`
  const answer = await openPortalHttp(world, config)({ method: 'GET', url, headers: {} })
  const tookMs = Math.round(world.monotonic() - startedAt)
  if (answer.kind !== 'answer') return { problem: answer.detail, tookMs, skew: undefined }
  return { problem: undefined, tookMs, skew: skewOf(answer.headers, world.now()) }
}

export const tlsFloor = (config: Config): string =>
  `TLS ${config.min_tls_version === 12 ? '1.2' : '1.3'} or later${
    config.cert_pin.length > 0 ? `, ${config.cert_pin.length} pin${config.cert_pin.length > 1 ? 's' : ''}` : ''
  }`
