// What hosts ask: POST /weblogin/start and /weblogin/check. docs/portal.md describes the exchange.
import { networkOf } from './addresses-policy.ts'
import { type Approval, addApproval, findApproval } from './approvals.ts'
import { shortId } from './audit-format.ts'
import type { Caller, ServiceContext } from './context.ts'
import { type CheckRequest, parseCheck, parseStart, type StartRequest } from './host-requests-format.ts'
import { type Host, hostOf } from './hosts.ts'
import { hashOf } from './tokens.ts'
import { type CheckResult, checkCode, startTransaction } from './transactions.ts'

export type HostAnswer = { readonly status: 200 | 201 | 400 | 401 | 429; readonly body: object }

export type HostCall = { readonly authorization: string | undefined; readonly body: unknown }

export const webAddress = (baseUrl: string, handle: string): string => `${baseUrl}/w/${handle}`

/** The host whose credential this is, or the answer that says no. */
export async function identify(
  { database, audit, metrics, limits }: ServiceContext,
  { authorization }: HostCall,
  { address }: Caller,
): Promise<Host | HostAnswer> {
  const host = await hostOf(database, authorization)
  if (host) return host
  metrics.count('ob_portal_hosts_refused_total')
  // One line a minute for each address: a stranger must not fill the journal.
  if (limits.strangers.take(address)) audit('HOST_REFUSED', { address })
  return { status: 401, body: { error: 'host_unknown' } }
}

const invalid = (detail: string): HostAnswer => ({ status: 400, body: { error: 'invalid_request', detail } })
const slowDown: HostAnswer = { status: 429, body: { error: 'slow_down' } }

export async function start(context: ServiceContext, call: HostCall, caller: Caller): Promise<HostAnswer> {
  const host = await identify(context, call, caller)
  if ('status' in host) return host
  const read = parseStart(call.body)
  if ('problem' in read) return invalid(read.problem)
  if (read.value.host !== host.name) return invalid(`this credential belongs to the host ${host.name}`)
  return startFor(context, host, read.value)
}

async function startFor(
  context: ServiceContext,
  host: Host,
  { request, hostGroup }: StartRequest,
): Promise<HostAnswer> {
  const { audit, metrics, config } = context
  // Somebody who knocks from one address does not use up what the host may start for others.
  if (!mayStart(context, host, request.rhost)) return slowDown
  // A group that the host only claims opens nothing on the other hosts of that group.
  const place = { host: host.name, hostGroup: hostGroup === host.group ? host.group : '' }
  const who = {
    ...{ user: request.login, host: host.name, service: request.service, rhost: request.rhost },
    key_fingerprint: request.keyFingerprint,
  }
  const approval = await findApproval(context, { ...request, ...place })
  // A provider that was taken out of portal.conf vouches for nobody any more.
  if (approval && isStillAProvider(context, approval)) {
    metrics.count('ob_portal_weblogin_total', 'approved')
    audit('WEBLOGIN_APPROVED', { ...who, issuer: approval.issuer, subject: approval.subject })
    const { name, subject, issuer, groups, expiresAt } = approval
    return {
      status: 200,
      body: { approved: true, user: name, subject, issuer, groups, approval_expires_at: expiresAt },
    }
  }
  const started = await startTransaction(context, { name: host.name, group: place.hostGroup }, request)
  metrics.count('ob_portal_weblogin_total', 'started')
  audit('WEBLOGIN_STARTED', { ...who, transaction: shortId(hashOf(started.handle)) })
  return {
    status: 201,
    body: {
      session: started.session,
      url: webAddress(config.base_url, started.handle),
      expires_in: started.expiresIn,
    },
  }
}

const isStillAProvider = ({ config }: ServiceContext, { issuer }: Approval): boolean =>
  config.providers.some((provider) => provider.issuer === issuer)

export const mayStart = ({ limits }: ServiceContext, host: Host, rhost: string): boolean =>
  limits.starts.take(`${host.name} ${networkOf(rhost) ?? ''}`)

export async function check(context: ServiceContext, call: HostCall, caller: Caller): Promise<HostAnswer> {
  const host = await identify(context, call, caller)
  if ('status' in host) return host
  const read = parseCheck(call.body)
  if ('problem' in read) return invalid(read.problem)
  const { result, approvalExpiresAt } = await judge(context, host, read.value)
  return { status: 200, body: formatResult(result, approvalExpiresAt) }
}

/** Spends the code, makes the approval that was wished for, and writes the audit line. */
export async function judge(
  context: ServiceContext,
  host: Host,
  request: CheckRequest,
): Promise<{ readonly result: CheckResult; readonly approvalExpiresAt: number | undefined }> {
  const { audit, metrics } = context
  const result = await checkCode(context, host, request)
  metrics.count('ob_portal_weblogin_total', result.result)
  if (result.result !== 'confirmed' && result.result !== 'wrong') return { result, approvalExpiresAt: undefined }
  const { transaction } = result
  const where = {
    ...{ host: host.name, service: transaction.service, rhost: transaction.rhost },
    ...{ key_fingerprint: transaction.keyFingerprint, transaction: shortId(transaction.id) },
  }
  if (result.result === 'wrong') {
    audit('WEBLOGIN_WRONG_CODE', { ...where, user: transaction.login, tries_left: result.triesLeft })
    return { result, approvalExpiresAt: undefined }
  }
  const approvalExpiresAt = transaction.remember ? await addApproval(context, transaction, result) : undefined
  const { who } = result
  const wish =
    approvalExpiresAt === undefined ? {} : { approval_seconds: approvalExpiresAt - Math.floor(context.now()) }
  audit('WEBLOGIN_CONFIRMED', { ...where, user: who.user, issuer: who.issuer, subject: who.subject, ...wish })
  return { result, approvalExpiresAt }
}

function formatResult(checked: CheckResult, approvalExpiresAt: number | undefined): object {
  switch (checked.result) {
    case 'confirmed': {
      const { user, subject, issuer, groups, acr, authTime } = checked.who
      return {
        ...{ result: 'confirmed', user, subject, issuer, groups },
        ...(acr === '' ? {} : { acr }),
        ...(authTime === 0 ? {} : { auth_time: authTime }),
        ...(approvalExpiresAt === undefined ? {} : { approval_expires_at: approvalExpiresAt }),
      }
    }
    case 'wrong':
      return checked.triesLeft > 0 ? { result: 'wrong', tries_left: checked.triesLeft } : { result: 'refused' }
    case 'pending':
    case 'expired':
    case 'refused':
      return { result: checked.result }
  }
}
