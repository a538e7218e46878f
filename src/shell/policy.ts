// Who a functional account turns into, and when it may. Pure. The person is whom root saw proven on this connection.
import { type LoginName, parseLoginName } from '../base/names.ts'
import { allowed, denied, type Outcome } from '../base/outcome.ts'
import { attributeExtensions } from '../ssh/certificate-format.ts'
import { optionText, type PublicKey } from '../ssh/wire.ts'

type EarlyFacts = {
  readonly phase: 'auth' | 'account' | 'open_session' | 'close_session'
  readonly ssh: boolean
  /** A typed one-time token may name the person (functional_logins). */
  readonly tokens: boolean
}

/** What is decided before anything is known about the person; undefined when a token or the session must say. */
export function decideFunctional({ phase, ssh, tokens }: EarlyFacts): Outcome | undefined {
  switch (phase) {
    case 'auth':
      return ssh && tokens ? undefined : denied('certificate-needed')
    case 'account':
      return ssh ? allowed('functional-account') : denied('functional-ssh-only')
    case 'open_session':
      return ssh ? undefined : denied('functional-ssh-only')
    case 'close_session':
      return allowed('session-closed')
  }
}

export type IdentifiedPerson =
  | { readonly kind: 'person'; readonly name: LoginName }
  | { readonly kind: 'refused'; readonly outcome: Outcome }

const refused = (outcome: Outcome): IdentifiedPerson => ({ kind: 'refused', outcome })

/**
 * The person that a proven certificate names: its first principal. A certificate with several names is good for each of
 * them anyway, so the choice gives nobody more.
 */
export function personOf(key: PublicKey | undefined, functional: readonly string[]): IdentifiedPerson {
  if (!key) return refused(denied('no-proof'))
  if (key.certificate?.type !== 'user') return refused(denied('certificate-needed'))
  return personNamed(key.certificate.principals[0] ?? '', functional)
}

/** The person of this name, whom a certificate or the portal named. */
export function personNamed(text: string, functional: readonly string[]): IdentifiedPerson {
  const name = parseLoginName(text)
  if (!name) return refused(denied('bad-login-name'))
  if (name === 'root' || functional.includes(name)) return refused(denied('person-refused'))
  return { kind: 'person', name }
}

/** What a certificate says of its person, as far as this host wants to hear it (cert_attributes). */
export type CertificateAttributes = { readonly gecos?: string; readonly groups?: readonly string[] }

export function attributesIn(key: PublicKey | undefined, wanted: readonly string[]): CertificateAttributes {
  const textOf = (name: keyof typeof attributeExtensions): string => {
    const value = wanted.includes(name) ? key?.certificate?.extensions.get(attributeExtensions[name]) : undefined
    return (value && optionText(value)) ?? ''
  }
  const [gecos, groups] = [textOf('gecos'), textOf('groups')]
  return { ...(gecos === '' ? {} : { gecos }), ...(groups === '' ? {} : { groups: groups.split(',').slice(0, 256) }) }
}

type Entry = { readonly gecos?: unknown; readonly groups?: readonly string[] }

/** The portal's word where it says something, the certificate's where it does not. */
export function completed<T extends Entry>(entry: T, { gecos, groups }: CertificateAttributes = {}): T & Entry {
  return {
    ...entry,
    ...(entry.gecos === undefined && gecos !== undefined ? { gecos } : {}),
    ...((entry.groups ?? []).length === 0 && groups !== undefined ? { groups } : {}),
  }
}
