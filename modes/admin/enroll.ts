// Gives this host its identity at the portal: an administrator approves a code there. Nothing is written before the
// portal accepts.

import { Fault, orElse } from '../../src/base/fault.ts'
import { parseJsonObject, textMember } from '../../src/base/json.ts'
import { type LoginName, parseLoginName } from '../../src/base/names.ts'
import { allowed, denied, unavailable } from '../../src/base/outcome.ts'
import { paths } from '../../src/base/paths.ts'
import { remedyFor } from '../../src/base/remedy.ts'
import type { Secret } from '../../src/base/secret.ts'
import { dirname } from '../../src/base/text.ts'
import type { World } from '../../src/base/world.ts'
import { type Config, loadConfig } from '../../src/config/load.ts'
import { openPorts } from '../../src/login/ports.ts'
import { clientMethod, withClientSecret } from '../../src/portal-client/client-auth.ts'
import { type DeviceGrant, type Poll, requestDeviceCode } from '../../src/portal-client/device-grant.ts'
import { authorizationBody, authorizePath, expectJson, openPortal } from '../../src/portal-client/endpoints.ts'
import { planSealing, type SealPlan } from '../../src/portal-client/enrollment-seal.ts'
import type { Http, HttpAnswer } from '../../src/portal-client/http.ts'
import { openPortalHttp } from '../../src/portal-client/portal-http.ts'
import type { Tokens } from '../../src/portal-client/server-token.ts'
import type { TokenFile } from '../../src/portal-client/server-token-format.ts'
import { armMonitor, armTimer } from '../../src/portal-client/timer.ts'
import { readTokenFile, saveEnrollment } from '../../src/portal-client/token-file.ts'
import { parse } from '../run/args.ts'
import { type Ending, ended, type Mode } from '../run/mode.ts'

export const syntax = {
  name: 'enroll',
  summary: 'Enroll this host at the portal by the device authorization grant (RFC 8628).',
  args: {
    json: { type: 'boolean', description: 'print one JSON object a line', default: false },
    'dry-run': {
      type: 'boolean',
      description: 'say what would be done and whether the portal answers; change nothing',
      default: false,
    },
    force: { type: 'boolean', description: 'enroll again even when the present token works', default: false },
  },
} as const

type Output = { readonly say: (text: string, event: Readonly<Record<string, unknown>>) => void }

export const mode: Mode = {
  run: async (args, world) => {
    const result = await parse(syntax, args)
    if ('ending' in result) return result.ending
    const { json, force } = result.parsed
    const output: Output = { say: (text, event) => world.stdout(json ? `${JSON.stringify(event)}\n` : `${text}\n`) }
    const config = await withClientSecret(world, loadConfig(world.files))
    const plan = await planSealing(world, config)
    if (result.parsed['dry-run']) return rehearse(config, openPortalHttp(world, config), plan, output)
    // What a store that is shut holds cannot prove anything.
    if (!force && plan.kind !== 'anew' && (await proves(world, config))) {
      output.say(
        'this host is enrolled already, and the portal accepts its token; ob enroll --force enrolls it again',
        {
          event: 'already-enrolled',
        },
      )
      await arm(world, output)
      return ended(allowed('done'))
    }
    return enroll(world, config, plan, output)
  },
}

const sealTexts: Readonly<Record<SealPlan['kind'], string>> = {
  seal: `would seal the refresh token in ${paths.secrets}`,
  anew: `would seal the refresh token in a new ${paths.secrets}`,
  plain: 'would leave the refresh token there in plain text',
}

async function rehearse(config: Config, http: Http, plan: SealPlan, output: Output): Promise<Ending> {
  const answer = await http({
    method: 'GET',
    url: `${config.portal_url}/.well-known/openid-configuration`,
    headers: {},
  })
  const problem = problemOf(answer)
  const reachable = problem === undefined
  const method = clientMethod(config)
  output.say(
    [
      `would enroll at ${config.portal_url} as client ${config.client_id ?? '(client_id is not set)'}, group ${config.server_group ?? '(server_group is not set: the portal says which)'}`,
      `would authenticate by ${method === 'none' ? 'no secret (public client)' : method} with PKCE`,
      `would write ${config.server_token_file}; ${sealTexts[plan.kind]}${'why' in plan ? `: ${plan.why}` : ''}`,
      problem ?? 'the portal answers, and it is an OpenID provider',
    ].join('\n'),
    {
      event: 'dry-run',
      portal: config.portal_url,
      client_id: config.client_id,
      file: config.server_token_file,
      reachable,
      ...(problem === undefined ? {} : { problem }),
    },
  )
  if (config.client_id === undefined) return ended(denied('found-problems'))
  if (answer.kind !== 'answer') return ended(unavailable('portal-unreachable'))
  return ended(reachable ? allowed('done') : denied('found-problems'))
}

