// The one HTTP client, with fixed rules: no redirects, no retries, no environment proxies, one deadline that covers the
// body, and a size limit while it streams. It tells an outage from a refusal, and never throws for an outage.
import { ofetch } from 'ofetch'
import { concat, decodeUtf8 } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { paths } from '../base/paths.ts'
import type { Parts, TlsOptions } from '../base/world.ts'
import { type Config, noPortal } from '../config/load.ts'

export type HttpRequest = {
  readonly method: 'GET' | 'POST'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  /** Largest body believed, in bytes; without it bodyLimit. */
  readonly limit?: number
  /** The answer is bytes: its text is their base64. */
  readonly binary?: true
}

export type HttpAnswer =
  | { readonly kind: 'answer'; readonly status: number; readonly headers: Headers; readonly text: string }
  /** `responded`: there was an answer, a refusal or an error; the network is there. */
  | { readonly kind: 'unreachable'; readonly detail: string; readonly responded: boolean }
  | { readonly kind: 'garbled'; readonly detail: string }

export type Http = (request: HttpRequest) => Promise<HttpAnswer>

/** Largest body believed, in bytes. */
export const bodyLimit = 262_144

/** How a peer is reached and what is believed of it; the configuration is the portal's. */
export type HttpSettings = Pick<Config, 'ca_cert' | 'min_tls_version' | 'cert_pin' | 'proxy' | 'timeout'> & {
  readonly peer?: Peer
}

type Peer = { readonly name: string; readonly hint: string; readonly caKey: string }

const portalPeer: Peer = {
  name: 'the portal',
  hint: 'if the portal is the right one, set or correct ca_cert, cert_pin, min_tls_version and portal_url',
  caKey: 'ca_cert',
}

export function openHttp(world: Parts<'timeout' | 'fetch' | 'files'>, config: HttpSettings): Http {
  let tls: TlsOptions | undefined
  return async (request) => {
    if (request.url.startsWith('/')) throw noPortal()
    // Only a webhook on this host may be spoken to without TLS: the schema sees to that.
    if (!request.url.startsWith('http://')) tls ??= tlsOptions(world, config)
    return send(world, config, tls, request)
  }
}

function tlsOptions(world: Parts<'files'>, config: HttpSettings): TlsOptions {
  return {
    ca: readAuthorities(world, config),
    minVersion: config.min_tls_version === 12 ? 0x0303 : 0x0304,
    pins: config.cert_pin,
  }
}

function readAuthorities(world: Parts<'files'>, config: HttpSettings): string {
  const { name, caKey } = config.peer ?? portalPeer
  const candidates = config.ca_cert === undefined ? paths.systemAuthorities : [config.ca_cert]
  for (const path of candidates) {
    const bytes = world.files.readTrusted(path, { limit: 4 << 20, secret: false })
    if (!bytes) continue
    const text = decodeUtf8(bytes) ?? ''
    if (/-----BEGIN CERTIFICATE-----\s+[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/.test(text)) return text
    throw new Fault(`${path} holds no PEM certificate`, {
      hint: `point ${caKey} at the certificate authority of ${name}`,
    })
  }
  throw new Fault(`no certificate authorities: ${candidates.join(', ')} does not exist`, {
    hint: `install the package ca-certificates, or set ${caKey}`,
  })
}

async function send(
  world: Parts<'timeout' | 'fetch'>,
  config: HttpSettings,
  tls: TlsOptions | undefined,
  request: HttpRequest,
): Promise<HttpAnswer> {
  const peer = config.peer ?? portalPeer
  const signal = world.timeout(config.timeout)
  try {
    const response = await exchange(world, config.proxy, tls, request, signal)
    if (weather.has(response.status))
      return { kind: 'unreachable', detail: `${peer.name} answered HTTP ${response.status}`, responded: true }
    const body = await readBody(response, signal, request)
    if (typeof body !== 'string') return body
    return { kind: 'answer', status: response.status, headers: response.headers, text: body }
  } catch (error) {
    const hasOwnAuthority = config.ca_cert !== undefined
    return judge(error, { host: new URL(request.url).host, signal, peer, hasOwnAuthority })
  }
}

/** Plain HTTP has none. */
const noTls: TlsOptions = { ca: '', minVersion: 0x0304, pins: [] }

/** HTTP states that mean «no answer now». */
const weather = new Set([429, 500, 501, 502, 503, 504])

async function exchange(
  world: Parts<'fetch'>,
  proxy: string | undefined,
  tls: TlsOptions = noTls,
  request: HttpRequest,
  signal: AbortSignal,
): Promise<Response> {
  const through = (url: string | URL | Request, init?: RequestInit): Promise<Response> =>
    world.fetch(String(url), init ?? {}, tls, proxy)
  const client = ofetch.create({}, { fetch: through as typeof fetch })
  return client.raw(request.url, {
    method: request.method,
    headers: { accept: 'application/json', ...request.headers },
    ...(request.body === undefined ? {} : { body: request.body }),
    signal,
    redirect: 'manual',
    retry: 0,
    ignoreResponseError: true,
    responseType: 'stream',
  }) as Promise<Response>
}

type Body = string | (HttpAnswer & { kind: 'garbled' })

async function readBody(
  response: Response,
  signal: AbortSignal,
  { binary, limit = bodyLimit }: HttpRequest,
): Promise<Body> {
  // ofetch has replaced the body by the stream it promises.
  const stream = (response as { _data?: unknown })._data
  if (!(stream instanceof ReadableStream)) return ''
  const bytes = await collect(stream as ReadableStream<Uint8Array<ArrayBuffer>>, signal, limit)
  if (!bytes) return { kind: 'garbled', detail: `the answer is larger than ${limit} bytes` }
  if (binary) return bytes.toBase64()
  return decodeUtf8(bytes) ?? { kind: 'garbled', detail: 'the answer is not UTF-8' }
}

/** The whole body, or undefined as soon as it is too long. */
async function collect(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  signal: AbortSignal,
  limit: number,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const reader = stream.getReader()
  const parts: Uint8Array<ArrayBuffer>[] = []
  let length = 0
  const abort = (): void => void reader.cancel().catch(() => undefined)
  signal.addEventListener('abort', abort)
  for (;;) {
    const { done, value } = await reader.read()
    signal.throwIfAborted()
    if (done) return parts.length === 1 ? parts[0] : concat(...parts)
    length += value.length
    if (length > limit) {
      abort()
      return undefined
    }
    parts.push(value)
  }
}

const noConnection = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'EHOSTDOWN',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EAI_FAIL',
  'EAI_NODATA',
  'ConnectionRefused',
  'ConnectionClosed',
])

