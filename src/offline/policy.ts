// When the portal gives no answer: may an earlier answer be used? Only an outage comes here; a denial, a refused
// certificate or an unusable answer of the plugin never does.

import type { Fingerprint } from '../base/names.ts'
import { denied, type Outcome, unavailable } from '../base/outcome.ts'
import type { OutageReason } from '../portal-client/no-answer.ts'
import type { Granted } from '../portal-client/reply-format.ts'

/** The entry of the user in the authorization cache of this host. */
export type Cached =
  | {
      readonly kind: 'hit'
      readonly authorization: Granted
      readonly ageSeconds: number
      /** Keys that the portal accepted together with this answer. */
      readonly fingerprints: readonly Fingerprint[]
    }
  | { readonly kind: 'miss' | 'expired' | 'tampered' | 'unreadable' | 'limited'; readonly detail: string }

export type OfflinePolicy = {
  /** auth_cache_enabled */
  readonly cacheEnabled: boolean
  /** Longest age for a service where much is at stake (high_risk_services), in seconds; undefined for all others. */
  readonly highRiskSeconds: number | undefined
}

/** `host-refused`: the portal refused this host and has not accepted it since, so nothing cached counts. */
export type ForceOnline = 'listed' | 'free' | 'host-refused'

export type OfflineFacts = {
  readonly offline: OfflinePolicy
  readonly forceOnline?: ForceOnline
  readonly cached?: Cached
}

export type OfflineQuestion = 'forceOnline' | 'cached'

/** The next question, the end, or the answer of an earlier day that may stand in for today's. */
export type OfflineStep =
  | { readonly ask: OfflineQuestion }
  | { readonly end: Outcome }
  | { readonly use: Cached & { kind: 'hit' } }

export function decideOffline({ offline, forceOnline, cached }: OfflineFacts, outage: OutageReason): OfflineStep {
  if (!offline.cacheEnabled) return { end: unavailable(outage) }
  if (!forceOnline) return { ask: 'forceOnline' }
  if (forceOnline === 'host-refused') return { end: unavailable('portal-refuses-host') }
  if (forceOnline === 'listed') return { end: unavailable('online-only') }
  if (!cached) return { ask: 'cached' }
  switch (cached.kind) {
    case 'hit':
      return offline.highRiskSeconds !== undefined && cached.ageSeconds > offline.highRiskSeconds
        ? { end: unavailable('cache-too-old') }
        : { use: cached }
    case 'miss':
    case 'expired':
    case 'unreadable':
      return { end: unavailable(outage) }
    case 'limited':
      return { end: unavailable('cache-limited') }
    case 'tampered':
      return { end: denied('cache-tampered') }
  }
}