/** Why this is no answer of a portal at which hosts enroll (OpenID Connect Discovery 1.0 §4.2). */
function problemOf(answer: HttpAnswer): string | undefined {
  if (answer.kind !== 'answer') return answer.detail
  const address = '/.well-known/openid-configuration'
  const isProvider = answer.status === 200 && textMember(parseJsonObject(answer.text) ?? {}, 'issuer') !== undefined
  if (isProvider) return undefined
  return `what answers at portal_url is no OpenID provider (HTTP ${answer.status} for ${address}); check portal_url`
}

async function enroll(world: World, config: Config, plan: SealPlan, output: Output): Promise<Ending> {
  const http = openPortalHttp(world, config)
  insistOnRoom(world, config)
  const interrupted = world.interrupted()
  const grant = await requestDeviceCode(world, config, http)
  await announce(world, grant, output)
  const granted = await wait(world, grant, interrupted)
  if (typeof granted === 'string') {
    output.say(`not enrolled: ${granted}; nothing was changed`, { event: 'not-enrolled', detail: granted })
    return ended(denied('gave-up'))
  }
  if (granted.refreshToken === undefined)
    throw new Fault('the portal gave no refresh token, so this host would lose its enrollment within the hour', {
      hint: 'allow offline_access (refresh tokens) for this client at the portal, then run ob enroll again',
    })
  const now = Math.floor(world.now())
  const { accessToken, refreshToken } = granted
  const expiresAt = now + granted.expiresIn
  const refusal = await refusalOf(world, config, http, accessToken)
  if (refusal !== undefined && plan.kind !== 'anew' && readable(world, config))
    throw new Fault(`the portal refuses what it approved just now, so ${config.server_token_file} stays: ${refusal}`, {
      hint: remedyFor('portal-refuses-host', refusal) ?? '',
    })
  await save(world, config, { accessToken, refreshToken, expiresAt, enrolledAt: now, renewedAt: now }, { plan, output })
  if (!(await proves(world, config)))
    throw new Fault(
      `the token was saved in ${config.server_token_file}, but the portal does not accept it${refusal === undefined ? '' : `: ${refusal}`}`,
      {
        hint:
          refusal === undefined
            ? 'check that the PAM plugin of the portal is active, then run: ob doctor'
            : hintAfter(refusal),
      },
    )
  output.say(`enrolled: the portal accepts this host; its token is in ${config.server_token_file}`, {
    event: 'enrolled',
    file: config.server_token_file,
  })
  await arm(world, output)
  return ended(allowed('done'))
}

type Saving = { readonly plan: SealPlan; readonly output: Output }

async function save(world: World, config: Config, tokens: TokenFile, { plan, output }: Saving): Promise<void> {
  const problem = await saveEnrollment(world, config, tokens, plan)
  if (plan.kind === 'anew')
    output.say(`the sealed store was begun anew: ${plan.why}`, { event: 'store-anew', detail: plan.why })
  const why = problem ?? (plan.kind === 'plain' ? plan.why : undefined)
  if (why === undefined || !config.secrets_encrypted) return
  const text = `the refresh token stands in plain text in ${config.server_token_file}: ${why}`
  output.say(text, { event: 'not-sealed', detail: why })
}

/** Nobody has to approve again when only a setting is wrong. */
const hintAfter = (refusal: string): string => {
  const remedy = remedyFor('portal-refuses-host', refusal) ?? ''
  return remedy.includes('ob enroll') ? remedy : `${remedy}; then run ob enroll again, which needs no new approval`
}

/**
 * What the portal says against a host with this token: its scope, its group. Asked before the old token is replaced,
 * and past what notes refusals: it is not this host as it is that is refused.
 */