// Not ECONNREFUSED: the runtime says that too when no route leads there.
const answeredCodes = new Set(['ECONNRESET', 'ECONNABORTED', 'EPIPE'])

/** It came inside TLS, so the peer itself sent it. */
const nonsense = new Set([
  'Malformed_HTTP_Response',
  'UnrequestedUpgrade',
  'ZlibError',
  'BrotliDecompressionError',
  'ZstdDecompressionError',
  'InvalidHTTPResponse',
  'InvalidContentLength',
  'ResponseHeadersTooLarge',
])

// Only the errors on the list are an outage. Everything else, certificates above all, is a fault: it must never look
// like an outage.
type Attempt = {
  readonly host: string
  readonly signal: AbortSignal
  readonly peer: Peer
  readonly hasOwnAuthority: boolean
}

function judge(error: unknown, { host, signal, peer, hasOwnAuthority }: Attempt): HttpAnswer {
  if (error instanceof Fault) throw error
  const cause = rootCause(error)
  if (signal.aborted || cause.name === 'TimeoutError' || cause.name === 'AbortError')
    return { kind: 'unreachable', detail: `${host} did not answer in time`, responded: false }
  const code = cause.code ?? 'unknown error'
  if (code === 'ERR_PROXY_TUNNEL')
    return { kind: 'unreachable', detail: `the proxy makes no connection to ${host}`, responded: true }
  if (nonsense.has(code)) return { kind: 'garbled', detail: `${peer.name} answered what is not HTTP (${code})` }
  if (noConnection.has(code))
    return { kind: 'unreachable', detail: `no connection to ${host} (${code})`, responded: answeredCodes.has(code) }
  const believed = hasOwnAuthority ? peer.caKey : `the authorities of this host (${peer.caKey} is not set)`
  const why = (refusals[code] ?? code).replace('ca_cert', believed)
  throw new Fault(`${peer.name} ${host} was refused: ${why}`, { kind: 'refused', hint: peer.hint })
}

const refusals: Record<string, string> = {
  PIN_MISMATCH: 'its public key matches none of cert_pin',
  EPROTO:
    'the TLS handshake failed (does it speak TLS, the version that min_tls_version asks for, and want no certificate from us?)',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another host',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet (is this host’s clock right?)',
  INVALID_PURPOSE: 'its certificate is not one for servers',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed and not in ca_cert',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate authority is not in ca_cert',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is not signed by an authority in ca_cert',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate authority is not in ca_cert',
}

function rootCause(error: unknown): { readonly name: string; readonly code: string | undefined } {
  let current = error
  while (current instanceof Error && current.cause instanceof Error) current = current.cause
  if (!(current instanceof Error)) return { name: 'unknown', code: undefined }
  const code = 'code' in current && typeof current.code === 'string' ? current.code : undefined
  return { name: current.name, code }
}
