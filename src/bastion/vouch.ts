// Asks the portal to vouch for a user of this bastion who goes on to another host: for a bastion token, or for a
// certificate of the hop, as bastion_transport says and the portal offers.
import type { LoginName } from '../base/names.ts'
import { allowed, denied, type Outcome, unavailable } from '../base/outcome.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import type { HttpAnswer } from '../portal-client/http.ts'
import { noAnswer } from '../portal-client/no-answer.ts'
import type { NoAnswer } from '../portal-client/reply-format.ts'
import { parsePublicKeyLine } from '../ssh/wire.ts'
import { certificatePath, type HopGrant, parseHopGrant, tokenPath } from './portal-reply-format.ts'
import { parseClaims, parseToken } from './token-format.ts'
import type { VouchCall } from './vouch-format.ts'
import { readVoucher } from './vouchers.ts'

export type Vouched = {
  readonly outcome: Outcome
  readonly kind: 'token' | 'certificate' | 'refused'
  readonly text: string
  /** For the log: what the backend will write into its own. */
  readonly detail: string
}

export type VouchParts = {
  readonly world: Parts<'files' | 'now'>
  readonly config: Config
  /** A call with this host's token, answered as it may be. */
  readonly send: (path: string, body: object) => Promise<HttpAnswer | NoAnswer>
}

type Question = VouchCall & { readonly user: LoginName }

const refused = (outcome: Outcome, detail: string): Vouched => ({ outcome, kind: 'refused', text: '', detail })

export async function vouch(parts: VouchParts, question: Question): Promise<Vouched> {
  const { bastion_transport: transport } = parts.config
  if (transport === 'cert') return askCertificate(parts, question)
  const answer = await askToken(parts, question)
  return answer === 'absent' ? otherWay(parts, question) : answer
}

const otherWay = (parts: VouchParts, question: Question): Promise<Vouched> | Vouched =>
  parts.config.bastion_transport === 'auto'
    ? askCertificate(parts, question)
    : refused(unavailable('portal-garbled'), `the portal has no ${tokenPath}; set bastion_transport = cert`)

async function askToken({ config, send }: VouchParts, { user, host, key }: Question): Promise<Vouched | 'absent'> {
  const group = config.server_group === undefined ? {} : { bastion_group: config.server_group }
  const about = { user, target_host: host, target_group: config.hop_target_group, ...group }
  // RFC 7800: a portal that knows it binds the token to this key at once; others ignore it.
  const body = { ...about, cnf: { kid: key.fingerprint } }
  const grant = parseHopGrant(await send(tokenPath, body), tokenPath, 'bastion_jwt')
  if (grant.kind === 'absent') return 'absent'
  if (grant.kind !== 'given') return whyNot(grant)
  const parsed = parseToken(grant.text)
  const claims = 'problem' in parsed ? undefined : parseClaims(parsed.payload)
  if (claims?.user !== user || claims.targetHost !== host)
    return refused(unavailable('portal-garbled'), `${tokenPath}: the token is none, or about something else`)
  return { outcome: allowed('hop-vouched'), kind: 'token', text: grant.text, detail: `token ${claims.id}` }
}

async function askCertificate({ world, config, send }: VouchParts, { user, host, key }: Question): Promise<Vouched> {
  const voucher = readVoucher(world, user)
  if (!voucher) return refused(denied('hop-voucher'), 'no voucher of this login is kept, or it has expired')
  const public_key = `${key.type} ${key.blob.toBase64()}`
  const about = { user, target_host: host, target_group: config.hop_target_group }
  const answer = await send(certificatePath, { ...about, public_key, voucher: voucher.expose() })
  const grant = parseHopGrant(answer, certificatePath, 'certificate')
  if (grant.kind !== 'given') return whyNot(grant)
  const parsed = parsePublicKeyLine(grant.text)
  const certificate = 'problem' in parsed ? undefined : parsed.key.certificate
  if ('problem' in parsed || !certificate?.principals.includes(user) || parsed.key.fingerprint !== key.fingerprint)
    return refused(unavailable('portal-garbled'), `${certificatePath}: the certificate is none, or for something else`)
  const text = `${parsed.key.type} ${parsed.key.blob.toBase64()}`
  return {
    outcome: allowed('hop-vouched'),
    kind: 'certificate',
    text,
    detail: `certificate serial ${certificate.serial}`,
  }
}

function whyNot(grant: Exclude<HopGrant, { kind: 'given' }>): Vouched {
  switch (grant.kind) {
    case 'refused':
      return refused(denied('hop-denied'), grant.detail)
    case 'no-voucher':
      return refused(denied('hop-voucher'), grant.detail)
    case 'absent':
      return refused(unavailable('portal-garbled'), 'the portal does not vouch for hops; is its plugin active?')
    case 'unreachable':
    case 'out-of-order':
    case 'garbled':
    case 'refuses-host':
      return refused(noAnswer(grant), grant.detail)
  }
}
