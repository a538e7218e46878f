// What the service has in hand while it runs: made once, handed to whoever answers a request.

import type { Database } from '../base/database.ts'
import type { Parts } from '../base/world.ts'
import type { Audit } from './audit-format.ts'
import type { Metrics } from './metrics.ts'
import type { Provider } from './oidc.ts'
import type { PortalConfig } from './settings.ts'
import type { BrowserKey } from './tokens.ts'

export type ServiceContext = Parts<'now' | 'random'> & {
  readonly config: PortalConfig
  readonly database: Database
  readonly providers: ReadonlyMap<string, Provider>
  readonly browserKey: BrowserKey
  readonly audit: Audit
  readonly metrics: Metrics
  readonly limits: Limits
}

/** Whether one more is allowed now. */
export type Limits = {
  readonly starts: { readonly take: (key: string) => boolean }
  readonly strangers: { readonly take: (key: string) => boolean }
  readonly signIns: { readonly take: (key: string) => boolean }
}

/** What the process knows of a request besides its text. */
export type Caller = {
  /** Address of the browser or host; empty when it is not known. */
  readonly address: string
}
