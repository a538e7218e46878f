// A certificate for a host. Its names are those under which the authority's administrator enrolled the key, never what
// the request says.
import { decodeUtf8 } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { parseFingerprint } from '../base/names.ts'
import { denied, type Outcome, unavailable } from '../base/outcome.ts'
import { paths } from '../base/paths.ts'
import type { Parts } from '../base/world.ts'
import {
  attachSignature,
  type CertificateBody,
  formatCertificateBody,
  formatKeyLine,
} from '../ssh/certificate-format.ts'
import type { PublicKey } from '../ssh/wire.ts'
import { type HostNames, parseHosts } from './hosts-format.ts'
import type { Ledger } from './ledger.ts'
import { toleranceSeconds } from './policy.ts'
import { type AskAgent, probeAgent, signWithAgent } from './signing.ts'

export type HostIssuing = Parts<'now' | 'random'> & {
  readonly ledger: Ledger
  readonly ask: AskAgent
  readonly signer: PublicKey
  readonly issuer: string
  readonly lifetimeSeconds: number
  readonly hosts: HostNames
}
export type HostIssued =
  | { readonly kind: 'issued'; readonly line: string; readonly body: CertificateBody }
  | { readonly kind: 'not'; readonly outcome: Outcome; readonly detail: string }

export function readHosts(world: Parts<'files'>): HostNames {
  const bytes = world.files.readTrusted(paths.caHosts, { limit: 16 << 20, secret: false })
  const hosts = bytes ? parseHosts(decodeUtf8(bytes) ?? '?') : new Map()
  if (!hosts) throw new Fault(`${paths.caHosts} has a line that is no fingerprint with names`)
  return hosts
}

export async function issueHostCertificate(parts: HostIssuing, key: PublicKey): Promise<HostIssued> {
  const { signer, ask } = parts
  const not = (outcome: Outcome, detail: string): HostIssued => ({ kind: 'not', outcome, detail })
  const [fingerprint, by] = [parseFingerprint(key.fingerprint), parseFingerprint(signer.fingerprint)]
  const names = fingerprint && parts.hosts.get(fingerprint)
  if (!fingerprint || !by || !names?.[0] || key.certificate) return not(denied('ca-unknown-host'), key.fingerprint)
  const agent = await probeAgent(ask, signer)
  if (agent.kind !== 'ready') return not(unavailable('ca-cannot-sign'), agent.detail)
  const now = Math.floor(parts.now())
  const validBefore = now + parts.lifetimeSeconds
  const serial = await parts.ledger.enter({ type: 'host', name: names[0], fingerprint, signer: by, validBefore })
  const body: CertificateBody = {
    key,
    nonce: parts.random(32),
    serial,
    type: 'host',
    keyId: `${names[0]}@${parts.issuer} ${serial}`,
    principals: names,
    validAfter: BigInt(now - toleranceSeconds),
    validBefore: BigInt(validBefore),
    criticalOptions: new Map(),
    extensions: new Map(),
    signatureKeyBlob: signer.blob,
  }
  const bytes = formatCertificateBody(body)
  const signed = await signWithAgent(ask, signer, bytes)
  if (signed.kind !== 'signed') return not(unavailable('ca-cannot-sign'), signed.detail)
  return { kind: 'issued', line: formatKeyLine(attachSignature(bytes, signed.signature), body.keyId), body }
}