async function refusalOf(world: World, config: Config, http: Http, accessToken: Secret): Promise<string | undefined> {
  const tokens: Tokens = {
    read: () => ({ accessToken }),
    renew: async () => ({ kind: 'refuses-host', detail: 'the portal refuses the token that it gave just now' }),
  }
  const body = authorizationBody(world, config, { user: probe(), service: 'sshd' })
  const answer = await openPortal(world, config, http, tokens).send(authorizePath, body)
  const reply = answer.kind === 'answer' ? expectJson(answer, authorizePath) : answer
  return reply.kind === 'refuses-host' ? reply.detail : undefined
}

/** Before anybody is asked to approve: whether what the portal will give can be written down here. */
function insistOnRoom({ files }: World, { server_token_file }: Config): void {
  files.makeDirectory(dirname(server_token_file), 0o711)
  const trial = `${server_token_file}.trial`
  files.writeAtomic(trial, ' '.repeat(4096), { mode: 0o600 })
  files.remove(trial)
}

/** Without heartbeats the portal forgets this host after a month; their absence does not undo the enrollment. */
async function arm(world: World, output: Output): Promise<void> {
  const { armed, text } = await armTimer(world)
  output.say(text, { event: 'heartbeats', armed, detail: text })
  const monitor = await armMonitor(world)
  if (monitor) output.say(monitor.text, { event: 'monitor', armed: monitor.armed, detail: monitor.text })
}

async function announce(world: World, { code }: DeviceGrant, output: Output): Promise<void> {
  const address = code.completeUri ?? code.verificationUri
  const minutes = Math.max(1, Math.round(code.expiresIn / 60))
  output.say(
    `${await qrCode(world, address)}Open   ${address}\nas an administrator of the portal and approve this code within ${minutes} min:\n\n    ${code.userCode}\n`,
    {
      event: 'code',
      user_code: code.userCode,
      verification_uri: code.verificationUri,
      verification_uri_complete: code.completeUri,
      expires_in: code.expiresIn,
      interval: code.interval,
    },
  )
}

/** Only where it fits and can be seen. */
async function qrCode(world: World, address: string): Promise<string> {
  const columns = world.terminal?.columns ?? 0
  if (columns === 0) return ''
  const picture = (await import('../../src/base/qr-code.ts')).qrCode(address, columns)
  return picture === '' ? '' : `${picture}\n`
}

/** Polls until there is an answer; a network that comes and goes does not end it, the code's lifetime does. */
async function wait(
  world: World,
  grant: DeviceGrant,
  interrupted: AbortSignal,
): Promise<(Poll & { kind: 'granted' }) | string> {
  const until = world.monotonic() + grant.code.expiresIn * 1000
  let interval = grant.code.interval
  for (;;) {
    const left = Math.ceil((until - world.monotonic()) / 1000)
    if (left <= 0) return 'nobody approved the code in time'
    await countdown(world, Math.min(interval, left), left, interrupted)
    if (interrupted.aborted) return 'interrupted'
    const answer = await grant.poll()
    switch (answer.kind) {
      case 'granted':
        return answer
      case 'refused':
        return answer.detail
      case 'slow-down':
        interval += 5 // RFC 8628 §3.5
        break
      case 'pending':
      case 'unreachable':
        break
    }
  }
}

async function countdown(world: World, seconds: number, left: number, interrupted: AbortSignal): Promise<void> {
  for (let passed = 0; passed < seconds && !interrupted.aborted; passed++) {
    world.terminal?.redraw(`waiting for approval, ${left - passed} s left `)
    await world.sleep(1)
  }
  world.terminal?.redraw('')
}

/** A token file that cannot be used is replaced, not mended. */
function readable(world: World, config: Config): boolean {
  return orElse(
    () => {
      readTokenFile(world, config.server_token_file)
      return true
    },
    () => false,
  )
}

/** A harmless question that only an enrolled host gets an answer to. The name is upstream's, and no user has it. */
async function proves(world: World, config: Config): Promise<boolean> {
  if (!readable(world, config)) return false
  const answer = await openPorts(world, config).portal.authorize({ user: probe(), service: 'sshd' })
  if (answer.kind === 'unreachable') throw new Fault(answer.detail, { hint: 'try again when the portal answers' })
  return answer.kind === 'granted' || answer.kind === 'refused'
}

function probe(): LoginName {
  const name = parseLoginName('__test__')
  if (!name) throw new Fault('the probe has no acceptable name')
  return name
}
