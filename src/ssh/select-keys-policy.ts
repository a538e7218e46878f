// Which authorized_keys lines a user gets for the key that a client offers. Every line is written anew from its parsed
// form, so no text that we did not understand reaches sshd.
import { orElse } from '../base/fault.ts'
import type { Fingerprint } from '../base/names.ts'
import {
  formatAuthorizedKeysLine,
  type KeyOption,
  parseAuthorizedKeysLine,
  parseKeyOptions,
} from './authorized-keys-format.ts'
import type { PublicKey } from './wire.ts'

/**
 * `root`: a file that only root writes. `chain`: the output of the administrator's other command. `portal`: what the
 * portal exported, which may hold keys and nothing else.
 */
export type KeySource = { readonly from: 'root' | 'chain' | 'portal'; readonly text: string }

/** The offer of the client, as far as sshd passes it on; without it every line is wanted. */
export type Offer =
  | { readonly kind: 'anything' }
  | { readonly kind: 'key'; readonly fingerprint: Fingerprint }
  | { readonly kind: 'certificate'; readonly authority: Fingerprint; readonly principals: readonly string[] }

export type JudgeKey = (key: PublicKey) => boolean

type Line = { readonly options: readonly KeyOption[]; readonly key: PublicKey; readonly text: string }

const portalLines = 32

export function selectKeys(sources: readonly KeySource[], offer: Offer, accepts: JudgeKey): readonly string[] {
  const lines: Line[] = []
  for (const source of sources) lines.push(...readSource(source).filter(({ key }) => accepts(key)))
  const wanted = lines.filter((line) => isWanted(line, offer))
  return [...new Set(wanted.map(({ text }) => text))]
}

/** The line written anew; undefined when no line can carry it safely. */
function formatLine(options: readonly KeyOption[], { type, blob }: PublicKey): string | undefined {
  return orElse(
    () => formatAuthorizedKeysLine(options, { type, base64: blob.toBase64() }),
    () => undefined,
  )
}

const nameOf = (option: KeyOption): string => (typeof option === 'string' ? option : option[0])
const isAuthority = ({ options }: Line): boolean => options.some((option) => nameOf(option) === 'cert-authority')

function isWanted(line: Line, offer: Offer): boolean {
  switch (offer.kind) {
    case 'anything':
      return true
    case 'key':
      return !isAuthority(line) && line.key.fingerprint === offer.fingerprint
    case 'certificate':
      // sshd before 10.3 takes a comma in a principal for two of them (CVE-2026-35414); no name is for anybody.
      return (
        isAuthority(line) &&
        line.key.fingerprint === offer.authority &&
        offer.principals.length > 0 &&
        !offer.principals.some((principal) => /[,\s"*?!]/.test(principal))
      )
  }
}

// A source that breaks its own rules counts as empty: half of an answer is not believed.
function readSource({ from, text }: KeySource): readonly Line[] {
  const lines: Line[] = []
  for (const raw of text.split('\n')) {
    const parsed = parseAuthorizedKeysLine(raw)
    if (parsed.kind === 'problem' && from === 'chain') return []
    if (parsed.kind !== 'key' || parsed.key.certificate) continue
    const options = parseKeyOptions(parsed.options ?? '')
    if ('problem' in options || !mayCarry(from, options)) continue
    const text = formatLine(options, parsed.key)
    if (text !== undefined) lines.push({ options, key: parsed.key, text })
  }
  return from === 'portal' ? lines.slice(0, portalLines) : lines
}

/**
 * Options that only take something away, or give back what `restrict` took. A line with any other is dropped whole:
 * without it, it might allow more.
 */
const restricting = new Set([
  ...['restrict', 'from', 'command', 'expiry-time', 'verify-required', 'permitopen', 'permitlisten'],
  ...['agent-forwarding', 'no-agent-forwarding', 'port-forwarding', 'no-port-forwarding'],
  ...['x11-forwarding', 'no-x11-forwarding'],
  ...['pty', 'no-pty', 'user-rc', 'no-user-rc'],
])

function mayCarry(from: KeySource['from'], options: readonly KeyOption[]): boolean {
  switch (from) {
    case 'root':
      return true
    case 'chain':
      return options.every((option) => restricting.has(nameOf(option)))
    case 'portal':
      return options.length === 0
  }
}
