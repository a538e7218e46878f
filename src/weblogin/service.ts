// What a host needs of the service of a web login: one port, and a driver for each kind of service behind it.
import type { Fingerprint, LoginName } from '../base/names.ts'

/** Who logged in, in the words of the service. */
export type Confirmed = {
  readonly user: string
  readonly subject: string
  readonly issuer: string
  readonly groups: readonly string[]
  readonly acr?: string
  /** Epoch seconds. */
  readonly authTime?: number
  /** Epoch seconds: until then the service answers `approved` about the same user, address and key. */
  readonly approvalExpiresAt?: number
}

/** No usable answer. None of these lets anybody in. */
export type NoService = { readonly kind: 'unreachable' | 'garbled' | 'refuses-host'; readonly detail: string }

export type StartRequest = {
  readonly user: LoginName
  /** What a portal would be asked about: sshd, sudo, or as service_map says. */
  readonly service: string
  readonly rhost: string | undefined
  readonly key: ProvenKey | undefined
  /** How old an approval may be; 0: none is wanted. */
  readonly approvalSeconds: number
}

export type ProvenKey = { readonly type: string; readonly fingerprint: Fingerprint }

export type Started =
  | { readonly kind: 'started'; readonly session: string; readonly url: string; readonly secondsLeft: number }
  | { readonly kind: 'approved'; readonly confirmed: Confirmed }
  /** The service lets nobody of this name log in here. */
  | { readonly kind: 'refused' }
  | NoService

export type Checked =
  | { readonly kind: 'confirmed'; readonly confirmed: Confirmed }
  | { readonly kind: 'wrong'; readonly triesLeft: number }
  | { readonly kind: 'pending' | 'expired' | 'refused' }
  | NoService

export type Approval = { readonly kind: 'none' } | { readonly kind: 'found'; readonly confirmed: Confirmed } | NoService

export type WebService = {
  readonly start: (request: StartRequest) => Promise<Started>
  /** `triesLeft` is for a service that does not count them itself. */
  readonly check: (session: string, code: string, triesLeft: number) => Promise<Checked>
  readonly countsTries: boolean
  /** Whether the service keeps approvals itself; otherwise this host does. */
  readonly keepsApprovals: boolean
}
