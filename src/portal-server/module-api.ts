// The two calls of pam-weblogin's C module, so that its hosts can use this service unchanged. What its own servers
// leave open is closed: no code before the person pressed the button, tries counted here, another secret in the
// address than the host's, and never "cached", because that module proves no key.

import { qrCode } from '../base/qr-code.ts'
import { shortId } from './audit-format.ts'
import type { Caller, ServiceContext } from './context.ts'
import { type HostCall, identify, judge, mayStart, webAddress } from './host-api.ts'
import { parseModuleCheck, parseModuleStart } from './host-requests-format.ts'
import { hashOf } from './tokens.ts'
import { startTransaction } from './transactions.ts'

/** The module shows the message of a refusal only when it is short. */
export type ModuleAnswer = { readonly status: 201 | 400 | 401 | 429; readonly body: object }

const refusal = (status: 400 | 401 | 429, message: string): ModuleAnswer => ({ status, body: { error: true, message } })

export async function startModule(context: ServiceContext, call: HostCall, caller: Caller): Promise<ModuleAnswer> {
  const host = await identify(context, call, caller)
  if ('status' in host) return refusal(401, 'This host is unknown')
  const read = parseModuleStart(call.body)
  if ('problem' in read) return refusal(400, read.problem)
  if (!mayStart(context, host, read.value.rhost)) return refusal(429, 'Too many logins at once')
  const { session, handle } = await startTransaction(context, { name: host.name, group: '' }, read.value)
  const url = webAddress(context.config.base_url, handle)
  context.metrics.count('ob_portal_weblogin_total', 'started')
  const { login, rhost, service } = read.value
  const id = shortId(hashOf(handle))
  context.audit('WEBLOGIN_STARTED', { user: login, host: host.name, rhost, service, transaction: id })
  const challenge = `Log in at this address, then type the verification code that is shown there:\n  ${url}\n`
  const qr = qrCode(url.toUpperCase(), 80)
  return { status: 201, body: { result: 'OK', session_id: session, challenge, cached: false, url, qr_code_ascii: qr } }
}

export async function checkModule(context: ServiceContext, call: HostCall, caller: Caller): Promise<ModuleAnswer> {
  const host = await identify(context, call, caller)
  if ('status' in host) return refusal(401, 'This host is unknown')
  const read = parseModuleCheck(call.body)
  if ('problem' in read) return { status: 201, body: { result: 'FAIL', info: 'That is no verification code' } }
  const { result } = await judge(context, host, read.value)
  switch (result.result) {
    case 'confirmed': {
      const groups = result.who.groups.map((name) => ({ id: name, name, short_name: name, urn: name }))
      return {
        status: 201,
        body: { result: 'SUCCESS', username: result.who.user, info: 'Logged in', collaborations: [], groups },
      }
    }
    case 'wrong':
      return result.triesLeft > 0
        ? { status: 201, body: { result: 'FAIL', info: `Wrong code, ${result.triesLeft} tries left` } }
        : { status: 201, body: { result: 'TIMEOUT', info: 'Too many wrong codes' } }
    case 'pending':
      return { status: 201, body: { result: 'FAIL', info: 'Open the address first' } }
    case 'expired':
    case 'refused':
      return { status: 201, body: { result: 'TIMEOUT', info: 'This login does not wait any more' } }
  }
}
