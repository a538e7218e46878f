// The device authorization grant (RFC 8628) with PKCE (RFC 7636): how this host gets its identity. oauth4webapi speaks
// the protocol; the network is ours.
import * as oauth from 'oauth4webapi'
import { Fault } from '../base/fault.ts'
import { Secret } from '../base/secret.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import { type ClientAuth, type ClientMethod, openClientAuth } from './client-auth.ts'
import { discover } from './discovery.ts'
import type { Endpoints } from './discovery-format.ts'
import { clockRemark, clockRemedy, skewOf } from './enrollment-policy.ts'
import type { Http } from './http.ts'

export type DeviceCode = {
  readonly userCode: string
  readonly verificationUri: string
  readonly completeUri: string | undefined
  /** Seconds. */
  readonly expiresIn: number
  /** Seconds between two polls. */
  readonly interval: number
}

export type Poll =
  | {
      readonly kind: 'granted'
      readonly accessToken: Secret
      readonly refreshToken: Secret | undefined
      readonly expiresIn: number
    }
  | { readonly kind: 'pending' | 'slow-down' | 'unreachable' }
  | { readonly kind: 'refused'; readonly detail: string }

export type DeviceGrant = { readonly code: DeviceCode; readonly poll: () => Promise<Poll> }

const scope = 'pam:server offline_access'

/** Asks for a device code; the grant it returns is polled until an administrator approved it at the portal. */
export async function requestDeviceCode(
  world: Parts<'now' | 'random' | 'files' | 'keyring'>,
  config: Config,
  http: Http,
): Promise<DeviceGrant> {
  const auth = await openClientAuth(world, config)
  const discovered = await discover(config, http)
  if (discovered.kind === 'unreachable') throw noAnswer(discovered.detail)
  const server: Server = { issuer: config.portal_url, ...discovered.endpoints }
  const options = { [oauth.customFetch]: fetchThrough(http) }
  const verifier = oauth.generateRandomCodeVerifier()
  const response = await oauth.deviceAuthorizationRequest(
    server,
    auth.client,
    auth.proofFor(server.device_authorization_endpoint),
    { scope, code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256' },
    options,
  )
  if (response.status === unreachableStatus) throw noAnswer(response.statusText)
  const answer = await judged(() => oauth.processDeviceAuthorizationResponse(server, auth.client, response))
  if ('problem' in answer) {
    const clock = clockRemark(skewOf(response.headers, world.now()))
    throw new Fault(`the portal refused to start the enrollment: ${answer.problem}`, {
      hint: hintFor(answer.problem, auth.method, clock),
    })
  }
  const { device_code, user_code, verification_uri, verification_uri_complete, expires_in, interval = 5 } = answer.value
  const code = {
    userCode: printable(user_code),
    verificationUri: printable(verification_uri),
    completeUri: verification_uri_complete === undefined ? undefined : printable(verification_uri_complete),
    expiresIn: expires_in,
    interval,
  }
  return {
    code,
    poll: () => poll(server, auth, device_code, { ...options, additionalParameters: { code_verifier: verifier } }),
  }
}

type Server = oauth.AuthorizationServer & Endpoints

const noAnswer = (detail: string): Fault =>
  new Fault(`the portal gave no answer (${detail})`, { hint: 'check portal_url and the network' })

async function poll(
  server: Server,
  { client, proofFor }: ClientAuth,
  deviceCode: string,
  options: oauth.TokenEndpointRequestOptions,
): Promise<Poll> {
  const response = await oauth.deviceCodeGrantRequest(
    server,
    client,
    proofFor(server.token_endpoint),
    deviceCode,
    options,
  )
  if (response.status === unreachableStatus) return { kind: 'unreachable' }
  const answer = await judged(() => oauth.processDeviceCodeResponse(server, client, response))
  if ('value' in answer) {
    const { access_token, refresh_token, expires_in = 3600 } = answer.value
    const refreshToken = refresh_token === undefined ? undefined : new Secret(refresh_token)
    return { kind: 'granted', accessToken: new Secret(access_token), refreshToken, expiresIn: expires_in }
  }
  switch (answer.code) {
    case 'authorization_pending':
      return { kind: 'pending' }
    case 'slow_down':
      return { kind: 'slow-down' }
    case 'access_denied':
      return { kind: 'refused', detail: 'the request was denied at the portal' }
    case 'expired_token':
      return { kind: 'refused', detail: 'the code has expired' }
    default:
      return { kind: 'refused', detail: answer.problem }
  }
}

type Judged<T> = { readonly value: T } | { readonly problem: string; readonly code: string }

/** The library throws what a server says; here it becomes a value, without quoting anything it should not. */
async function judged<T>(work: () => Promise<T>): Promise<Judged<T>> {
  try {
    return { value: await work() }
  } catch (error) {
    if (error instanceof oauth.ResponseBodyError) {
      const description = error.error_description === undefined ? '' : ` (${printable(error.error_description)})`
      return { code: error.error, problem: `${printable(error.error)}${description}` }
    }
    if (error instanceof oauth.OperationProcessingError || error instanceof oauth.WWWAuthenticateChallengeError)
      return { code: 'garbled', problem: 'an answer that is not OAuth 2.0' }
    throw error
  }
}

function hintFor(problem: string, method: ClientMethod, clock: string | undefined): string {
  // An assertion of another time is refused like one of another secret (RFC 7523 §3).
  if (clock !== undefined) return `${clock}: ${clockRemedy}; then run ob enroll again`
  if (problem.startsWith('invalid_client') || problem.startsWith('invalid_request'))
    return (
      `check client_id and its secret or key; this host used ${method}, ` +
      'which the portal must accept of this client (client_auth_method)'
    )
  if (problem.startsWith('unauthorized_client'))
    return 'allow the device authorization grant for this client at the portal'
  return 'look at the log of the portal'
}

/** Our own mark for «no answer»; no HTTP server sends it. */
const unreachableStatus = 599

function fetchThrough(http: Http) {
  return async (
    url: string,
    request: oauth.CustomFetchOptions<string, URLSearchParams | undefined | null>,
  ): Promise<Response> => {
    const body = request.body?.toString()
    const answer = await http({
      method: request.method === 'GET' ? 'GET' : 'POST',
      url,
      headers: { 'content-type': 'application/x-www-form-urlencoded;charset=UTF-8', ...request.headers },
      ...(body === undefined ? {} : { body }),
    })
    if (answer.kind !== 'answer')
      return new Response(null, { status: unreachableStatus, statusText: printable(answer.detail) })
    return new Response(answer.text, { status: answer.status, headers: answer.headers })
  }
}

/** Text for a terminal holds no escape sequences, whoever wrote it. */
const printable = (text: string): string => text.slice(0, 512).replace(/[^ -~]/g, '?')
