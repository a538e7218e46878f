// One certificate for one person: the proven key is judged, the token redeemed, the portal asked, and the agent signs.
// The order matters: what costs nothing comes first, and a token is not spent while the authority cannot sign.
import { type Fingerprint, type LoginName, parseFingerprint, parseLoginName } from '../base/names.ts'
import { denied, type Outcome, unavailable } from '../base/outcome.ts'
import { askedService, type ServiceMap } from '../base/pam-service.ts'
import type { Secret } from '../base/secret.ts'
import type { Parts } from '../base/world.ts'
import type { Lockouts } from '../lockout/counters.ts'
import { lockoutKey } from '../lockout/state-format.ts'
import type { UsedTokens } from '../lockout/used-tokens.ts'
import type { Portal } from '../portal-client/endpoints.ts'
import { noAnswer } from '../portal-client/no-answer.ts'
import {
  attachSignature,
  type CertificateBody,
  formatCertificateBody,
  formatKeyLine,
} from '../ssh/certificate-format.ts'
import { judgeKey, type KeyPolicy } from '../ssh/key-policy.ts'
import { type PublicKey, parsePublicKey } from '../ssh/wire.ts'
import type { Ledger } from './ledger.ts'
import { type CertificateRules, userCertificate } from './policy.ts'
import { type AskAgent, probeAgent, signWithAgent } from './signing.ts'

/** What the portal is asked about, by way of service_map. */
export const caService = 'ssh-ca'

export type Issuing = Parts<'now' | 'random'> & {
  readonly portal: Pick<Portal, 'verify' | 'authorize'>
  readonly usedTokens: UsedTokens
  readonly lockouts: Lockouts
  readonly ledger: Ledger
  readonly ask: AskAgent
  readonly signer: PublicKey
  readonly rules: CertificateRules
  readonly keyPolicy: KeyPolicy
  readonly serviceMap: ServiceMap
  /** Why this name or key never gets a certificate here, if it does not: root, local accounts, what was revoked. */
  readonly refusalOf: (user: LoginName, key: PublicKey) => Promise<Outcome | undefined>
}
export type Applicant = {
  readonly token: Secret
  /** The key that sshd saw proven. */
  readonly blob: Uint8Array
  readonly source: string | undefined
}
export type Issued =
  | {
      readonly kind: 'issued'
      readonly line: string
      readonly body: CertificateBody
      readonly user: LoginName
      readonly fingerprint: Fingerprint
    }
  | { readonly kind: 'not'; readonly outcome: Outcome; readonly user?: LoginName; readonly detail?: string }

const not = (outcome: Outcome, more: { readonly user?: LoginName; readonly detail?: string } = {}): Issued => ({
  kind: 'not',
  outcome,
  ...more,
})

export async function issueCertificate(parts: Issuing, applicant: Applicant): Promise<Issued> {
  const key = parsePublicKey(applicant.blob)
  if ('problem' in key) return not(denied('key-policy'), { detail: key.problem })
  if (key.certificate) return not(denied('ca-not-a-plain-key'))
  const verdict = judgeKey(parts.keyPolicy, key)
  if (verdict !== 'accepted' || key.plainType === 'ssh-dss')
    return not(denied('key-policy'), { detail: `${key.plainType}, ${key.bits} bits` })
  const agent = await probeAgent(parts.ask, parts.signer)
  if (agent.kind !== 'ready') return not(unavailable('ca-cannot-sign'), { detail: agent.detail })
  const redeemed = await redeem(parts, applicant, key)
  if (redeemed.kind === 'not') return redeemed
  const { user } = redeemed
  const service = askedService(caService, parts.serviceMap)
  if (service === undefined) return not(denied('service-unmapped'), { user })
  const answer = await parts.portal.authorize({ user, service })
  if (answer.kind === 'refused') return not(denied('portal-denied'), { user, detail: answer.detail })
  if (answer.kind !== 'granted') return not(noAnswer(answer), { user, detail: answer.detail })
  const { groups, attributes } = answer
  return sign(parts, { key, user, groups, gecos: attributes.gecos, source: applicant.source })
}

type Redeemed = { readonly kind: 'redeemed'; readonly user: LoginName } | (Issued & { readonly kind: 'not' })

async function redeem(parts: Issuing, { token, source }: Applicant, key: PublicKey): Promise<Redeemed> {
  const no = (outcome: Outcome, more: { readonly user?: LoginName; readonly detail?: string } = {}): Redeemed => ({
    kind: 'not',
    outcome,
    ...more,
  })
  const counted = lockoutKey(caService, source)
  if ((await parts.lockouts.left(counted)).secondsLeft > 0) return no(denied('locked-out'))
  if (parts.usedTokens.take(token) === 'lost') return no(denied('token-replayed'))
  const verified = await parts.portal.verify(token)
  if (verified.kind === 'rejected') {
    await parts.lockouts.count(counted)
    return no(denied('token-rejected'))
  }
  if (verified.kind !== 'accepted') {
    // The token may never have reached the portal, so the person may use it again.
    parts.usedTokens.release(token)
    return no(noAnswer(verified), { detail: verified.detail })
  }
  const user = parseLoginName(verified.user)
  if (!user) return no(denied('bad-login-name'))
  const refusal = await parts.refusalOf(user, key)
  return refusal ? no(refusal, { user }) : { kind: 'redeemed', user }
}

type Person = {
  readonly key: PublicKey
  readonly user: LoginName
  readonly groups: readonly string[]
  readonly gecos: string | undefined
  readonly source: string | undefined
}

async function sign(parts: Issuing, person: Person): Promise<Issued> {
  const { signer, rules } = parts
  const now = parts.now()
  const { user } = person
  const [fingerprint, by] = [parseFingerprint(person.key.fingerprint), parseFingerprint(signer.fingerprint)]
  if (!fingerprint || !by) return not(unavailable('fault'), { user })
  const validBefore = Math.floor(now) + rules.lifetimeSeconds
  const serial = await parts.ledger.enter({ type: 'user', name: user, fingerprint, signer: by, validBefore })
  const body = userCertificate(rules, { ...person, serial, now, nonce: parts.random(32), signer })
  const bytes = formatCertificateBody(body)
  const signed = await signWithAgent(parts.ask, signer, bytes)
  if (signed.kind !== 'signed') return not(unavailable('ca-cannot-sign'), { user, detail: signed.detail })
  const line = formatKeyLine(attachSignature(bytes, signed.signature), body.keyId)
  return { kind: 'issued', line, body, user, fingerprint }
}
